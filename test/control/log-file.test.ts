import { appendFileSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { LogEntry } from '../../src/control/event-log.js';
import { LogFile, logPath, readLog } from '../../src/control/log-file.js';

const entry = (event: string): LogEntry => ({ time: '', role: 'client', event });

test('the log keeps what came last, within its bounds, for its owner only', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vpnr-log-'));
  process.env.VPNR_STATE_DIR = join(folder, 'state');
  try {
    assert.is(readLog('work', 10), undefined);
    for (let part = 0; part < 2; part++) {
      const log = LogFile.open('work', 500);
      for (let i = 0; i < 20; i++) log.append(entry(`${part * 20 + i}`));
      log.close();
    }
    assert.is(statSync(logPath('work')).mode & 0o777, 0o600);
    for (const path of [logPath('work'), `${logPath('work')}.1`]) assert.ok(statSync(path).size <= 500);
    assert.equal(readLog('work', 3), [entry('37'), entry('38'), entry('39')]);
    assert.equal(readLog('work', 0), []);
    assert.ok((readLog('work', 100)?.length ?? 0) > 12, 'more than one file holds');
    appendFileSync(logPath('work'), '{"cut sho');
    assert.equal(readLog('work', 1), [entry('39')]);
  } finally {
    delete process.env.VPNR_STATE_DIR;
    rmSync(folder, { recursive: true });
  }
});

test.run();
