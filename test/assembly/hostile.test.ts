// Random, cut and mutated packets: nothing outside the packet is written, nothing traps, and the relay server's
// state stays as it was unless a packet was authentic.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  BATCH,
  POOL,
  RELAY_DATA,
  RELAY_PROBE,
  RX_SLOTS,
  SCRATCH,
  SESSION_INDEX_MASK,
  SESSION_SIZE,
  SESSION_WINDOW_SIZE,
  SESSION_WINDOWS,
  SESSIONS,
  SLOT_HEADROOM,
  SLOT_SIZE,
  TX_SLOTS,
} from '../../src/packet/abi.js';
import { PacketCore } from '../../src/packet/core.js';
import { emit } from '../reference/packets.js';
import { pick, randomBytes, randomInteger } from '../support/bytes.js';
import { icmpError, randomAddress, randomPacket } from '../support/generate.js';
import type { Datagram } from '../support/kernel.js';
import { generator } from '../support/random.js';
import { down, type RelayPeer, type RelayServer, session, setUp, up } from '../support/relay_server.js';

const GUARD = 64;
const TOKYO = '10.61.0.7:40000';
const ELSEWHERE = '203.0.113.66:9';

/** A packet that was good before something happened to it, or never was one. */
function hostilePacket(random: () => number): Uint8Array {
  const version = pick(random, [4, 6] as const);
  if (random() < 0.1) return headed(random, randomBytes(random, randomInteger(random, 0, 200)));
  const packet = randomPacket(random, version);
  const addresses = { source: randomAddress(random, version), destination: randomAddress(random, version) };
  // Quotes our own address, so that translation goes into the quote.
  const quoted = { ...packet, source: addresses.destination, destination: addresses.source };
  return damaged(random, emit(random() < 0.5 ? packet : icmpError(random, version, addresses, quoted)));
}

/** Random bytes that at least begin like a packet. */
function headed(random: () => number, bytes: Uint8Array): Uint8Array {
  if (bytes.length > 4)
    bytes.set([pick(random, [0x45, 0x4f, 0x60, 0x46]), 0, 0, randomInteger(random, 0, 200)]);
  return bytes;
}

/** The bytes cut, with some changed, or both. */
function damaged(random: () => number, bytes: Uint8Array): Uint8Array {
  const result = random() < 0.3 ? bytes.slice(0, randomInteger(random, 0, bytes.length)) : bytes.slice();
  for (let i = randomInteger(random, 0, 4); i > 0 && result.length > 0; i--) {
    const at = randomInteger(random, 0, random() < 0.7 ? Math.min(59, result.length - 1) : result.length - 1);
    result[at] = random() < 0.5 ? randomInteger(random, 0, 255) : pick(random, [0, 1, 0x7f, 0x80, 0xff]);
  }
  return result;
}

test('120,000 packets through every function that changes packets', () => {
  const { exports, bytes: memory } = new PacketCore();
  const random = generator(0xbad);
  const P = TX_SLOTS + 1024;
  memory.set(randomBytes(random, 64), SCRATCH);
  let accepted = 0;
  for (let i = 0; i < 120_000; i++) {
    const packet = hostilePacket(random);
    memory.fill(0xa5, P - GUARD, P + packet.length + GUARD);
    memory.set(packet, P);
    const length = exports.checkPacket(P, packet.length);
    if (length < 0) continue;
    assert.ok(length >= 20 && length <= packet.length);
    accepted++;
    exports.rewriteSource(P, length, SCRATCH);
    exports.rewriteDestination(P, length, SCRATCH + 16);
    exports.rewriteSourcePort(P, length, randomInteger(random, 0, 0xffff));
    exports.rewriteDestinationPort(P, length, randomInteger(random, 0, 0xffff));
    exports.clampMss(P, length, randomInteger(random, 0, 9000));
    exports.ipipDecapsulate(P);
    const clean =
      memory.subarray(P - GUARD, P).every(byte => byte === 0xa5) &&
      memory.subarray(P + packet.length, P + packet.length + GUARD).every(byte => byte === 0xa5) &&
      Buffer.compare(memory.subarray(P + length, P + packet.length), packet.subarray(length)) === 0;
    if (!clean)
      assert.unreachable(`packet ${i} wrote outside itself: ${Buffer.from(packet).toString('hex')}`);
  }
  assert.ok(accepted > 30_000, `${accepted} passed checkPacket`);
});

