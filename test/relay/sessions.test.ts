import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VpnrError } from '../../src/errors.js';
import { parsePrefix } from '../../src/prefix.js';
import { RelayControl } from '../../src/relay/client.js';
import { StateStore } from '../../src/relay/state.js';
import { Secret } from '../../src/secret.js';
import { AddressPool, ownAddress, parsePool } from '../../src/service/pool.js';
import { Roster } from '../../src/service/roster.js';
import { certificates, FakeDataPlane, failure, resuming, type Scene, scene, TOKEN, until } from './scene.js';

const HOUR = 3_600_000;
const leasesOf = (it: Scene) => it.server.status().sessions.map(session => session.lease);
const client2 = { name: 'client2', token: Secret.fromText('a token of client2') };

test('network, broadcast and reserved addresses and the relay itself are not leased', () => {
  const pool = new AddressPool(parsePool('10.0.0.0/29'), ['10.0.0.3', '192.0.2.1', '::']);
  const leased = Array.from({ length: 6 }, () => pool.take('a'));
  assert.equal(leased, ['10.0.0.2', '10.0.0.4', '10.0.0.5', '10.0.0.6', undefined, undefined]);
  for (const address of [
    '10.0.0.0',
    '10.0.0.1',
    '10.0.0.3',
    '10.0.0.4',
    '10.0.0.7',
    '10.0.0.8',
    '10.1.0.4',
    '::1',
  ]) {
    assert.not.ok(pool.claim(address), address);
  }
  assert.is(ownAddress(parsePrefix('10.0.0.0/29')), '10.0.0.1');
});

test('an address goes back to the client that had it, new ones first, the longest free last', () => {
  const pool = new AddressPool(parsePool('10.0.0.0/29'));
  assert.equal(
    ['a', 'b', 'c'].map(client => pool.take(client)),
    ['10.0.0.2', '10.0.0.3', '10.0.0.4'],
  );
  pool.release('10.0.0.3', 'b');
  pool.release('10.0.0.2', 'a');
  pool.release('10.0.0.2', 'x');
  assert.is(pool.take('a'), '10.0.0.2');
  assert.is(pool.take('d'), '10.0.0.5');
  assert.is(pool.take('d'), '10.0.0.6');
  assert.is(pool.take('d'), '10.0.0.3');
  assert.is(pool.take('d'), undefined);
});

test('a claimed address is not given to another, and a whole pool is usable', () => {
  const pool = new AddressPool(parsePool('10.0.0.0/20'));
  assert.ok(pool.claim('10.0.0.2'));
  assert.ok(pool.claim('10.0.15.254'));
  const leased = new Set(Array.from({ length: 4091 }, () => pool.take('a')));
  assert.is(leased.size, 4091);
  assert.not.ok(leased.has('10.0.0.2') || leased.has('10.0.15.254') || leased.has(undefined));
  assert.is(pool.take('a'), undefined);
});

test('what cannot be a pool is refused', () => {
  for (const text of ['10.0.0.0/31', '10.0.0.1', '10.0.0.0/8', 'fd00::/64', 'pool', '']) {
    assert.throws(
      () => parsePool(text),
      (error: { code?: string }) => error.code === 'CONFIG_INVALID',
      text,
    );
  }
});

scene('a full pool refuses, until a session has been idle for long enough', async it => {
  await it.start({ pool: '10.9.0.0/30' });
  const first = await it.connect();
  assert.is(first.grant.lease, '10.9.0.2');
  const error = await failure(it.connect(client2), 'RELAY_POOL_EMPTY');
  assert.ok(error.remedy);
  first.drop();
  await until(() => it.server.status().sessions[0]?.connected === false);
  await failure(it.connect(client2), 'RELAY_POOL_EMPTY');
  it.time += HOUR;
  // The data plane has seen packets since: not idle.
  it.dataPlane.received.set(first.grant.index, 10);
  await it.server.sweep();
  await failure(it.connect(client2), 'RELAY_POOL_EMPTY');
  it.time += HOUR;
  const second = await it.connect(client2);
  assert.is(second.grant.lease, '10.9.0.2');
  assert.is((await it.event('session-ended')).client, 'client1');
  assert.equal([...it.dataPlane.sessions.keys()], [second.grant.index]);
  // The first client's session is gone: it is not given another's.
  await failure(it.connect({ resume: resuming(first.grant) }), 'RELAY_POOL_EMPTY');
});

