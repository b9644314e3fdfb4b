// Cutting up and joining packets: whatever the kernel and the network send, the packets are those of the plain path.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  BIG_RX_SLOTS,
  BIG_TX_SLOTS,
  MAX_PACKET,
  OFFLOAD_HEADER,
  SEGMENTS_END,
  TX_MMSG,
  VNET_HEADER,
} from '../../src/packet/abi.js';
import { emit, TCP, UDP } from '../reference/packets.js';
import { concat, hex, pick, randomBytes, randomInteger } from '../support/bytes.js';
import {
  Device,
  ECN,
  emitVnet,
  segment,
  TCPV4,
  TCPV6,
  transportAt,
  UDP_L4,
  type VnetHeader,
} from '../support/offloads.js';
import { generator } from '../support/random.js';

type Random = () => number;

const FIN_PSH_CWR = 0x89;
const ACK = 0x10;

interface Flow {
  version: 4 | 6;
  protocol: number;
  source: Uint8Array;
  destination: Uint8Array;
  /** Ports. */
  ports: Uint8Array;
  /** TCP: all behind the acknowledgement but flags and checksum. */
  window: Uint8Array;
  options: Uint8Array;
  acknowledgement: Uint8Array;
  tos: number;
}

function randomFlow(random: Random): Flow {
  const version = pick(random, [4, 6] as const);
  const length = version === 4 ? 4 : 16;
  return {
    version,
    protocol: pick(random, [TCP, TCP, UDP]),
    source: randomBytes(random, length),
    destination: randomBytes(random, length),
    ports: randomBytes(random, 4),
    window: randomBytes(random, 2),
    options: randomBytes(random, 4 * randomInteger(random, 0, 10)),
    acknowledgement: randomBytes(random, 4),
    // The congestion bits among them.
    tos: randomInteger(random, 0, 255),
  };
}

interface Part {
  sequence: number;
  identification: number;
  flags?: number;
  payload: Uint8Array;
}

function packetOf(flow: Flow, { sequence, identification, flags = ACK, payload }: Part): Uint8Array {
  const header = new Uint8Array(flow.protocol === TCP ? 20 + flow.options.length : 8);
  const view = new DataView(header.buffer);
  header.set(flow.ports);
  if (flow.protocol === TCP) {
    view.setUint32(4, sequence >>> 0);
    header.set(flow.acknowledgement, 8);
    header[12] = (header.length / 4) << 4;
    header[13] = flags;
    header.set(flow.window, 14);
    header.set(flow.options, 20);
  } else view.setUint16(4, header.length + payload.length);
  const { source, destination, protocol } = flow;
  const packet = emit({ source, destination, protocol, transport: concat(header, payload) });
  // What emit does not let us choose; segment() of one part puts the checksums right.
  const at = new DataView(packet.buffer, packet.byteOffset);
  if (flow.version === 4) {
    packet[1] = flow.tos;
    at.setUint16(4, identification & 0xffff);
    at.setUint16(6, 0x4000);
  } else at.setUint16(0, 0x6000 | (flow.tos << 4));
  const type = protocol === TCP ? TCPV4 : UDP_L4;
  return segment({ ...NONE, type, size: 65535 }, packet)[0] as Uint8Array;
}

const NONE: VnetHeader = { flags: 0, type: 0, headers: 0, size: 0, start: 0, offset: 0 };

function vnetFor(packet: Uint8Array, protocol: number, size: number): VnetHeader {
  const start = transportAt(packet);
  const version = (packet[0] as number) >> 4;
  const type = protocol === UDP ? UDP_L4 : version === 4 ? TCPV4 : TCPV6;
  return { flags: 1, type, headers: 0, size, start, offset: protocol === TCP ? 16 : 6 };
}

const texts = (packets: readonly Uint8Array[]) => packets.map(hex);

