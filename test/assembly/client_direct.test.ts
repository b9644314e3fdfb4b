import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addressBytes } from '../../src/address.js';
import { MMSG_FLAGS, MSG_TRUNC, RX_MMSG } from '../../src/packet/abi.js';
import { emit, type Packet, TCP, UDP } from '../reference/packets.js';
import { concat, randomBytes } from '../support/bytes.js';
import { ANY, TestClient } from '../support/client.js';
import { icmpError, randomAddress, randomPacket } from '../support/generate.js';
import { generator } from '../support/random.js';
import { Gateway } from '../support/tunnels.js';

const SEED = 7296;
const DEVICE = { 4: addressBytes('192.168.77.2'), 6: addressBytes('fd00:77::2') };
const VIRTUAL = { 4: addressBytes('10.61.0.7'), 6: addressBytes('fd00:61::7') };
const SERVER = addressBytes('10.20.0.9');
const PAYLOAD = concat(Uint8Array.of(0, 80, 0, 81, 0, 12, 0, 0), Uint8Array.of(1, 2, 3, 4));

/** A client without a relay whose device keeps addresses of its own; `gateways` paths, the first active. */
function setUp(gateways = 1) {
  const random = generator(SEED);
  const client = new TestClient();
  client.core.setDeviceAddresses('192.168.77.2', 'fd00:77::2');
  const paths = Array.from({ length: gateways }, (_, path) => {
    const gateway = new Gateway(path, concat(VIRTUAL[4].subarray(0, 3), Uint8Array.of(7 + path)), random);
    client.core.setVirtualAddresses(path, gateway.virtual.join('.'), 'fd00:61::7');
    client.install('in', gateway.toClient, { path });
    client.install('out', gateway.fromClient, { path });
    return gateway;
  });
  client.core.activate(0, 1);
  return { random, client, gateways: paths, gateway: paths[0] as Gateway };
}

const datagram = (change: Partial<Packet> = {}): Uint8Array =>
  emit({ source: DEVICE[4], destination: SERVER, protocol: UDP, transport: PAYLOAD, ...change });

for (const version of [4, 6] as const) {
  test(`IPv${version}: source and destination are translated, with all checksums`, () => {
    const { random, client, gateway } = setUp();
    for (let i = 0; i < 2000; i++) {
      const packet = randomPacket(random, version);
      const [out = new Uint8Array()] = client.transmit(emit({ ...packet, source: DEVICE[version] }));
      assert.equal(gateway.open(out), emit({ ...packet, source: VIRTUAL[version] }), `packet ${i} out`);

      if (packet.finalDestination !== undefined) continue;
      const { device } = client.receive(0, gateway.seal(emit({ ...packet, destination: VIRTUAL[version] })));
      assert.equal(device, [emit({ ...packet, destination: DEVICE[version] })], `packet ${i} in`);
    }
  });

  test(`IPv${version}: ICMP errors are translated with the packet they quote`, () => {
    const { random, client, gateway } = setUp();
    for (let i = 0; i < 500; i++) {
      const quoted = { ...randomPacket(random, version), source: VIRTUAL[version] };
      if (quoted.finalDestination !== undefined) continue;
      const router = randomAddress(random, version);
      const [rng, expected] = [generator(i), generator(i)];
      const error = icmpError(rng, version, { source: router, destination: VIRTUAL[version] }, quoted);
      const wanted = icmpError(
        expected,
        version,
        { source: router, destination: DEVICE[version] },
        { ...quoted, source: DEVICE[version] },
      );
      assert.equal(client.receive(0, gateway.seal(emit(error))).device, [emit(wanted)], `error ${i}`);
    }
  });
}

