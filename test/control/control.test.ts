import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ask, eventsOf, runningNames } from '../../src/control/client.js';
import { EventLog, type LogEntry, type LoggedEvent } from '../../src/control/event-log.js';
import { socketPath } from '../../src/control/folders.js';
import { Follower } from '../../src/control/follower.js';
import { ControlServer } from '../../src/control/server.js';
import { VpnrError } from '../../src/errors.js';
import type { RelayEvent } from '../../src/relay/server-api.js';

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

const events = new EventLog('client');
const notice = (message: string): RelayEvent => ({ type: 'notice', message });

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
      events,
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
    const dead = await ControlServer.listen('work', { status: () => 1, events, disconnect: () => {} });
    const server = await ControlServer.listen('work', { status: () => 2, events, disconnect: () => {} });
    assert.is(await ask('work', { command: 'status' }), 2);
    await server.close();
    await dead.close();
  }));

test('commands go to those who can carry them out', () =>
  inFolder(async () => {
    const client = await ControlServer.listen('client', {
      status: () => 1,
      events,
      disconnect: () => {},
      switchTo: gateway =>
        gateway === 'osaka'
          ? Promise.resolve({ gateway, ms: 3 })
          : Promise.reject(new VpnrError('USAGE', `no ${gateway}`, { remedy: 'name another' })),
    });
    const relay = await ControlServer.listen('relay', {
      status: () => 2,
      events,
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
      events,
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
      '{"command":"logs","lines":-1,"follow":true}',
    ]) {
      assert.match(await say(`${line}\n`), '"ok":false');
    }
    assert.is(await say('x'.repeat(5000)), '');
    await server.close();
  }));

test('events are told to those who ask, and to those who follow until the end', () =>
  inFolder(async () => {
    const log = new EventLog('relay', 3);
    const server = await ControlServer.listen('work', { status: () => 1, events: log, disconnect: () => {} });
    for (const message of ['a', 'b', 'c', 'd']) log.record(notice(message));
    const told: LogEntry[] = [];
    for await (const entry of eventsOf('work', { lines: 2, follow: false })) told.push(entry);
    assert.equal(
      told.map(entry => 'message' in entry && entry.message),
      ['c', 'd'],
    );
    const [first] = told;
    assert.ok(first !== undefined && 'role' in first && first.role === 'relay' && first.event === 'notice');

    const followed = eventsOf('work', { lines: 1, follow: true });
    assert.is(((await followed.next()).value as LoggedEvent).message, 'd');
    log.record({ type: 'failed', error: new VpnrError('INTERNAL', 'e') });
    const failed = (await followed.next()).value as LoggedEvent;
    assert.equal([failed.event, failed.error], ['failed', { code: 'INTERNAL', message: 'e' }]);
    await server.close();
    assert.is((await followed.next()).done, true);
    assert.is((await rejection(eventsOf('work', { lines: 1, follow: false }).next())).code, 'NOT_RUNNING');
  }));

test('a follower that does not read misses events and is told so', () => {
  const lines: string[] = [];
  const socket = {
    writableLength: 0,
    write: (text: string) => {
      lines.push(text);
      return true;
    },
  };
  const follower = new Follower(socket, 100);
  const event = (name: string) => ({ time: '', role: 'client' as const, event: name });
  follower.take(event('a'));
  socket.writableLength = 101;
  follower.take(event('b'));
  follower.take(event('c'));
  socket.writableLength = 0;
  follower.take(event('d'));
  const told = lines.map(line => JSON.parse(line) as LogEntry);
  assert.equal(
    told.map(entry => ('lost' in entry ? entry.lost : entry.event)),
    ['a', 2, 'd'],
  );
});

test.run();
