import { statSync } from 'node:fs';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { inspect } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PROBE_BITMAP_MAX, RELAY_PROBE_BODY, SESSION_INDEX_MASK } from '../../src/packet/abi.js';
import { RelayControl } from '../../src/relay/client.js';
import { ClientStateFile } from '../../src/relay/client-state.js';
import { ALPN, encodeMessage, MessageReader, parseClientMessage } from '../../src/relay/protocol.js';
import { Secret } from '../../src/secret.js';
import { certificates, failure, hexOf, resuming, scene, until } from './scene.js';

const OTHER_TOKEN = Secret.fromText('a token of client2');

scene('a client gets a session, and both ends the same keys', async it => {
  await it.start({ mtu: 1360 });
  const { grant } = await it.connect();
  assert.is(grant.lease, '10.30.200.2');
  assert.is(grant.dataPort, it.server.port);
  assert.is(grant.mtu, 1360);
  assert.not.ok(grant.resumed);
  assert.equal(it.dataPlane.listen, { address: '127.0.0.1', port: it.server.port });
  const installed = it.dataPlane.sessions.get(grant.index);
  assert.ok(grant.keys && installed);
  assert.is(hexOf(grant.keys.sendKey), installed.receiveKey);
  assert.is(hexOf(grant.keys.receiveKey), installed.sendKey);
  assert.is.not(installed.sendKey, installed.receiveKey);
  assert.is(grant.keys.sendKey.length, 16);
  assert.equal({ lease: installed.lease, mode: installed.mode }, { lease: '10.30.200.2', mode: 'clear' });
  assert.not.match(inspect(grant, { depth: 9 }), hexOf(grant.resume.secret));
});

scene('the connection comes from the control address', async it => {
  await it.start();
  await it.connect({ controlAddress: '127.0.0.2' });
  assert.is((await it.event('session-opened')).from, '127.0.0.2');
  await failure(it.connect({ controlAddress: '192.0.2.99' }), 'RELAY_UNREACHABLE');
});

scene('sessions have addresses, keys and places of their own', async it => {
  await it.start();
  const grants = [];
  for (let i = 0; i < 5; i++) grants.push((await it.connect()).grant);
  assert.is(new Set(grants.map(grant => grant.lease)).size, 5);
  assert.is(new Set(grants.map(grant => grant.index & SESSION_INDEX_MASK)).size, 5);
  assert.is(new Set([...it.dataPlane.sessions.values()].map(session => session.sendKey)).size, 5);
  assert.is(new Set(grants.map(grant => grant.resume.id)).size, 5);
});

scene('ipip needs the consent of the relay', async it => {
  await it.start();
  const error = await failure(it.connect({ mode: 'ipip' }), 'RELAY_PROTOCOL');
  assert.match(error.message, 'trust_network');
  await it.restart({ ipip: true });
  const { grant } = await it.connect({ mode: 'ipip' });
  assert.is(it.dataPlane.sessions.get(grant.index)?.mode, 'ipip');
});

scene('sealed mode has keys of another kind, the same at both ends', async it => {
  await it.start();
  const { grant } = await it.connect({ mode: 'sealed' });
  const installed = it.dataPlane.sessions.get(grant.index);
  assert.ok(grant.keys && installed);
  assert.is(installed.mode, 'sealed');
  assert.is(hexOf(grant.keys.sendKey), installed.receiveKey);
  assert.is(hexOf(grant.keys.receiveKey), installed.sendKey);
  assert.is.not(installed.sendKey, installed.receiveKey);
  assert.equal([grant.keys.sendKey.length, grant.keys.receiveKey.length], [36, 36]);
});

