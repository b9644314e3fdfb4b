import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ask, runningNames } from '../../src/control/client.js';
import { socketPath } from '../../src/control/folders.js';
import { ControlServer } from '../../src/control/server.js';
import { VpnrError } from '../../src/errors.js';

async function inFolder(run: () => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'vpnr-control-'));
  process.env.VPNR_RUNTIME_DIR = folder;
  try {
    await run();
  } finally {
    delete process.env.VPNR_RUNTIME_DIR;
    rmSync(folder, { recursive: true });
  }
}

const rejection = (promise: Promise<unknown>): Promise<VpnrError> =>
  promise.then(
    () => Promise.reject(new Error('nothing was thrown')),
    error => error,
  );

test('status is answered, disconnect when the end has come', () =>
  inFolder(async () => {
    let asked = 0;
    const server = await ControlServer.listen('work', {
      status: () => ({ up: true }),
      disconnect: () => asked++,
    });
    assert.is(statSync(socketPath('work')).mode & 0o777, 0o600);
    assert.equal(runningNames(), ['work']);
    assert.equal(await ask('work', { command: 'status' }), { up: true });
    let answered = false;
    const leaving = ask('work', { command: 'disconnect' }).then(() => {
      answered = true;
    });
    while (asked === 0) await new Promise(done => setImmediate(done));
    assert.not(answered);
    await server.close();
    await leaving;
    assert.equal(runningNames(), []);
    assert.is((await rejection(ask('work', { command: 'status' }))).code, 'NOT_RUNNING');
  }));

test('a name that a dead process left is taken over', () =>
  inFolder(async () => {
    const dead = await ControlServer.listen('work', { status: () => 1, disconnect: () => {} });
    const server = await ControlServer.listen('work', { status: () => 2, disconnect: () => {} });
    assert.is(await ask('work', { command: 'status' }), 2);
    await server.close();
    await dead.close();
  }));

test('commands go to those who can carry them out', () =>
  inFolder(async () => {
    const client = await ControlServer.listen('client', {
      status: () => 1,
      disconnect: () => {},
      switchTo: gateway =>
        gateway === 'osaka'
          ? Promise.resolve({ gateway, ms: 3 })
          : Promise.reject(new VpnrError('USAGE', `no ${gateway}`, { remedy: 'name another' })),
    });
    const relay = await ControlServer.listen('relay', {
      status: () => 2,
      disconnect: () => {},
      drain: () => Promise.resolve({ moved: 2, left: 1 }),
    });
    assert.equal(await ask('client', { command: 'switch', gateway: 'osaka' }), { gateway: 'osaka', ms: 3 });
    const refused = await rejection(ask('client', { command: 'switch', gateway: 'kyoto' }));
    assert.equal([refused.code, refused.message, refused.remedy], ['USAGE', 'no kyoto', 'name another']);
    assert.equal(await ask('relay', { command: 'drain' }), { moved: 2, left: 1 });
    assert.is((await rejection(ask('client', { command: 'drain' }))).code, 'USAGE');
    assert.is((await rejection(ask('relay', { command: 'switch', gateway: 'osaka' }))).code, 'USAGE');
    await client.close();
    await relay.close();
  }));

test('what is no request is refused or cut off', () =>
  inFolder(async () => {
    const server = await ControlServer.listen('work', {
      status: () => 1,
      disconnect: () => assert.unreachable(),
    });
    const say = (text: string) =>
      new Promise<string>(done => {
        let answer = '';
        const socket = connect(socketPath('work'), () => socket.write(text));
        socket.on('data', chunk => {
          answer += chunk;
        });
        socket.on('error', () => {});
        socket.on('close', () => done(answer));
      });
    for (const line of [
      '{"command":"destroy"}',
      '{"command":"switch"}',
      'null',
      '[]',
      '{',
      '\0\0',
      '"status"',
    ]) {
      assert.match(await say(`${line}\n`), '"ok":false');
    }
    assert.is(await say('x'.repeat(5000)), '');
    await server.close();
  }));

test.run();
