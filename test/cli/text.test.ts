import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { formatBytes, formatDuration, formatRate } from '../../src/cli/text.js';
import { ERROR_CODES, VpnrError } from '../../src/errors.js';

test('a figure that is rounded up to a thousand, or a minute, goes into the next unit', () => {
  assert.equal([0, 12.4, 999.4, 999.6, 59_940, 59_970, 61_000, 3_599_000, 3_600_000].map(formatDuration), [
    '0 ms',
    '12 ms',
    '999 ms',
    '1.0 s',
    '59.9 s',
    '1 min 0 s',
    '1 min 1 s',
    '59 min 59 s',
    '1 h 0 min',
  ]);
  assert.equal([0, 999, 1000, 999_940, 999_960, 999_960_000, 2e15].map(formatBytes), [
    '0 B',
    '999 B',
    '1.0 kB',
    '999.9 kB',
    '1.0 MB',
    '1.0 GB',
    '2000.0 TB',
  ]);
  assert.equal([0.4, 999.6, 999_960].map(formatRate), ['0 bit/s', '1.0 kbit/s', '1.0 Mbit/s']);
});

test('every error but a mistake in vpnr says what to do next', () => {
  for (const code of ERROR_CODES)
    assert.is(new VpnrError(code, 'it went wrong').remedy === undefined, code === 'INTERNAL', code);
  assert.is(new VpnrError('USAGE', 'it went wrong', { remedy: 'do it right' }).remedy, 'do it right');
});

test.run();