test('a device that has the virtual address is not translated', () => {
  const { client, gateway } = setUp();
  client.core.setDeviceAddresses('10.61.0.7');
  const packet = datagram({ source: VIRTUAL[4] });
  const [sent = new Uint8Array()] = client.transmit(packet);
  assert.equal(gateway.open(sent), packet);
  const answer = datagram({ source: SERVER, destination: VIRTUAL[4] });
  assert.equal(client.receive(0, gateway.seal(answer)).device, [answer]);
});

test('a batch keeps its order and closes the gaps of what was dropped', () => {
  const { random, client, gateway } = setUp();
  const packets = Array.from({ length: 64 }, (_, i) =>
    datagram({
      transport: concat(PAYLOAD.subarray(0, 8), Uint8Array.of(i)),
      source: i % 3 === 0 ? SERVER : DEVICE[4],
    }),
  );
  const sent = client.transmit(...packets).map(message => gateway.open(message).at(-1));
  assert.equal(
    sent,
    [...packets.keys()].filter(i => i % 3 !== 0),
  );

  const incoming = Array.from({ length: 64 }, (_, i) => {
    const payload = datagram({
      source: SERVER,
      destination: VIRTUAL[4],
      transport: concat(PAYLOAD, Uint8Array.of(i)),
    });
    return i % 3 === 0 ? randomBytes(random, 80) : gateway.seal(payload);
  });
  const { device } = client.receive(0, ...incoming);
  assert.equal(
    device.map(packet => packet.at(-1)),
    [...incoming.keys()].filter(i => i % 3 !== 0),
  );
});

test('more than a batch, or an unknown path, is refused', () => {
  const { client } = setUp();
  assert.ok(client.core.exports.clientTransmit(65) < 0);
  assert.ok(client.core.exports.clientReceive(0, 65) < 0);
  assert.ok(client.core.exports.clientReceive(16, 1) < 0);
  assert.is(client.accounted('rx'), 0);
});

test('packets that cannot be sent are dropped for a reason', () => {
  const { client, random } = setUp();
  const reasons = (packet: Uint8Array) => client.changes(() => assert.equal(client.transmit(packet), []));
  assert.equal(reasons(datagram({ source: SERVER })), { 'tx-source': 1 });
  assert.equal(reasons(datagram({ source: VIRTUAL[4] })), { 'tx-source': 1 });
  assert.equal(reasons(new Uint8Array(0)), { 'tx-malformed': 1 });
  assert.equal(reasons(datagram().subarray(0, 27)), { 'tx-malformed': 1 });
  assert.equal(reasons(randomBytes(random, 9217)), { 'tx-too-big': 1 });
  client.core.setVirtualAddresses(0, 'fd00:61::7');
  assert.equal(reasons(datagram()), { 'tx-no-tunnel': 1 });
  client.core.activate(1, 2);
  assert.equal(reasons(datagram()), { 'tx-no-tunnel': 1 });
  client.core.activate(undefined, 3);
  assert.equal(reasons(datagram()), { 'tx-no-tunnel': 1 });
  client.core.setDeviceAddresses();
  assert.equal(reasons(datagram()), { 'tx-source': 1 });
});

test('the longest packet passes both ways', () => {
  const { client, gateway } = setUp();
  const transport = concat(
    Uint8Array.of(0, 80, 0, 81, 9196 >> 8, 9196 & 255, 0, 0),
    new Uint8Array(9196 - 8),
  );
  const [sent = new Uint8Array()] = client.transmit(datagram({ transport }));
  assert.equal(gateway.open(sent), datagram({ transport, source: VIRTUAL[4] }));
  const answer = { source: SERVER, destination: VIRTUAL[4], transport };
  const { device } = client.receive(0, gateway.seal(datagram(answer)));
  assert.equal(device, [datagram({ ...answer, destination: DEVICE[4] })]);
});

