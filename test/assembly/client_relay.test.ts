import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addressBytes } from '../../src/address.js';
import {
  CLIENT_WINDOW,
  ERR_STATE,
  RELAY_DATA,
  RELAY_DRAIN,
  RELAY_PROBE,
  RELAY_PROBE_REPLY,
  TRAFFIC_RECEIVED,
  TRAFFIC_SENT,
} from '../../src/packet/abi.js';
import { internetChecksum } from '../reference/checksum.js';
import { emit, ICMP, type Packet, TCP, UDP } from '../reference/packets.js';
import { randomBytes } from '../support/bytes.js';
import { CONTROL, DEVICE, datagram, MODES, PAYLOAD, SERVER, setUp } from '../support/client_relay.js';
import { icmpError, randomPacket } from '../support/generate.js';
import { generator } from '../support/random.js';
import { type Gateway, RELAY, RELAY_PORT } from '../support/tunnels.js';

const ROUTER = addressBytes('10.20.0.1');
/** A TCP header from port 7511 to 7511. */
const PORTS_ONLY = Uint8Array.from(
  { length: 20 },
  (_, i) => [0x1d, 0x57, 0x1d, 0x57][i] ?? (i === 12 ? 0x50 : 0),
);

for (const mode of MODES) {
  test(`${mode}: packets take the lease and reach the relay`, () => {
    const { random, client, gateway, relay, virtual } = setUp(mode);
    for (let i = 1; i <= 1000; i++) {
      const packet = randomPacket(random, 4);
      const [sent = new Uint8Array()] = client.transmit(emit({ ...packet, source: DEVICE }));
      const outer = gateway.open(sent);
      const expected = emit({ ...packet, source: relay.lease });
      if (mode === 'ipip') {
        assert.equal(relay.parseIpip(outer, virtual), expected);
        continue;
      }
      const { type, epoch, sequence, flags, payload } = relay.parse(outer, virtual);
      assert.equal(
        { type, epoch, sequence, flags },
        { type: RELAY_DATA, epoch: 9, sequence: BigInt(i), flags: 0 },
      );
      assert.equal(payload, expected);
    }
  });

  test(`${mode}: packets from the relay reach the device`, () => {
    const { random, client, gateway, relay, virtual } = setUp(mode);
    for (let i = 0; i < 1000; i++) {
      const packet = randomPacket(random, 4);
      const inner = emit({ ...packet, destination: relay.lease });
      const outer = mode === 'ipip' ? relay.sendIpip(virtual, inner) : relay.send(virtual, RELAY_DATA, inner);
      assert.equal(client.receive(0, gateway.seal(outer)).device, [emit({ ...packet, destination: DEVICE })]);
    }
  });

  test(`${mode}: an ICMP error for the lease is translated with what it quotes`, () => {
    const { client, gateway, relay, virtual } = setUp(mode);
    const quote = (source: Uint8Array) => randomPacketOf(11, { source, destination: SERVER });
    const error = (to: Uint8Array) =>
      emit(icmpError(generator(3), 4, { source: ROUTER, destination: to }, quote(to)));
    const inner = error(relay.lease);
    const outer = mode === 'ipip' ? relay.sendIpip(virtual, inner) : relay.send(virtual, RELAY_DATA, inner);
    assert.equal(client.receive(0, gateway.seal(outer)).device, [error(DEVICE)]);
  });

  test(`${mode}: a device that has the lease is not translated`, () => {
    const { client, gateway, relay, virtual } = setUp(mode, '10.30.200.5');
    const packet = datagram({ source: relay.lease });
    const [sent = new Uint8Array()] = client.transmit(packet);
    const outer = gateway.open(sent);
    assert.equal(
      mode === 'ipip' ? relay.parseIpip(outer, virtual) : relay.parse(outer, virtual).payload,
      packet,
    );
    const answer = datagram({ source: SERVER, destination: relay.lease });
    const back = mode === 'ipip' ? relay.sendIpip(virtual, answer) : relay.send(virtual, RELAY_DATA, answer);
    assert.equal(client.receive(0, gateway.seal(back)).device, [answer]);
  });

  test(`${mode}: traffic is what applications send and receive`, () => {
    const { client, gateway, relay, virtual } = setUp(mode);
    const traffic = () => [TRAFFIC_SENT, TRAFFIC_RECEIVED].map(at => client.core.view.getUint32(at, true));
    const control = { protocol: TCP, transport: PORTS_ONLY };
    client.transmit(emit({ source: CONTROL, destination: RELAY, ...control }));
    client.receive(0, gateway.seal(emit({ source: RELAY, destination: virtual, ...control })));
    client.core.exports.clientProbe(0, 1, 0, 0, false);
    assert.equal(traffic(), [0, 0]);
    client.transmit(datagram(), datagram());
    assert.equal(traffic(), [2, 0]);
    const inner = datagram({ source: SERVER, destination: relay.lease });
    const outer = mode === 'ipip' ? relay.sendIpip(virtual, inner) : relay.send(virtual, RELAY_DATA, inner);
    client.receive(0, gateway.seal(outer));
    assert.equal(traffic(), [2, 1]);
  });

  test(`${mode}: the control connection goes beside the relay's encapsulation`, () => {
    const { client, gateway, virtual } = setUp(mode);
    const tcp = { protocol: TCP, transport: PORTS_ONLY };
    const [sent = new Uint8Array()] = client.transmit(emit({ source: CONTROL, destination: RELAY, ...tcp }));
    assert.equal(gateway.open(sent), emit({ source: virtual, destination: RELAY, ...tcp }));
    const answer = { source: RELAY, ...tcp };
    const { device } = client.receive(0, gateway.seal(emit({ ...answer, destination: virtual })));
    assert.equal(device, [emit({ ...answer, destination: CONTROL })]);

    // "Fragmentation needed" from a router on the way keeps the control connection alive.
    const quoted = (source: Uint8Array): Packet => ({ source, destination: RELAY, ...tcp });
    const error = (to: Uint8Array) =>
      emit(icmpError(generator(1), 4, { source: ROUTER, destination: to }, quoted(to)));
    assert.equal(client.receive(0, gateway.seal(error(virtual))).device, [error(CONTROL)]);
  });

  test(`${mode}: a relayed packet whose inner part is wrong is dropped`, () => {
    const { random, client, gateway, relay, virtual } = setUp(mode);
    const wrap = (inner: Uint8Array) =>
      mode === 'ipip' ? relay.sendIpip(virtual, inner) : relay.send(virtual, RELAY_DATA, inner);
    const changes = client.changes(() => {
      for (const inner of [
        new Uint8Array(0),
        datagram({ source: SERVER, destination: relay.lease }).subarray(0, 30),
        datagram({ source: SERVER, destination: DEVICE }),
        datagram({ source: SERVER, destination: virtual }),
        emit({ ...randomPacket(random, 6), transport: PAYLOAD, protocol: UDP }),
        randomBytes(random, 60).fill(0x10, 0, 1),
      ]) {
        assert.equal(client.receive(0, gateway.seal(wrap(inner))).device, []);
      }
    });
    assert.equal(changes, { 'relay-inner': 6 });
  });
}