scene('in sealed mode no keys are installed twice, whoever restarts', async it => {
  await it.start();
  const installed = new Set<string>();
  const check = (keys: object | undefined, index: number): void => {
    const { sendKey, receiveKey } = it.dataPlane.sessions.get(index) ?? {};
    for (const key of [sendKey, receiveKey]) {
      assert.ok(keys !== undefined && key !== undefined && !installed.has(key));
      installed.add(key);
    }
  };
  const connect = (options: object) => it.connect({ mode: 'sealed', ...options });
  const { grant } = await connect({});
  check(grant.keys, grant.index);
  // Through another gateway: nothing is installed at either end.
  const { grant: kept } = await connect({ resume: resuming(grant) });
  assert.equal([kept.keys, it.dataPlane.installs], [undefined, 1]);
  // The client was restarted.
  const { grant: client } = await connect({ resume: { ...grant.resume, keys: undefined } });
  check(client.keys, client.index);
  // The relay was restarted, in good order and from its state.
  await it.restart();
  const { grant: relay } = await connect({ resume: resuming(client) });
  check(relay.keys, relay.index);
  assert.is(relay.lease, grant.lease);
  // The relay has forgotten the keys after a goodbye, though the client says that it still has them.
  const control = await connect({ resume: resuming(relay) });
  assert.is(control.grant.keys, undefined);
  await control.leave();
  const { grant: back } = await connect({ resume: resuming(relay) });
  check(back.keys, back.index);
  // Another mode and back again.
  const { grant: clear } = await connect({ mode: 'clear', resume: resuming(back) });
  check(clear.keys, clear.index);
  const { grant: sealed } = await connect({ resume: resuming(back) });
  check(sealed.keys, sealed.index);
  assert.is(sealed.lease, grant.lease);
});

scene('a relay that does not know the mode says so', async it => {
  await it.start();
  const options = it.clientOptions({ mode: 'better' as never });
  const error = await failure(RelayControl.connect(options), 'RELAY_PROTOCOL');
  assert.match(
    error.message,
    'the relay refused: the mode is not known here: this release knows clear, sealed, ipip',
  );
});

scene('through another gateway, keys and numbers go on', async it => {
  await it.start();
  const first = await it.connect();
  const before = it.dataPlane.sessions.get(first.grant.index);
  const second = await it.connect({ resume: resuming(first.grant) });
  assert.is(second.grant.keys, undefined);
  assert.ok(second.grant.resumed);
  assert.is(second.grant.index, first.grant.index);
  assert.is(second.grant.lease, first.grant.lease);
  assert.is(it.dataPlane.installs, 1);
  assert.is(it.dataPlane.sessions.get(first.grant.index), before);
  assert.is((await it.event('session-resumed')).keys, 'kept');
  // The old connection can do no harm any more.
  await first.leave();
  assert.is(it.dataPlane.sessions.size, 1);
  await until(() => it.server.status().connections === 1);
  assert.ok(it.server.status().sessions[0]?.connected);
});

scene('the replaced connection is closed, and its client told', async it => {
  await it.start();
  const lost = new Promise<string>(resolve => {
    void it
      .connect({ onLost: error => resolve(error.code) })
      .then(({ grant }) => it.connect({ resume: resuming(grant) }));
  });
  assert.is(await lost, 'RELAY_UNREACHABLE');
});

scene('a client that has lost its keys gets fresh ones and the same lease', async it => {
  await it.start();
  const first = await it.connect();
  const before = it.dataPlane.sessions.get(first.grant.index);
  first.drop();
  const { grant } = await it.connect({ resume: { ...first.grant.resume, keys: undefined } });
  assert.ok(grant.resumed && grant.keys);
  assert.is(grant.lease, first.grant.lease);
  assert.is.not(it.dataPlane.sessions.get(grant.index)?.sendKey, before?.sendKey);
  assert.is(hexOf(grant.keys.receiveKey), it.dataPlane.sessions.get(grant.index)?.sendKey);
  assert.is(it.dataPlane.sessions.size, 1);
});

scene('another mode means fresh keys', async it => {
  await it.start({ ipip: true });
  const first = await it.connect();
  const { grant } = await it.connect({ mode: 'ipip', resume: resuming(first.grant) });
  assert.ok(grant.keys);
  assert.is(it.dataPlane.sessions.get(grant.index)?.mode, 'ipip');
});