test('a removed association is not sent on, nor received on, and its keys are gone', () => {
  const { client, gateway } = setUp();
  const late = gateway.seal(datagram({ source: SERVER, destination: VIRTUAL[4] }));
  client.core.removeSa('out', gateway.fromClient.spi & 1023);
  client.core.removeSa('in', gateway.toClient.spi & 1023);
  assert.equal(
    client.changes(() => client.transmit(datagram())),
    { 'tx-no-tunnel': 1 },
  );
  assert.equal(
    client.changes(() => client.receive(0, late)),
    { 'rx-unknown-spi': 1 },
  );
  const memory = Buffer.from(client.core.bytes.buffer);
  for (const { key } of [gateway.fromClient, gateway.toClient]) {
    assert.is(memory.indexOf(key.subarray(0, 16)), -1);
    assert.is(memory.indexOf(key.subarray(16, 32)), -1);
  }
});

test('an association that takes the place of a removed one is not sent on before the path is given it', () => {
  const { client, gateway } = setUp();
  const index = gateway.fromClient.spi & 1023;
  const place = { index, local: ANY, remote: ANY, direction: 'out' } as const;
  client.core.removeSa('out', index);
  client.core.installSa({ ...gateway.fromClient, ...place, path: 0, spi: 0x3000_0777 });
  assert.equal(
    client.changes(() => client.transmit(datagram())),
    { 'tx-no-tunnel': 1 },
  );
  client.core.removeSa('out', index);
  client.core.installSa({ ...gateway.fromClient, ...place, path: 1 });
  assert.equal(
    client.changes(() => client.transmit(datagram())),
    { 'tx-no-tunnel': 1 },
  );
  assert.throws(() => client.core.setPath(0, index));
  client.core.setPath(1, index);
  client.core.activate(1, 2);
  client.core.setVirtualAddresses(1, '10.61.0.7');
  assert.is(client.transmit(datagram()).length, 1);
});

test('no address is none: unspecified sources do not match it', () => {
  const { client, random } = setUp();
  client.core.setDeviceAddresses();
  const unspecified = [
    datagram({ source: new Uint8Array(4) }),
    emit({ ...randomPacket(random, 6), source: new Uint8Array(16) }),
  ];
  assert.equal(
    client.changes(() => client.transmit(...unspecified)),
    { 'tx-source': 2 },
  );
});

test('a rekeyed association takes over while the old one still receives', () => {
  const { client, gateway, random } = setUp();
  const next = new Gateway(0, VIRTUAL[4], random);
  const fresh = { out: { ...next.fromClient, spi: 0x3000_0101 }, in: { ...next.toClient, spi: 0x3000_0102 } };
  client.install('in', fresh.in, { path: 0 });
  client.install('out', fresh.out, { path: 0 });
  const [sent = new Uint8Array()] = client.transmit(datagram());
  assert.is(Buffer.from(sent).readUInt32BE(0), 0x3000_0101);
  const answer = datagram({ source: SERVER, destination: VIRTUAL[4] });
  assert.is(client.receive(0, gateway.seal(answer)).device.length, 1);
});

test('every path is received on, on any socket; only the active one is sent on', () => {
  const { client, gateways } = setUp(3);
  for (const gateway of gateways) {
    const answer = { source: SERVER, destination: gateway.virtual };
    for (const socket of [0, 1, 2]) {
      const { device } = client.receive(socket, gateway.seal(datagram(answer)));
      assert.equal(device, [datagram({ ...answer, destination: DEVICE[4] })]);
    }
    client.core.activate(gateway.path, gateway.path);
    const [sent = new Uint8Array()] = client.transmit(datagram());
    assert.equal(gateway.open(sent), datagram({ source: gateway.virtual }));
  }
});

test("another path's virtual address is not ours on this one", () => {
  const { client, gateways } = setUp(2);
  const [first, second] = gateways as [Gateway, Gateway];
  const changes = client.changes(() => {
    client.receive(0, first.seal(datagram({ source: SERVER, destination: second.virtual })));
    client.receive(0, first.seal(datagram({ source: SERVER, destination: DEVICE[4] })));
    client.receive(0, first.seal(datagram({ source: SERVER, destination: SERVER })));
  });
  assert.equal(changes, { 'rx-not-for-us': 3 });
});