test('a super-packet is cut as by the book', () => {
  const random = generator(1);
  const device = new Device();
  for (let round = 0; round < 400; round++) {
    const flow = randomFlow(random);
    const most = round % 20 === 0 ? 64_000 : 6000;
    const packet = packetOf(flow, {
      sequence: randomInteger(random, 0, 0xffff_ffff),
      identification: randomInteger(random, 0, 0xffff),
      flags: ACK | (randomInteger(random, 0, 255) & FIN_PSH_CWR),
      payload: randomBytes(random, randomInteger(random, 1, most)),
    });
    const header = vnetFor(packet, flow.protocol, randomInteger(random, 100, 3000));
    if (flow.protocol === TCP && random() < 0.3) header.type |= ECN;
    const expected = segment(header, packet);
    assert.equal(texts(device.read(concat(emitVnet(header), packet))), texts(expected));
  }
});

test('a super-packet with IPv4 options or IPv6 extensions is cut with them', () => {
  const random = generator(2);
  const device = new Device();
  const extension = { protocol: 60, bytes: Uint8Array.of(0, 0, 1, 4, 0, 0, 0, 0) };
  const header = Uint8Array.from(randomBytes(random, 20));
  header[12] = 0x50;
  for (const [length, more] of [
    [4, { options: Uint8Array.of(148, 4, 0, 0) }],
    [16, { extensions: [extension] }],
  ] as const) {
    const packet = emit({
      source: randomBytes(random, length),
      destination: randomBytes(random, length),
      protocol: TCP,
      transport: concat(header, randomBytes(random, 5000)),
      ...more,
    });
    const vnet = vnetFor(packet, TCP, 1200);
    assert.equal(texts(device.read(concat(emitVnet(vnet), packet))), texts(segment(vnet, packet)));
  }
});

test('a partial checksum is completed', () => {
  const random = generator(3);
  const device = new Device();
  for (let round = 0; round < 100; round++) {
    const flow = randomFlow(random);
    const packet = packetOf(flow, { sequence: 1, identification: 2, payload: randomBytes(random, round) });
    const vnet = { ...vnetFor(packet, flow.protocol, 0), type: 0 };
    const partial = packet.slice();
    // The pseudo-header's sum: the checksum of all, less that of what is behind.
    const field = vnet.start + vnet.offset;
    const view = new DataView(partial.buffer);
    view.setUint16(field, 0);
    const sum = (bytes: Uint8Array) => {
      let total = 0;
      for (let i = 0; i < bytes.length; i++) total += (bytes[i] as number) << (i % 2 === 0 ? 8 : 0);
      return total % 0xffff;
    };
    const whole = 0xffff - new DataView(packet.buffer, packet.byteOffset).getUint16(field);
    view.setUint16(field, (((whole - sum(partial.subarray(vnet.start))) % 0xffff) + 0xffff) % 0xffff);
    assert.equal(texts(device.read(concat(emitVnet(vnet), partial))), [hex(packet)]);
  }
});

/** A batch of some flows' packets, in which anything may happen to order, size, flags, checksums. */
function randomBatch(random: Random): Uint8Array[] {
  const flows = Array.from({ length: randomInteger(random, 1, 3) }, () => ({
    flow: randomFlow(random),
    sequence: randomInteger(random, 0, 0xffff_ffff),
    identification: randomInteger(random, 0, 0xffff),
    size: pick(random, [1, 7, 100, 536, 1300, 4000]),
  }));
  const packets: Uint8Array[] = [];
  const trouble = pick(random, [0, 0.05, 0.3]);
  let current = pick(random, flows);
  for (let i = 0; i < 60; i++) {
    if (random() < 0.1) current = pick(random, flows);
    const { flow } = current;
    const happens = () => random() < trouble;
    const size = happens() ? randomInteger(random, 0, current.size + 1) : current.size;
    const payload = randomBytes(random, size);
    const flags = ACK | (happens() ? randomInteger(random, 0, 255) : 0);
    if (happens()) current.sequence += size;
    if (happens()) current.identification += randomInteger(random, 0, 3);
    if (happens()) flow.tos = randomInteger(random, 0, 255);
    if (happens()) flow.window = randomBytes(random, 2);
    if (happens()) flow.options = randomBytes(random, flow.options.length);
    const { sequence, identification } = current;
    const packet = packetOf(flow, { sequence, identification, flags, payload });
    // Damaged on its way.
    if (happens()) {
      const at = randomInteger(random, transportAt(packet), packet.length - 1);
      packet[at] = (packet[at] as number) ^ 1;
    }
    current.sequence += size;
    current.identification++;
    packets.push(packet);
    if (happens() && packets.length > 1) packets.splice(-2, 2, packet, packets.at(-2) as Uint8Array);
  }
  return packets;
}

