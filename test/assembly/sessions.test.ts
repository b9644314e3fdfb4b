import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ERR_INDEX,
  ERR_LENGTH,
  ERR_STATE,
  OK,
  RELAY_DATA,
  RELAY_MODE_NONE,
  SCRATCH,
  SESSION_INDEX_MASK,
  SESSION_KEYS,
  SESSION_SIZE,
  SESSION_WINDOW_SIZE,
  SESSION_WINDOWS,
  SESSIONS,
} from '../../src/packet/abi.js';
import { down, loaded, RelayPeer, RelayServer, session, setUp, up } from '../support/relay_server.js';

const TOKYO = '10.61.0.7:40000';

function scratchIsWiped(server: RelayServer): boolean {
  return server.core.bytes.subarray(SCRATCH, SCRATCH + SESSION_KEYS).every(byte => byte === 0);
}

test('what cannot be installed is refused, and its keys are wiped all the same', () => {
  const { server } = setUp(session(1));
  const one = session(1);
  assert.is(server.install({ ...session(2), index: 0 }), ERR_INDEX, 'index zero');
  assert.ok(scratchIsWiped(server));
  assert.is(server.install({ ...session(2), lease: '10.30.201.9' }), ERR_INDEX, 'outside the pool');
  assert.ok(scratchIsWiped(server));
  assert.is(server.install({ ...session(2), lease: one.lease }), ERR_STATE, "another session's lease");
  assert.ok(scratchIsWiped(server));
  const samePlace = { ...session(2), index: (one.index ^ (SESSION_INDEX_MASK + 1)) >>> 0 };
  assert.is(server.install(samePlace), ERR_STATE, "another session's place");
  assert.ok(scratchIsWiped(server));
  const mode = server.core.exports.relaySessionInstall(
    session(2).index,
    RELAY_MODE_NONE,
    loaded('10.30.200.2'),
  );
  assert.is(mode, ERR_INDEX, 'no mode');
  assert.is(server.install(session(2)), OK);
  assert.ok(scratchIsWiped(server));
});

test('a session of the same index is replaced: numbers, epoch, path and lease start anew', () => {
  const { server, client } = setUp();
  server.receive({ bytes: client.packet(RELAY_DATA, up(client), { epoch: 9 }), peer: TOKYO });
  assert.is(server.transmit(down(client)).udp.length, 1);
  const replacement = { ...session(3), index: client.session.index };
  assert.is(server.install(replacement), OK);
  assert.equal(server.info(client.session.index), { received: 0, epoch: 0, path: undefined });
  assert.equal(server.transmit(down(client)).counted, { 'tx-no-session': 1 });
  const again = new RelayPeer(replacement);
  assert.is(server.receive({ bytes: again.packet(RELAY_DATA, up(again)), peer: TOKYO }).toDevice.length, 1);
  const old = client.packet(RELAY_DATA, up(client));
  assert.equal(server.receive({ bytes: old, peer: TOKYO }).counted, { 'relay-tag': 1 });
  assert.is(server.install(session(1, { index: 77 })), OK, 'the former lease is free again');
});

test('removal leaves nothing behind', () => {
  const { server, client } = setUp();
  const { index } = client.session;
  server.receive({ bytes: client.packet(RELAY_DATA, up(client)), peer: TOKYO });
  assert.is(server.core.exports.relaySessionRemove(index), OK);
  assert.is(server.core.exports.relaySessionRemove(index), ERR_INDEX);
  assert.is(server.info(index), undefined);
  const place = index & SESSION_INDEX_MASK;
  const record = server.core.bytes.subarray(SESSIONS + place * SESSION_SIZE).subarray(0, SESSION_SIZE);
  const window = server.core.bytes
    .subarray(SESSION_WINDOWS + place * SESSION_WINDOW_SIZE)
    .subarray(0, SESSION_WINDOW_SIZE);
  assert.ok(record.every(byte => byte === 0) && window.every(byte => byte === 0));
  const late = client.packet(RELAY_DATA, up(client));
  assert.equal(server.receive({ bytes: late, peer: TOKYO }).counted, { 'relay-session': 1 });
  assert.equal(server.transmit(down(client)).counted, { 'tx-no-session': 1 });
});

test('sessions at both ends of the table and leases at both ends of a large pool', () => {
  const server = new RelayServer('10.16.0.0', 12);
  const peers = [
    session(1, { index: 0x8000_0000, lease: '10.16.0.0' }),
    session(2, { index: 0xffff_ffff, lease: '10.31.255.255' }),
  ].map(one => new RelayPeer(one));
  for (const peer of peers) {
    assert.is(server.install(peer.session), OK);
    server.receive({ bytes: peer.packet(RELAY_DATA, up(peer)), peer: TOKYO });
    assert.is(server.transmit(down(peer)).udp.length, 1);
  }
  assert.is(server.install(session(3, { lease: '10.32.0.0' })), ERR_INDEX);
});

test('a pool of one address, and one too large', () => {
  const server = new RelayServer('10.30.200.1', 32);
  assert.is(server.install(session(2)), ERR_INDEX);
  assert.is(server.install(session(1)), OK);
  for (const prefix of [0, 11, 33]) {
    assert.is(
      server.core.exports.relayInit(0, 0, loaded('10.0.0.0'), prefix, 1300),
      ERR_LENGTH,
      `/${prefix}`,
    );
  }
});

test.run();
