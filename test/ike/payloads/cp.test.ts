import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { CpPayload } from '../../../src/ike/payloads/cp.js';
import { MAX_ATTRIBUTES } from '../../../src/ike/payloads/cp.js';
import { hex, syntaxError } from '../support.js';
import { emitOne, parseOne, payloadSuite, withHeader } from './suite.js';

const CP = 47;

payloadSuite({
  name: 'CP',
  type: CP,
  payload: {
    type: 'CP',
    cfgType: 2,
    attributes: [
      { type: 1, value: hex('0a3d0005') },
      { type: 3, value: hex('') },
      { type: 13, value: hex('0a140000 ffff0000') },
    ],
  },
  bytes: '00 00 0020 02 000000 0001 0004 0a3d0005 0003 0000 000d 0008 0a140000 ffff0000',
  // The ends of the attributes.
  legal: size => [4, 12, 16].includes(size),
});

test('CP: the reserved bit of an attribute type is ignored', () => {
  const { attributes } = parseOne(CP, withHeader(hex('01000000 8001 0000'))) as CpPayload;
  assert.equal(attributes, [{ type: 1, value: hex('') }]);
});

test('CP: a bounded number of attributes', () => {
  const many = (count: number): CpPayload => ({
    type: 'CP',
    cfgType: 1,
    attributes: new Array(count).fill({ type: 1, value: hex('') }),
  });
  assert.equal(parseOne(CP, emitOne(many(MAX_ATTRIBUTES))), many(MAX_ATTRIBUTES));
  syntaxError(() => parseOne(CP, emitOne(many(MAX_ATTRIBUTES + 1))));
});

test.run();