/** Everything that the relay server keeps about two sessions, and the head of the pool table. */
function state(server: RelayServer, clients: readonly RelayPeer[]): Buffer {
  const { bytes } = server.core;
  return Buffer.concat([
    ...clients.flatMap(({ session: { index } }) => {
      const record = SESSIONS + (index & SESSION_INDEX_MASK) * SESSION_SIZE;
      const window = SESSION_WINDOWS + (index & SESSION_INDEX_MASK) * SESSION_WINDOW_SIZE;
      return [
        bytes.slice(record - SESSION_SIZE, record + 2 * SESSION_SIZE),
        bytes.slice(window - SESSION_WINDOW_SIZE, window + 2 * SESSION_WINDOW_SIZE),
      ];
    }),
    bytes.slice(POOL, POOL + 1024),
  ]);
}

/** Two sessions that have each been heard from. */
function established(): { server: RelayServer; clients: RelayPeer[] } {
  const { server, clients } = setUp(session(1), session(2, { mode: 'ipip' }));
  for (const client of clients) server.receive({ bytes: client.packet(RELAY_DATA, up(client)), peer: TOKYO });
  return { server, clients };
}

test('128,000 datagrams without a right tag: no answer, no packet, no change of any session or slot', () => {
  const { server, clients } = established();
  const random = generator(7511);
  const before = state(server, clients);
  const forged = (): Uint8Array => {
    const client = pick(random, clients);
    if (random() < 0.15) return randomBytes(random, randomInteger(random, 0, 120));
    // A true packet, not sent yet, changed or cut somewhere under the tag.
    const sequence = client.sequence + BigInt(randomInteger(random, 1, 9000));
    const type = pick(random, [RELAY_DATA, RELAY_DATA, RELAY_PROBE, 3, 4, 9]);
    const epoch = randomInteger(random, 0, 3);
    const bytes = original(client, type).slice();
    const view = new DataView(bytes.buffer);
    view.setUint16(2, epoch);
    view.setBigUint64(8, sequence);
    if (random() < 0.2) return bytes.slice(0, randomInteger(random, 0, 47));
    const at = randomInteger(random, 0, 47);
    bytes[at] = (bytes[at] as number) ^ randomInteger(random, 1, 255);
    return bytes;
  };
  const originals = new Map<string, Uint8Array>();
  const original = (client: RelayPeer, type: number): Uint8Array => {
    const name = `${client.session.index} ${type}`;
    const bytes = originals.get(name) ?? client.packet(type, up(client), { sequence: 1_000_000n });
    originals.set(name, bytes);
    return bytes;
  };
  const slots = server.core.bytes.subarray(RX_SLOTS, RX_SLOTS + BATCH * SLOT_SIZE);
  for (let batch = 0; batch < 2000; batch++) {
    const datagrams: Datagram[] = Array.from({ length: BATCH }, () => ({ bytes: forged(), peer: ELSEWHERE }));
    const expected = batch % 20 === 0 ? expectedSlots(slots, datagrams) : undefined;
    const { toDevice, events, replies, counted } = server.receive(...datagrams);
    assert.equal([toDevice.length, events.length, replies.length], [0, 0, 0], `batch ${batch}`);
    const dropped = Object.values(counted).reduce((sum, count) => sum + count, 0);
    assert.is(dropped, BATCH, 'every one is counted');
    if (expected !== undefined) assert.is(Buffer.compare(slots, expected), 0, 'slots are as they arrived');
  }
  assert.is(Buffer.compare(state(server, clients), before), 0);
});