scene('the session idle for longest makes room', async it => {
  await it.start({ pool: '10.9.0.0/29', limits: { sessionsPerClient: 3 } });
  const controls = [await it.connect(), await it.connect(), await it.connect()];
  await failure(it.connect(), 'RELAY_POOL_EMPTY');
  for (const i of [1, 0, 2]) {
    controls[i]?.drop();
    await until(
      () =>
        it.server.status().sessions.filter(session => session.connected).length < 3 - [1, 0, 2].indexOf(i),
    );
    it.time += HOUR;
  }
  const { grant } = await it.connect();
  assert.is(grant.lease, '10.9.0.3');
  assert.equal(leasesOf(it).sort(), ['10.9.0.2', '10.9.0.3', '10.9.0.4']);
});

scene('a session ends after its lifetime without a packet or a connection', async it => {
  await it.start();
  const idle = await it.connect();
  const busy = await it.connect();
  const connected = await it.connect();
  idle.drop();
  busy.drop();
  await until(() => it.server.status().sessions.filter(session => session.connected).length === 1);
  for (let hours = 0; hours < 25; hours++) {
    it.time += HOUR;
    it.dataPlane.received.set(busy.grant.index, hours + 1);
    await it.server.sweep();
  }
  assert.equal(leasesOf(it), [busy.grant.lease, connected.grant.lease]);
  assert.not.ok(it.dataPlane.sessions.has(idle.grant.index));
  assert.is((await it.event('session-ended')).lease, idle.grant.lease);
});

scene('idle times go on over a restart, whatever becomes of the wall clock', async it => {
  await it.start();
  const { grant } = await it.connect();
  await it.restart();
  it.time += 20 * HOUR;
  await it.restart();
  it.time += 3 * HOUR;
  await it.server.sweep();
  assert.equal(leasesOf(it), [grant.lease]);
  it.time += 2 * HOUR;
  await it.server.sweep();
  assert.equal(leasesOf(it), []);

  const other = await it.connect();
  await it.server.stop();
  it.wallAhead -= 1000 * HOUR;
  await it.start();
  it.time += 2 * HOUR;
  await it.server.sweep();
  assert.equal(leasesOf(it), [other.grant.lease]);
  await it.server.stop();
  it.wallAhead += 5000 * HOUR;
  await it.start();
  assert.equal(leasesOf(it), [other.grant.lease]);
  await it.connect({ resume: { ...other.grant.resume, keys: undefined } });
  it.time += HOUR;
  await it.server.sweep();
  assert.equal(leasesOf(it), [other.grant.lease]);
});

scene('the state holds no token, no secret and no key, and only its owner can read it', async it => {
  await it.start();
  const { grant } = await it.connect();
  const path = join(it.stateDirectory, 'sessions.json');
  const text = readFileSync(path, 'utf8');
  assert.match(text, grant.lease);
  assert.is(statSync(path).mode & 0o777, 0o600);
  const { sendKey = '', receiveKey = '' } = it.dataPlane.sessions.get(grant.index) ?? {};
  for (const secret of [
    TOKEN,
    Buffer.from(grant.resume.secret.reveal()).toString('hex'),
    sendKey,
    receiveKey,
  ]) {
    assert.ok(secret.length >= 16);
    assert.not.match(text, secret);
  }
  assert.equal(readdirSync(it.stateDirectory), ['sessions.json']);
});

scene('a damaged state is set aside with a message, and the relay starts', async it => {
  await it.start();
  await it.connect();
  await it.server.stop();
  const path = join(it.stateDirectory, 'sessions.json');
  const good = readFileSync(path, 'utf8');
  const damaged = [
    '',
    '{',
    'null',
    good.slice(0, -2),
    good.replace('"version":1', '"version":9'),
    good.replace(/"lease":"[^"]*"/, '"lease":"x"'),
    '\u0000\u0001',
  ];
  for (const text of damaged) {
    writeFileSync(path, text);
    it.events.length = 0;
    await it.start();
    assert.match((await it.event('notice')).message, /sessions\.json is damaged/);
    assert.is(readFileSync(`${path}.corrupt`, 'utf8'), text);
    assert.equal(leasesOf(it), []);
    await it.server.stop();
  }
  await it.start();
});