test("the MSS of a SYN is clamped both ways, others' bytes are not touched", () => {
  const { client, gateway } = setUp();
  client.core.setMaxSegment(1300);
  const tcp = (flags: number, mss: number) => {
    const transport = new Uint8Array(24);
    transport.set([0, 80, 0, 81, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, flags, 0xff, 0xff, 0, 0, 0, 0]);
    transport.set([2, 4, mss >> 8, mss & 255], 20);
    return { protocol: TCP, transport };
  };
  for (const [flags, offered, expected] of [
    [0x02, 1460, 1300],
    [0x12, 1460, 1300],
    [0x02, 1200, 1200],
    [0x10, 1460, 1460],
  ] as const) {
    const [sent = new Uint8Array()] = client.transmit(datagram(tcp(flags, offered)));
    assert.equal(gateway.open(sent), datagram({ ...tcp(flags, expected), source: VIRTUAL[4] }));
    const incoming = { source: SERVER, destination: VIRTUAL[4] };
    const { device } = client.receive(0, gateway.seal(datagram({ ...incoming, ...tcp(flags, offered) })));
    assert.equal(device, [datagram({ source: SERVER, destination: DEVICE[4], ...tcp(flags, expected) })]);
  }
});

test('IKE goes to the control plane without its marker, as far as the credit of its path reaches', () => {
  const { client, random } = setUp();
  const message = randomBytes(random, 28);
  const marked = concat(new Uint8Array(4), message);
  client.core.exports.clientCredit(0, 3);
  client.core.exports.clientCredit(1, 1);
  const changes = client.changes(() => {
    assert.equal(client.receive(0, marked, marked).control, [message, message]);
    assert.equal(client.receive(1, marked, marked).control, [message]);
    assert.equal(client.receive(0, marked, marked).control, [message]);
    assert.equal(client.receive(2, marked).control, []);
  });
  assert.equal(changes, { control: 4, 'rx-control-full': 3 });
});

test('keepalives, scraps and truncated datagrams are counted', () => {
  const { client } = setUp();
  const changes = client.changes(() => {
    const { device, control } = client.receive(
      0,
      Uint8Array.of(0xff),
      Uint8Array.of(0xfe),
      new Uint8Array(0),
      Uint8Array.of(1, 2, 3),
      new Uint8Array(4 + 27),
    );
    assert.equal([device, control], [[], []]);
  });
  assert.equal(changes, { keepalives: 1, 'rx-short': 4 });

  client.receive(0);
  client.core.view.setUint32(RX_MMSG + MMSG_FLAGS, MSG_TRUNC, true);
  assert.equal(
    client.changes(() => client.core.exports.clientReceive(0, 1)),
    { 'rx-truncated': 1 },
  );
});

test('packets outside the selectors are dropped both ways', () => {
  const { client, random } = setUp();
  const gateway = new Gateway(1, VIRTUAL[4], random);
  const network = { ...(ANY[0] as (typeof ANY)[0]), first: '10.20.0.0', last: '10.20.255.255' };
  client.install('in', gateway.toClient, { path: 1, remote: [network] });
  client.install('out', gateway.fromClient, { path: 1, remote: [network] });
  client.core.setVirtualAddresses(1, '10.61.0.7');
  client.core.activate(1, 2);
  const outside = addressBytes('10.21.0.1');
  const changes = client.changes(() => {
    client.transmit(datagram(), datagram({ destination: outside }));
    client.receive(1, gateway.seal(datagram({ source: SERVER, destination: VIRTUAL[4] })));
    client.receive(1, gateway.seal(datagram({ source: outside, destination: VIRTUAL[4] })));
  });
  assert.equal(changes, { 'tx-packets': 1, 'tx-destination': 1, 'rx-packets': 1, 'rx-selector': 1 });
});

test.run();