scene('after a restart of the client, its file brings the lease back', async it => {
  await it.start();
  const file = new ClientStateFile(join(it.stateDirectory, 'client'), 'work', '127.0.0.1:7511');
  assert.is(await file.load(), undefined);
  const first = await it.connect();
  await file.save(first.grant.resume);
  assert.is(statSync(join(it.stateDirectory, 'client', 'work.session.json')).mode & 0o777, 0o600);
  first.drop();
  const saved = await file.load();
  assert.ok(saved);
  const { grant } = await it.connect({ resume: { ...saved, keys: undefined } });
  assert.is(grant.lease, first.grant.lease);
  const elsewhere = new ClientStateFile(join(it.stateDirectory, 'client'), 'work', '127.0.0.1:7512');
  assert.is(await elsewhere.load(), undefined);
});

scene('after a restart of the relay, the lease is the same and the keys are fresh', async it => {
  await it.start();
  const one = await it.connect();
  const two = await it.connect({ name: 'client2', token: Secret.fromText('a token of client2') });
  await it.restart();
  // Whoever comes first does not get another's lease.
  const fresh = await it.connect();
  assert.is(fresh.grant.lease, '10.30.200.4');
  const { grant } = await it.connect({ resume: resuming(one.grant) });
  assert.ok(grant.resumed && grant.keys);
  assert.is(grant.lease, one.grant.lease);
  assert.is(hexOf(grant.keys.sendKey), it.dataPlane.sessions.get(grant.index)?.receiveKey);
  assert.is(two.grant.lease, '10.30.200.3');
});

scene(
  'a relay that ended in order tells, once it is back, what it had received under which keys',
  async it => {
    await it.start();
    const one = await it.connect();
    const two = await it.connect({ name: 'client2', token: OTHER_TOKEN });
    assert.is(one.grant.received, undefined);
    const state = Uint8Array.from({ length: RELAY_PROBE_BODY + PROBE_BITMAP_MAX }, (_, i) => i);
    it.dataPlane.states.set(one.grant.index, state);
    await it.restart();
    // Once more, as the first welcome may have been lost.
    for (let i = 0; i < 2; i++)
      assert.equal((await it.connect({ resume: resuming(one.grant) })).grant.received, state);
    const silent = await it.connect({ name: 'client2', token: OTHER_TOKEN, resume: resuming(two.grant) });
    assert.is(silent.grant.received, undefined);
    // The client did not come back in between.
    await it.restart();
    const again = await it.connect({ resume: resuming(one.grant) });
    assert.equal(again.grant.received, state);
    // Other keys.
    assert.is((await it.connect({ resume: resuming(again.grant) })).grant.received, undefined);
    assert.is((await it.connect({ resume: resuming(one.grant) })).grant.received, undefined);
    await it.restart();
    const last = await it.connect({ resume: { ...one.grant.resume, keys: undefined } });
    assert.ok(last.grant.resumed);
    assert.is(last.grant.received, undefined);
  },
);

scene('keys that a client never heard of are not taken for its own', async it => {
  await it.start();
  const first = await it.connect();
  await it.restart();
  // The relay gives fresh keys, but its welcome is lost: the client goes on with those of before.
  await it.connect({ resume: resuming(first.grant) });
  const { grant } = await it.connect({ resume: resuming(first.grant) });
  assert.ok(grant.resumed && grant.keys);
  assert.is(hexOf(grant.keys.sendKey), it.dataPlane.sessions.get(grant.index)?.receiveKey);
});

scene("a session is its client's own", async it => {
  await it.start();
  const { grant } = await it.connect();
  const thief = await it.connect({
    name: 'client2',
    token: Secret.fromText('a token of client2'),
    resume: resuming(grant),
  });
  assert.not.ok(thief.grant.resumed);
  assert.is.not(thief.grant.lease, grant.lease);
  assert.ok(thief.grant.keys);
  // Nor does the token alone take one over.
  const secret = new Secret(new Uint8Array(32));
  const guess = await it.connect({ resume: { id: grant.resume.id, secret, keys: grant.keys?.id } });
  assert.not.ok(guess.grant.resumed);
  assert.is.not(guess.grant.lease, grant.lease);
  assert.ok(it.server.status().sessions.find(session => session.lease === grant.lease)?.connected);
});

