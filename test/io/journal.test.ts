import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Journal } from '../../src/io/journal.js';
import { isAlive, ownIdentity } from '../../src/io/process.js';
import type { UndoStep } from '../../src/io/undo.js';
import { onSmallDisk, smallDiskObstacle } from '../support/small-disk.js';

const step = (n: number): UndoStep => ({ kind: 'route', destination: `10.0.${n}.0/24`, device: 'vpnr0' });

function withDirectory(name: string, body: (directory: string) => Promise<void> | void): void {
  test(name, async () => {
    const parent = mkdtempSync(join(tmpdir(), 'vpnr-journal-'));
    try {
      await body(join(parent, 'run'));
    } finally {
      rmSync(parent, { recursive: true });
    }
  });
}

/** Leaves the journal as a killed process would: not closed, the lock gone. */
function leave(directory: string, text: string): void {
  Journal.open('work', directory).close();
  writeFileSync(join(directory, 'work.journal'), text, { mode: 0o600 });
}

withDirectory('steps are on the disk when record returns, readable by the owner only', directory => {
  const journal = Journal.open('work', directory);
  journal.record(step(1));
  const path = join(directory, 'work.journal');
  assert.match(readFileSync(path, 'utf8'), '10.0.1.0/24');
  assert.is(statSync(path).mode & 0o777, 0o600);
  assert.is(statSync(directory).mode & 0o777, 0o700);
  journal.close();
});

withDirectory('a settled journal leaves no file', directory => {
  const journal = Journal.open('work', directory);
  const entries = journal.recordAll([step(1), step(2)]);
  assert.is(journal.entries.length, 2);
  journal.settle(entries);
  assert.equal(journal.entries, []);
  journal.close();
  journal.close();
  assert.not.ok(existsSync(join(directory, 'work.journal')));
});

withDirectory('what was not settled is there at the next start, in order', directory => {
  const journal = Journal.open('work', directory);
  journal.settle(journal.recordAll([step(1), step(2), step(3)]).slice(1, 2));
  journal.close();
  const next = Journal.open('work', directory);
  assert.equal(
    next.entries.map(entry => entry.undo),
    [step(1), step(3)],
  );
  // New steps do not take the numbers of old ones.
  const fresh = next.record(step(4));
  assert.not.ok(next.entries.slice(0, 2).some(entry => entry.id === fresh.id));
  next.settle(next.entries);
  next.close();
});

withDirectory('a second instance is refused, and says who runs', directory => {
  const journal = Journal.open('work', directory);
  assert.throws(
    () => Journal.open('work', directory),
    (error: { code?: string; message: string }) =>
      error.code === 'ALREADY_RUNNING' && error.message.includes(String(process.pid)),
  );
  assert.is(Journal.owner('work', directory)?.pid, process.pid);
  Journal.open('other', directory).close();
  journal.close();
  assert.is(Journal.owner('work', directory), undefined);
  Journal.open('work', directory).close();
});

withDirectory('a killed process lets go of the journal, its steps stay', async directory => {
  const script = `
    const { Journal } = await import(${JSON.stringify(new URL('../../src/io/journal.js', import.meta.url).href)});
    const journal = Journal.open('work', ${JSON.stringify(directory)});
    journal.record(${JSON.stringify(step(7))});
    console.log('ready');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  try {
    await once(child.stdout, 'data');
    assert.throws(() => Journal.open('work', directory), /is running already/);
    assert.is(Journal.owner('work', directory)?.pid, child.pid);
  } finally {
    child.kill('SIGKILL');
    await exited;
  }
  assert.is(Journal.owner('work', directory), undefined);
  const journal = Journal.open('work', directory);
  assert.equal(
    journal.entries.map(entry => entry.undo),
    [step(7)],
  );
  journal.settle(journal.entries);
  journal.close();
});

withDirectory('steps of another boot or network namespace are dropped', directory => {
  const self = ownIdentity();
  const lines = (owner: object) =>
    `${JSON.stringify({ owner })}\n${JSON.stringify({ id: 1, undo: step(1) })}\n`;
  leave(
    directory,
    lines({ ...self, boot: 'another' }) + lines({ ...self, network: 'net:[1]' }).replace('"id":1', '"id":2'),
  );
  const journal = Journal.open('work', directory);
  assert.equal(journal.entries, []);
  journal.close();
});

withDirectory('a journal cut short or damaged gives the steps that can be read', directory => {
  const owner = JSON.stringify({ owner: ownIdentity() });
  const whole = `${owner}\n${JSON.stringify({ id: 1, undo: step(1) })}\n${JSON.stringify({ id: 2, undo: step(2) })}\n`;
  // All places in the last line, and some before it.
  for (let length = 0; length < whole.length; length += length < whole.lastIndexOf('{"id":2') ? 9 : 1) {
    leave(directory, whole.slice(0, length));
    const journal = Journal.open('work', directory);
    // A line is complete without its line feed.
    const complete = (whole.slice(0, length + 1).match(/\n/g)?.length ?? 0) - 1;
    assert.is(journal.entries.length, Math.max(0, complete), `cut at ${length}`);
    const added = journal.record(step(9));
    journal.close();
    const next = Journal.open('work', directory);
    assert.equal(next.entries.at(-1)?.undo, added.undo, `cut at ${length}`);
    next.settle(next.entries);
    next.close();
  }
  leave(directory, `${owner}\n{"id":1,"undo":{"kind":"format","disk":"/dev/sda"}}\nnull\n[]\n{"id":-1}\n`);
  appendFileSync(join(directory, 'work.journal'), Buffer.from([0xff, 0x00, 0x0a, 0x7b]));
  const journal = Journal.open('work', directory);
  assert.equal(journal.entries, []);
  journal.close();
});

test('without room a step is refused, and what is taken back is settled', () => {
  const obstacle = smallDiskObstacle();
  if (obstacle !== undefined) return console.log(`# skipped 1: ${obstacle}`);
  const said = onSmallDisk(
    1,
    { '{ Journal }': '../../src/io/journal.js', '{ existsSync, readFileSync }': 'node:fs' },
    `
    const journal = Journal.open('work', DISK);
    const step = ${JSON.stringify(step(1))};
    const recorded = [];
    let error;
    while (error === undefined) try { recorded.push(journal.record(step)); } catch (thrown) { error = thrown; }
    const lines = readFileSync(DISK + '/work.journal', 'utf8').trim().split('\\n').map(line => JSON.parse(line));
    const whole = lines.filter(line => 'undo' in line).length === recorded.length;
    journal.settle(recorded);
    const left = journal.entries.length;
    journal.close();
    console.log(error.code, recorded.length > 30, whole, left, existsSync(DISK + '/work.journal'));`,
  );
  assert.is(said, 'SYSTEM_CALL true true 0 false\n');
});

withDirectory('names that could leave the directory are refused', directory => {
  for (const name of ['', '.', '..', '../x', 'a/b', '.hidden', 'x'.repeat(65), 'a\nb', 'a\0b']) {
    assert.throws(
      () => Journal.open(name, directory),
      (error: { code?: string }) => error.code === 'CONFIG_INVALID',
      name,
    );
  }
});

test('this process is alive, one with another start time is not', () => {
  const self = ownIdentity();
  assert.ok(isAlive(self));
  assert.not.ok(isAlive({ ...self, start: self.start + 1 }));
  assert.not.ok(isAlive({ ...self, pid: 2 ** 22 + 1 }));
});

test.run();