test('before there is a session only control traffic passes', () => {
  const { client, relay, gateway, virtual } = setUp();
  client.core.exports.clientUnbind();
  const control = { source: RELAY, protocol: TCP, transport: PORTS_ONLY };
  const inner = datagram({ source: SERVER, destination: relay.lease });
  const changes = client.changes(() => {
    client.transmit(datagram(), datagram({ source: CONTROL, destination: RELAY }));
    client.receive(0, gateway.seal(relay.send(virtual, RELAY_DATA, inner)));
    client.receive(0, gateway.seal(emit({ ...control, destination: virtual })));
  });
  assert.equal(changes, { 'tx-no-session': 1, 'tx-packets': 1, 'relay-session': 1, 'rx-packets': 1 });
  assert.is(client.core.exports.clientProbe(0, 1, 0, 0, false), ERR_STATE);
});

test('naming the same relay again keeps the session, another one ends it', () => {
  const { client } = setUp();
  client.core.setRelay({ address: RELAY.join('.'), port: RELAY_PORT });
  assert.is(client.transmit(datagram()).length, 1);
  client.core.setRelay({ address: RELAY.join('.'), port: RELAY_PORT + 1 });
  assert.equal(
    client.changes(() => client.transmit(datagram())),
    { 'tx-no-session': 1 },
  );
});

test('IPv6 and unknown sources are not relayed', () => {
  const { random, client } = setUp();
  client.core.setDeviceAddresses('192.168.77.2', 'fd00::2');
  const six = emit({ ...randomPacket(random, 6), source: addressBytes('fd00::2') });
  const linkLocal = emit({ ...randomPacket(random, 6), source: addressBytes('fe80::1') });
  assert.equal(
    client.changes(() => client.transmit(six, linkLocal, datagram({ source: SERVER }))),
    { 'tx-no-session': 1, 'tx-source': 2 },
  );
});

