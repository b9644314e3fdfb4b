import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RELAY_DATA, RELAY_PROBE } from '../../src/packet/abi.js';
import { emit } from '../reference/packets.js';
import { hex } from '../support/bytes.js';
import { address4, down, inner, SERVER, session, setUp, up } from '../support/relay_server.js';

const RELAY = '10.20.0.100';
const TOKYO = '10.61.0.7';
const OSAKA = '10.62.0.9';

/** A packet of the raw socket: IP in IP from a gateway's side. */
function ipip(source: string, packet: Uint8Array, changes: object = {}): Uint8Array {
  return emit({
    source: address4(source),
    destination: address4(RELAY),
    protocol: 4,
    transport: packet,
    ...changes,
  });
}

const ipipSession = session(1, { mode: 'ipip' });

test('a bare packet is taken only from the address to which a tagged one has moved the session', () => {
  const { server, client } = setUp(ipipSession);
  const packet = up(client);
  assert.equal(server.receiveIpip(ipip(TOKYO, packet)).counted, { 'relay-path': 1 }, 'no path yet');
  server.receive({ bytes: client.packet(RELAY_PROBE, new Uint8Array(20)), peer: `${TOKYO}:40000` });
  const { toDevice, counted } = server.receiveIpip(ipip(TOKYO, packet));
  assert.equal(toDevice.map(hex), [hex(packet)]);
  assert.equal(counted, { 'rx-packets': 1, 'rx-bytes': packet.length });
  assert.is(server.info(client.session.index)?.received, 2);
  const { counted: elsewhere, events } = server.receiveIpip(ipip(OSAKA, packet));
  assert.equal([elsewhere, events], [{ 'relay-path': 1 }, []]);
  const probe = client.packet(RELAY_PROBE, new Uint8Array(20), { epoch: 1 });
  server.receive({ bytes: probe, peer: `${OSAKA}:40000` });
  assert.is(server.receiveIpip(ipip(OSAKA, packet)).toDevice.length, 1);
  assert.equal(server.receiveIpip(ipip(TOKYO, packet)).counted, { 'relay-path': 1 });
});

test('packets to the client are for the raw socket, those of other sessions for the data socket', () => {
  const { server, clients } = setUp(ipipSession, session(2));
  for (const client of clients) {
    server.receive({ bytes: client.packet(RELAY_PROBE, new Uint8Array(20)), peer: `${TOKYO}:40000` });
  }
  const packets = [0, 1, 0, 1, 1].map(i => down(clients[i] as (typeof clients)[0]));
  const { udp, raw } = server.transmit(...packets);
  assert.equal(
    raw,
    [0, 2].map(i => ({ bytes: packets[i], peer: `${TOKYO}:0` })),
  );
  assert.equal(
    udp.map(({ bytes, peer }) => ({ bytes: bytes.slice(24), peer })),
    [1, 3, 4].map(i => ({ bytes: packets[i], peer: `${TOKYO}:40000` })),
  );
});

test('a session in clear mode is not reached without a tag', () => {
  const { server, client } = setUp(session(1));
  server.receive({ bytes: client.packet(RELAY_DATA, up(client)), peer: `${TOKYO}:40000` });
  assert.equal(server.receiveIpip(ipip(TOKYO, up(client))).counted, { 'relay-type': 1 });
});

test('what is not a whole IPv4 packet of a lease, in one of protocol 4, is dropped under its reason', () => {
  const { server, client } = setUp(ipipSession);
  server.receive({ bytes: client.packet(RELAY_PROBE, new Uint8Array(20)), peer: `${TOKYO}:40000` });
  const packet = up(client);
  const sixteen = emit({
    source: new Uint8Array(16),
    destination: new Uint8Array(16),
    protocol: 17,
    transport: new Uint8Array(8),
  });
  const cases: [Uint8Array, string][] = [
    [ipip(TOKYO, packet).subarray(0, 60), 'relay-short'],
    [new Uint8Array(10), 'relay-short'],
    [ipip(TOKYO, packet, { protocol: 41 }), 'relay-type'],
    [ipip(TOKYO, packet, { fragment: { from: 0, to: 64 } }), 'relay-type'],
    [ipip(TOKYO, packet.subarray(0, 60)), 'relay-inner'],
    [ipip(TOKYO, new Uint8Array(0)), 'relay-inner'],
    [ipip(TOKYO, sixteen), 'relay-session'],
    [ipip(TOKYO, inner('10.30.200.9', SERVER)), 'relay-session'],
    [ipip(TOKYO, inner('10.99.0.1', SERVER)), 'relay-session'],
    [ipip(TOKYO, inner(client.session.lease, SERVER, 12_000)), 'rx-truncated'],
  ];
  for (const [bytes, reason] of cases) {
    assert.equal(server.receiveIpip(bytes).counted, { [reason]: 1 }, reason);
  }
  assert.is(server.receiveIpip(ipip(TOKYO, packet, { options: new Uint8Array(8) })).toDevice.length, 1);
});

test.run();