test('joined packets, cut again, are the same packets in the same order', () => {
  const random = generator(4);
  const device = new Device();
  let joined = 0;
  for (let round = 0; round < 150; round++) {
    const packets = randomBatch(random);
    const written = device.write(packets);
    const again = written.flatMap(({ header, packet }) =>
      header.type === 0 ? [packet] : segment(header, packet),
    );
    assert.equal(texts(again), texts(packets));
    for (const { header, packet } of written) {
      if (header.type === 0) {
        assert.equal(header, NONE);
        continue;
      }
      joined++;
      const parts = segment(header, packet);
      assert.ok(parts.length > 1 && parts.length <= 64 && packet.length <= 65535);
      assert.is(header.flags, 1);
      assert.is(header.headers, (parts[0] as Uint8Array).length - header.size);
      // What the core itself would cut it into.
      assert.equal(texts(device.read(concat(emitVnet(header), packet))), texts(parts));
    }
  }
  assert.ok(joined > 500, `${joined}`);
});

test('an undisturbed stream becomes few super-packets', () => {
  const random = generator(5);
  const flow = { ...randomFlow(random), protocol: TCP };
  const packets = Array.from({ length: 44 }, (_, i) =>
    packetOf(flow, {
      sequence: 0xffff_f000 + i * 1348,
      identification: 65_530 + i,
      flags: i === 43 ? ACK | 8 : ACK,
      payload: randomBytes(random, i === 43 ? 700 : 1348),
    }),
  );
  assert.is(new Device().write(packets).length, 1);
  assert.is(new Device(OFFLOAD_HEADER).write(packets).length, 44);
});

test('UDP without checksums, and with one identification under "do not fragment", is joined too', () => {
  const random = generator(6);
  const flow: Flow = { ...randomFlow(random), version: 4, protocol: UDP };
  flow.source = randomBytes(random, 4);
  flow.destination = randomBytes(random, 4);
  const packets = Array.from({ length: 10 }, () => {
    const packet = packetOf(flow, { sequence: 0, identification: 0, payload: randomBytes(random, 500) });
    packet.fill(0, 26, 28);
    return packet;
  });
  const [only, ...others] = new Device().write(packets);
  assert.is(others.length, 0);
  const payloads = (list: Uint8Array[]) => texts(list.map(packet => packet.subarray(28)));
  assert.equal(payloads(segment(only?.header as VnetHeader, only?.packet as Uint8Array)), payloads(packets));
});

test('no vnet header and no packet of the device makes the core trap or write elsewhere', () => {
  const random = generator(7);
  const device = new Device();
  const guards = [SEGMENTS_END - 4096, BIG_RX_SLOTS - 4096, TX_MMSG].map(at =>
    device.core.bytes.subarray(at, at + 4096),
  );
  for (const guard of guards) guard.fill(0xa5);
  for (let round = 0; round < 3000; round++) {
    const flow = randomFlow(random);
    const packet = packetOf(flow, {
      sequence: 0,
      identification: 0,
      payload: randomBytes(random, pick(random, [0, 1, 100, 3000, 60_000])),
    });
    const vnet = emitVnet(vnetFor(packet, flow.protocol, pick(random, [0, 1, 8, 100, 1400, 65535])));
    const bytes = concat(vnet, packet);
    const changes = randomInteger(random, 0, 6);
    for (let i = 0; i < changes; i++) bytes[randomInteger(random, 0, 80) % bytes.length] = random() * 256;
    const cut = random() < 0.2 ? bytes.subarray(0, randomInteger(random, 0, bytes.length)) : bytes;
    const packets = device.read(cut);
    if (cut.length >= VNET_HEADER && cut[1] !== 0) {
      for (const { length } of packets) assert.ok(length <= MAX_PACKET);
    }
  }
  for (const guard of guards) assert.ok(guard.every(byte => byte === 0xa5));
  assert.ok(BIG_TX_SLOTS < BIG_RX_SLOTS);
});

test.run();