test('the control address means nothing without a relay', () => {
  const { client } = setUp();
  client.core.setRelay();
  assert.equal(
    client.changes(() => client.transmit(datagram({ source: CONTROL }))),
    { 'tx-source': 1 },
  );
});

test('a relay packet that is not authentic does nothing', () => {
  const { random, client, gateway, relay, virtual } = setUp();
  const inner = datagram({ source: SERVER, destination: relay.lease });
  const drops = (packet: Uint8Array) => {
    const changes = client.changes(() => {
      const { device, events } = client.receive(0, gateway.seal(packet));
      assert.equal([device, events], [[], []]);
    });
    const [name = 'nothing'] = Object.keys(changes);
    assert.equal(changes, { [name]: 1 });
    return name;
  };
  assert.is(drops(relay.send(virtual, RELAY_DATA, inner, { key: randomBytes(random, 16) })), 'relay-tag');
  assert.is(drops(relay.send(virtual, RELAY_DATA, inner, { key: relay.fromClient })), 'relay-tag');
  assert.is(drops(relay.send(virtual, RELAY_DATA, inner, { session: 0xfeed_0043 })), 'relay-session');
  assert.is(drops(relay.send(virtual, RELAY_DATA, inner, { version: 1 })), 'relay-version');
  assert.is(drops(relay.send(virtual, RELAY_PROBE, inner)), 'relay-type');
  assert.is(drops(relay.send(virtual, 9, inner)), 'relay-type');
  assert.is(drops(relay.send(virtual, RELAY_PROBE_REPLY, randomBytes(random, 39))), 'relay-short');
  assert.is(drops(relay.wrap(virtual, randomBytes(random, 23))), 'relay-short');
  assert.is(drops(relay.send(virtual, RELAY_DATA, inner, { sequence: 0n })), 'relay-duplicate');

  const good = relay.send(virtual, RELAY_DATA, inner, { sequence: 5000n });
  for (let at = 28; at < 28 + 48; at++) {
    const forged = good.slice();
    forged[at] = (forged[at] ?? 0) ^ 0x40;
    const name = drops(forged);
    const expected = at === 28 ? 'relay-version' : at >= 32 && at < 36 ? 'relay-session' : 'relay-tag';
    assert.is(name, expected, `byte ${at}`);
  }
  assert.is(
    client.receive(0, gateway.seal(good)).device.length,
    1,
    'the forgeries have not used up its number',
  );
  assert.is(drops(good), 'relay-duplicate');
});

test('a UDP length beyond the packet is not believed', () => {
  const { client, gateway, relay, virtual } = setUp();
  const inner = datagram({ source: SERVER, destination: relay.lease, transport: new Uint8Array(60) });
  const authentic = relay.send(virtual, RELAY_DATA, inner).subarray(28);
  const cut = relay.wrap(virtual, authentic.subarray(0, -20));
  const udp = new DataView(cut.buffer, 20);
  for (const length of [8 + authentic.length, 0xffff, 31, 0]) {
    udp.setUint16(4, length);
    const changes = client.changes(() => client.receive(0, gateway.seal(cut)));
    assert.equal(changes, { 'relay-short': 1 }, `${length}`);
  }
});

test('relay numbers are accepted once across both paths and all types', () => {
  const { client, gateway, other, relay, virtual } = setUp();
  const inner = datagram({ source: SERVER, destination: relay.lease });
  const receive = (on: Gateway, type: number, sequence: bigint, body = inner) =>
    client.receive(on.path, on.seal(relay.send(on.virtual, type, body, { sequence })));
  assert.is(receive(gateway, RELAY_DATA, 70n).device.length, 1);
  assert.is(receive(other, RELAY_DATA, 70n).device.length, 0);
  assert.is(receive(other, RELAY_DATA, 69n).device.length, 1);
  assert.is(receive(gateway, RELAY_DRAIN, 69n).events.length, 0);
  assert.is(receive(gateway, RELAY_DATA, 70n + BigInt(CLIENT_WINDOW)).device.length, 1);
  assert.is(receive(gateway, RELAY_DATA, 71n).device.length, 1);
  assert.is(receive(gateway, RELAY_DATA, 68n).device.length, 0);
  assert.is(client.core.counters()['relay-duplicate'], 3);
  assert.ok(virtual.length === 4);
});