scene('saved sessions that no longer fit are dropped', async it => {
  await it.start();
  await it.connect();
  await it.connect(client2);
  await it.restart({ clients: new Roster([['client2', client2.token]]) });
  assert.equal(leasesOf(it), ['10.30.200.3']);
  assert.match((await it.event('notice')).message, '1 of 2');
  await it.restart({ pool: '10.31.0.0/24' });
  assert.equal(leasesOf(it), []);
});

scene('a state directory that cannot be written is found at the start', async it => {
  const file = join(it.stateDirectory, 'file');
  writeFileSync(file, '');
  await failure(it.start({ stateDirectory: join(file, 'state') }), 'SYSTEM_CALL');
  await it.start({ stateDirectory: join(it.stateDirectory, 'deep', 'state') });
  assert.ok(existsSync(join(it.stateDirectory, 'deep', 'state', 'sessions.json')));
});

scene('a burst of saves costs two writes, and the last state is on the disk', async it => {
  await it.start();
  const store = new StateStore(join(it.stateDirectory, 'burst'));
  let reads = 0;
  const sessions = () => {
    reads += 1;
    return [
      {
        id: 'ab'.repeat(16),
        secretHash: 'cd'.repeat(32),
        client: 'a',
        lease: `10.0.0.${reads}`,
        lastActive: 0,
      },
    ];
  };
  await Promise.all(Array.from({ length: 100 }, () => store.save(sessions)));
  assert.is(reads, 2);
  assert.is((await store.load()).sessions[0]?.lease, '10.0.0.2');
});

scene('bad certificates and addresses are refused at the start', async it => {
  const { relay, other } = certificates;
  await failure(it.start({ certificate: 'not a certificate' }), 'CERTIFICATE_INVALID');
  await failure(it.start({ certificate: relay.certificate, key: other.key }), 'CERTIFICATE_INVALID');
  await failure(it.start({ listen: { address: '192.0.2.1', port: 0 } }), 'SYSTEM_CALL');
  const { port } = await it.start();
  const running = it.server;
  await failure(it.start({ listen: { address: '127.0.0.1', port } }), 'ADDRESS_IN_USE');
  await running.stop();
  // The port is let go of when the data plane cannot start.
  class Failing extends FakeDataPlane {
    override async start(): Promise<never> {
      throw new Error('no');
    }
  }
  const listen = { address: '127.0.0.1', port };
  assert.match(String(await it.start({ listen, dataPlane: new Failing() }).catch(error => error)), 'no');
  await it.start({ listen });
});

scene('a client that comes while the network is not ready waits for that', async it => {
  let ready = () => {};
  const network = new Promise<void>(resolve => {
    ready = resolve;
  });
  await it.start();
  const options = it.clientOptions();
  const listen = options.relay;
  await it.server.stop();
  const started = it.start({ listen, network });
  await until(() => it.dataPlane.listen !== undefined);
  const waiting = RelayControl.connect(options);
  await new Promise(resolve => setImmediate(resolve));
  assert.is(it.dataPlane.installs, 0);
  ready();
  await started;
  const control = await waiting;
  assert.is(it.dataPlane.installs, 1);
  control.drop();
  await it.server.stop();
  const obstacle = Promise.reject(new VpnrError('POOL_OVERLAPS', 'elsewhere'));
  await failure(it.start({ listen, network: obstacle }), 'POOL_OVERLAPS');
  assert.ok(it.dataPlane.stopped);
  await it.start({ listen });
});

scene('moves are told by client and lease', async it => {
  await it.start();
  const { grant } = await it.connect();
  const path = { address: '10.61.0.2', port: 40000 };
  it.dataPlane.events?.sessionMoved(grant.index, path, 3);
  it.dataPlane.events?.sessionMoved(grant.index ^ 0x80000000, path, 4);
  const moves = () => it.events.filter(event => event.type === 'session-moved');
  assert.equal(moves(), [{ type: 'session-moved', client: 'client1', lease: grant.lease, path, epoch: 3 }]);
  // Somebody on the way rewrites ports.
  for (let port = 1; port < 10_000; port++)
    it.dataPlane.events?.sessionMoved(grant.index, { ...path, port }, 3);
  assert.is(moves().length, 2);
  it.time += 1000;
  for (let port = 1; port < 10_000; port++)
    it.dataPlane.events?.sessionMoved(grant.index, { ...path, port }, 3);
  assert.is(moves().length, 4);
});

test.run();