/** The receive slots as they are with the datagrams in place. */
function expectedSlots(slots: Uint8Array, datagrams: readonly Datagram[]): Uint8Array {
  const expected = slots.slice();
  for (const [i, { bytes }] of datagrams.entries()) expected.set(bytes, i * SLOT_SIZE + SLOT_HEADROOM);
  return expected;
}

test('100,000 bare IP-in-IP packets: only a lease in ipip mode from its own path gets through', () => {
  const { server, clients } = established();
  const random = generator(2003);
  const [, ipip] = clients as [RelayPeer, RelayPeer];
  let through = 0;
  for (let batch = 0; batch < 1600; batch++) {
    const packets = Array.from({ length: BATCH }, () => {
      const content = random() < 0.5 ? up(pick(random, clients)) : hostilePacket(random);
      const outer = {
        source: pick(random, [Uint8Array.of(10, 61, 0, 7), Uint8Array.of(10, 62, 0, 9)]),
        destination: Uint8Array.of(10, 20, 0, 100),
        protocol: 4,
        transport: random() < 0.5 ? damaged(random, content) : content,
      };
      return random() < 0.5 ? damaged(random, emit(outer)) : emit(outer);
    });
    // The kernel hands over nothing shorter than an IPv4 header, but the core does not rely on it.
    const { toDevice, events, replies, counted } = server.receiveIpip(...packets.map(padded));
    assert.equal([events.length, replies.length], [0, 0]);
    for (const packet of toDevice) {
      if (packet.subarray(12, 16).join('.') !== ipip.session.lease)
        assert.unreachable('source is not the lease');
    }
    delete counted['rx-bytes'];
    const total = Object.values(counted).reduce((sum, count) => sum + count, 0);
    assert.is(total, BATCH, 'every one is counted');
    through += toDevice.length;
  }
  assert.ok(through > 1000, `${through} got through`);
  for (const client of clients) assert.is(server.info(client.session.index)?.path, TOKYO);
});

const padded = (bytes: Uint8Array): Uint8Array => (bytes.length < 16 ? new Uint8Array(16) : bytes);

test('100,000 packets from the device: only the room in front is written to, and the packet', () => {
  const { server, clients } = established();
  const random = generator(1918);
  const front = SLOT_HEADROOM - 24;
  let sent = 0;
  for (let batch = 0; batch < 1600; batch++) {
    const packets = Array.from({ length: BATCH }, () => {
      const packet = random() < 0.6 ? down(pick(random, clients)) : hostilePacket(random);
      return random() < 0.5 ? damaged(random, packet) : packet;
    });
    for (let i = 0; i < BATCH; i++) {
      const slot = TX_SLOTS + i * SLOT_SIZE;
      server.core.bytes.fill(0xa5, slot + front - GUARD, slot + SLOT_HEADROOM + 600);
    }
    const { udp, raw, counted } = server.transmit(...packets);
    sent += udp.length + raw.length;
    delete counted['tx-bytes'];
    const total = Object.values(counted).reduce((sum, count) => sum + count, 0);
    assert.is(total, BATCH, 'every one is counted');
    for (const { peer } of [...udp, ...raw]) assert.ok(peer === TOKYO || peer === '10.61.0.7:0');
    for (let i = 0; i < BATCH; i++) {
      const slot = TX_SLOTS + i * SLOT_SIZE;
      const end = slot + SLOT_HEADROOM + (packets[i]?.length ?? 0);
      const guards = [slot + front - GUARD, end].map(at => server.core.bytes.subarray(at, at + GUARD));
      if (!guards.every(guard => guard.every(byte => byte === 0xa5)))
        assert.unreachable(`batch ${batch}, packet ${i}`);
    }
  }
  assert.ok(sent > 10_000, `${sent} were sent`);
});

test.run();