scene('losing the connection does not end the session, a goodbye ends its keys', async it => {
  await it.start();
  const first = await it.connect();
  first.drop();
  await until(() => it.server.status().sessions[0]?.connected === false);
  assert.is(it.dataPlane.sessions.size, 1);
  const second = await it.connect({ resume: resuming(first.grant) });
  assert.is(second.grant.keys, undefined);
  await second.leave();
  await second.leave();
  assert.is(it.dataPlane.sessions.size, 0);
  assert.is((await it.event('session-left')).lease, first.grant.lease);
  const third = await it.connect({ resume: resuming(first.grant) });
  assert.ok(third.grant.keys && third.grant.resumed);
  assert.is(third.grant.lease, first.grant.lease);
});

scene('a relay that stops says so, and before that one that drains', async it => {
  await it.start();
  let drained = 0;
  const lost = new Promise<string>(resolve => {
    void it
      .connect({ onLost: error => resolve(error.message), onDrain: () => drained++ })
      .then(() => it.server.drain());
  });
  await until(() => drained === 1);
  assert.is(it.dataPlane.drains, 1);
  const server = it.server;
  await server.stop();
  assert.match(await lost, /has stopped/);
  assert.ok(it.dataPlane.stopped);
  await it.start();
});

scene('a drained relay goes on with its sessions, and begins none', async it => {
  await it.start();
  let told = 0;
  const options = { onDrain: () => told++ };
  const first = await it.connect(options);
  assert.equal(await it.server.drain(), { told: 1 });
  assert.equal((await it.event('draining')).told, 1);
  assert.ok(it.server.status().draining);
  await until(() => told === 1);
  const { remedy } = await failure(it.connect({ name: 'client2', token: OTHER_TOKEN }), 'RELAY_DRAINED');
  assert.match(remedy ?? '', /restarted/);
  // By another path, say: it learns it as well.
  const again = await it.connect({ ...options, resume: resuming(first.grant) });
  assert.is(again.grant.keys, undefined);
  await until(() => told === 2);
  await it.restart();
  assert.not.ok(it.server.status().draining);
  const afterwards = await it.connect({ resume: resuming(first.grant) });
  assert.equal([afterwards.grant.lease, afterwards.grant.resumed], [first.grant.lease, true]);
  assert.ok((await it.connect({ name: 'client2', token: OTHER_TOKEN })).grant.lease);
});

scene('a relay that no longer answers keepalives is noticed', async it => {
  await it.start();
  const answered = 3;
  let pings = 0;
  const { relay } = certificates;
  const options = { cert: relay.certificate, key: Buffer.from(relay.key.reveal()), ALPNProtocols: [ALPN] };
  const server = createTlsServer(options, socket => {
    const reader = new MessageReader();
    socket.on('error', () => {});
    socket.on('data', chunk => {
      for (const message of reader.push(chunk).map(parseClientMessage)) {
        if (message.type === 'hello') {
          const session = {
            id: '00'.repeat(16),
            secret: '00'.repeat(32),
            index: 1,
            lease: '10.0.0.2',
            mode: 'clear' as const,
            dataPort: 7511,
          };
          socket.write(encodeMessage({ type: 'welcome', version: 1, keys: 'fresh', ...session }));
        } else if (message.type === 'ping') {
          pings += 1;
          if (pings <= answered) socket.write(encodeMessage({ type: 'pong', id: message.id }));
        }
      }
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const reason = await new Promise<string>((resolve, reject) => {
    const onLost = (error: Error) => resolve(error.message);
    it.connect({ relay: { address: '127.0.0.1', port }, keepaliveMs: 20, onLost }).catch(reject);
  });
  assert.match(reason, /does not answer/);
  assert.is(pings, answered + 1);
  server.close();
});

test.run();