test('with a relay nobody else reaches the virtual address, but by ICMP', () => {
  const { random, client, gateway, relay, virtual } = setUp('ipip');
  const inner = datagram({ source: SERVER, destination: relay.lease });
  const authentic = relay.send(virtual, RELAY_DATA, inner).subarray(28);
  const drops = (...packets: Uint8Array[]) =>
    client.changes(() => {
      const { device } = client.receive(0, ...packets.map(packet => gateway.seal(packet)));
      assert.equal(device, []);
    });
  const wrapped = relay.wrap(virtual, authentic, { source: SERVER });
  const six = { source: addressBytes('fd00::9'), destination: addressBytes('fd00:61::7') };
  client.core.setVirtualAddresses(0, virtual.join('.'), 'fd00:61::7');
  assert.equal(
    drops(
      wrapped,
      relay.sendIpip(virtual, inner, { source: SERVER }),
      emit({ source: SERVER, destination: virtual, protocol: TCP, transport: PORTS_ONLY }),
      relay.wrap(SERVER, authentic),
      emit({ ...randomPacket(random, 6), ...six }),
    ),
    { 'rx-not-for-us': 5 },
  );
  const echo = { source: SERVER, protocol: ICMP, transport: Uint8Array.of(8, 0, 0, 0, 0, 1, 0, 1) };
  const { device } = client.receive(0, gateway.seal(emit({ ...echo, destination: virtual })));
  assert.equal(device, [emit({ ...echo, destination: CONTROL })]);
});

/** An IPv4 packet without options, of this length: the header says so. */
function cutShort(packet: Uint8Array, length: number): Uint8Array {
  const cut = packet.slice(0, length);
  const view = new DataView(cut.buffer);
  view.setUint16(2, length);
  view.setUint16(10, 0);
  view.setUint16(10, internetChecksum(cut.subarray(0, 20)));
  return cut;
}

test('nobody begins a connection to the client at the address that is there for the relay', () => {
  const { client, gateway, virtual } = setUp('clear');
  const fromRelay = (flags: number, change: Partial<Packet> = {}) => {
    const transport = PORTS_ONLY.slice();
    transport[13] = flags;
    return emit({ source: RELAY, destination: virtual, protocol: TCP, transport, ...change });
  };
  const taken = (packet: Uint8Array) => client.receive(0, gateway.seal(packet)).device.length;
  const [FIN, SYN, RST, ACK, ECE_CWR] = [1, 2, 4, 16, 0xc0];
  const changes = client.changes(() => {
    for (const flags of [SYN, SYN | ECE_CWR, SYN | RST, SYN | FIN]) assert.is(taken(fromRelay(flags)), 0);
    for (const size of [0, 4, 13, 19]) assert.is(taken(cutShort(fromRelay(ACK), 20 + size)), 0);
    for (const protocol of [47, 132, 136]) assert.is(taken(fromRelay(ACK, { protocol })), 0);
    assert.is(taken(fromRelay(ACK, { fragment: { from: 0, to: 8 } })), 0);
    assert.is(taken(fromRelay(ACK, { fragment: { from: 8, to: 20 } })), 0);
  });
  assert.equal(changes, { 'rx-not-for-us': 11, 'rx-fragment': 2 });
  for (const flags of [SYN | ACK, ACK, FIN | ACK, RST, RST | ACK]) assert.is(taken(fromRelay(flags)), 1);
});

test('from the relay, other ports and fragments are not taken', () => {
  const { client, gateway, relay, virtual } = setUp('ipip');
  const inner = datagram({ source: SERVER, destination: relay.lease });
  const authentic = relay.send(virtual, RELAY_DATA, inner).subarray(28);
  const changes = client.changes(() => {
    for (const at of [21, 23]) {
      const packet = relay.wrap(virtual, authentic);
      packet[at] = (packet[at] ?? 0) ^ 1;
      client.receive(0, gateway.seal(packet));
    }
    client.receive(0, gateway.seal(relay.wrap(virtual, authentic, { fragment: { from: 0, to: 48 } })));
    client.receive(0, gateway.seal(relay.sendIpip(virtual, inner, { fragment: { from: 0, to: 24 } })));
  });
  assert.equal(changes, { 'relay-session': 2, 'rx-fragment': 2 });
});

test('IP in IP is taken in its own mode only', () => {
  const { client, gateway, relay, virtual } = setUp('clear');
  const inner = datagram({ source: SERVER, destination: relay.lease });
  const changes = client.changes(() => client.receive(0, gateway.seal(relay.sendIpip(virtual, inner))));
  assert.equal(changes, { 'relay-session': 1 });
});

/** A packet of the generator's with these addresses. */
function randomPacketOf(seed: number, change: Partial<Packet>): Packet {
  return { ...randomPacket(generator(seed), 4), ...change };
}

test.run();
