import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NetworkChanges } from '../../src/io/changes.js';
import { changeIp, type IpError, queryIp, tryChangeIp } from '../../src/io/ip.js';
import { Journal } from '../../src/io/journal.js';

/** Runs with a program of this shell script in place of iproute2's. */
async function withProgram(
  script: string | undefined,
  body: (directory: string) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'vpnr-ip-'));
  const path = process.env.PATH;
  if (script !== undefined) {
    writeFileSync(join(directory, 'ip'), `#!/bin/sh\n${script}\n`);
    chmodSync(join(directory, 'ip'), 0o755);
  }
  process.env.PATH = script === undefined ? directory : `${directory}:${path}`;
  try {
    await body(directory);
  } finally {
    process.env.PATH = path;
    rmSync(directory, { recursive: true });
  }
}

async function thrown(promise: Promise<unknown>): Promise<IpError> {
  return promise.then(
    () => assert.unreachable('should have failed') as never,
    error => error,
  );
}

test('a missing program is named, with the package that has it', async () => {
  await withProgram(undefined, async () => {
    const error = await thrown(queryIp(['link', 'show']));
    assert.is(error.code, 'MISSING_PROGRAM');
    assert.match(error.remedy ?? '', 'iproute2');
  });
});

test('lack of rights is told apart from other failures', async () => {
  await withProgram('echo "RTNETLINK answers: Operation not permitted" >&2; exit 2', async () => {
    const error = await thrown(queryIp(['link', 'show']));
    assert.is(error.code, 'NOT_ROOT');
    assert.is((await thrown(changeIp([['link', 'set', 'x', 'up']]))).code, 'NOT_ROOT');
  });
});

test('what is not a list of objects is refused', async () => {
  await withProgram('echo "{}"', async () => assert.is((await thrown(queryIp(['x']))).code, 'SYSTEM_CALL'));
  await withProgram('echo "[{},{\\"a\\":1}]"', async () => assert.equal(await queryIp(['x']), [{ a: 1 }]));
  await withProgram(':', async () => assert.equal(await queryIp(['x']), []));
});

test('each failure of a batch is laid to its command', async () => {
  const script = `cat >/dev/null
    echo "RTNETLINK answers: File exists" >&2; echo "Command failed -:2" >&2
    echo "Cannot find device \\"z\\"" >&2; echo "Command failed -:3" >&2; exit 1`;
  await withProgram(script, async () => {
    const failures = await tryChangeIp([['one'], ['two'], ['three', 'words']]);
    assert.equal(
      failures.map(({ index, reason }) => [index, reason]),
      [
        [1, 'exists'],
        [2, 'absent'],
      ],
    );
    assert.match(failures[1]?.message ?? '', 'ip three words');
    assert.is((await thrown(changeIp([['one'], ['two'], ['three']]))).index, 1);
  });
});

test('the journal knows how to undo a change before the change is made', async () => {
  // The program copies the journal, and stores what it was to do.
  const script = `cd "$(dirname "$0")"; cp run/test.journal "seen.$$"; cat > "input.$$"
    echo '[]'
    if [ -s "input.$$" ]; then cat "input.$$" >> all; cat "seen.$$" >> all; fi`;
  await withProgram(script, async directory => {
    const journal = Journal.open('test', join(directory, 'run'));
    const changes = new NetworkChanges(journal, 'lo');
    const done = async (change: Promise<unknown>) => {
      writeFileSync(join(directory, 'all'), '');
      await change;
      return readFileSync(join(directory, 'all'), 'utf8');
    };
    assert.match(
      await done(changes.addAddress('10.1.1.1/32')),
      /address add 10\.1\.1\.1\/32[\s\S]*"address":"10\.1\.1\.1\/32"/,
    );
    assert.match(
      await done(changes.addRoutes(['10.2.0.0/16'])),
      /route add 10\.2\.0\.0\/16[\s\S]*"destination":"10\.2\.0\.0\/16"/,
    );
    assert.match(
      await done(changes.keepOutside('10.2.3.4')),
      /unreachable 10\.2\.3\.4\/32[\s\S]*"destination":"10\.2\.3\.4\/32"/,
    );
    await changes.undoAll();
    journal.close();
  });
});

test.run();
