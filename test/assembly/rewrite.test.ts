// A packet rewritten in place must equal, byte for byte, one that was built with the new values.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { TX_SLOTS } from '../../src/packet/abi.js';
import { PacketCore } from '../../src/packet/core.js';
import { emit, ICMP, ICMPV6, type Packet, TCP, UDP } from '../reference/packets.js';
import { concat, hex, pick, randomBytes, randomInteger } from '../support/bytes.js';
import {
  icmpError,
  randomAddress,
  randomPacket,
  randomTransport,
  type Version,
} from '../support/generate.js';
import { generator } from '../support/random.js';

const core = new PacketCore();
const P = TX_SLOTS + 1024;
const NEW_ADDRESS = TX_SLOTS;
const GUARD = 64;
const VERSIONS: readonly Version[] = [4, 6];
type Side = 'source' | 'destination';
const SIDES: readonly Side[] = ['source', 'destination'];
const opposite = (side: Side): Side => (side === 'source' ? 'destination' : 'source');

/** Rewrites `bytes` in memory between guard bytes and returns what they have become. */
function inMemory(bytes: Uint8Array, rewrite: (p: number, length: number) => void): Uint8Array {
  core.bytes.fill(0xa5, P - GUARD, P + bytes.length + GUARD);
  core.bytes.set(bytes, P);
  assert.is(core.exports.checkPacket(P, bytes.length), bytes.length);
  rewrite(P, bytes.length);
  const guards = [
    core.bytes.subarray(P - GUARD, P),
    core.bytes.subarray(P + bytes.length, P + bytes.length + GUARD),
  ];
  assert.ok(
    guards.every(guard => guard.every(byte => byte === 0xa5)),
    'guard bytes',
  );
  return core.bytes.slice(P, P + bytes.length);
}

function rewriteAddress(bytes: Uint8Array, side: Side, address: Uint8Array): Uint8Array {
  core.bytes.set(address, NEW_ADDRESS);
  const name = side === 'source' ? 'rewriteSource' : 'rewriteDestination';
  return inMemory(bytes, (p, length) => core.exports[name](p, length, NEW_ADDRESS));
}

function rewritePort(bytes: Uint8Array, side: Side, port: number): Uint8Array {
  const name = side === 'source' ? 'rewriteSourcePort' : 'rewriteDestinationPort';
  return inMemory(bytes, (p, length) => core.exports[name](p, length, port));
}

function same(actual: Uint8Array, expected: Uint8Array, what: string): void {
  if (Buffer.compare(actual, expected) !== 0) assert.is(hex(actual), hex(expected), what);
}

/** The packet with one address replaced. */
function withAddress(packet: Packet, side: Side, address: Uint8Array): Packet {
  return { ...packet, [side]: address };
}

for (const version of VERSIONS) {
  test(`IPv${version}: addresses of TCP, UDP, UDP-Lite, DCCP, ICMP and others, with options and extensions`, () => {
    const random = generator(3022 + version);
    for (let i = 0; i < 10_000; i++) {
      const packet = randomPacket(random, version);
      const address = randomAddress(random, version);
      const side = pick(random, SIDES);
      const expected = emit(withAddress(packet, side, address));
      same(rewriteAddress(emit(packet), side, address), expected, `packet ${i}`);
    }
  });

  test(`IPv${version}: fragments; only the first has a transport header`, () => {
    const random = generator(791 + version);
    for (let i = 0; i < 4000; i++) {
      const packet = randomPacket(random, version);
      const size = packet.transport.length;
      const cut = Math.min(size, 8 * randomInteger(random, 3, 8));
      packet.fragment = i % 2 === 0 || cut === size ? { from: 0, to: cut } : { from: cut, to: size };
      const address = randomAddress(random, version);
      const side = pick(random, SIDES);
      const expected = emit(withAddress(packet, side, address));
      same(rewriteAddress(emit(packet), side, address), expected, `packet ${i}`);
    }
  });

  test(`IPv${version}: an ICMP error's quote is rewritten in the opposite direction`, () => {
    const random = generator(792 + version);
    for (let i = 0; i < 10_000; i++) {
      const side = pick(random, SIDES);
      const ours = randomAddress(random, version);
      const address = randomAddress(random, version);
      const quoted = withAddress(randomPacket(random, version), opposite(side), ours);
      if (random() < 0.2) quoted.fragment = { from: 0, to: Math.min(24, quoted.transport.length) };
      const outer = {
        source: randomAddress(random, version),
        destination: randomAddress(random, version),
        [side]: ours,
      };
      // Options and extensions before the quote, too.
      const around = { ...randomPacket(random, version), ...outer };
      const error = { ...around, ...icmpError(random, version, outer, quoted), unchecked: false };
      const transport = concat(
        error.transport.subarray(0, 8),
        emit(withAddress(quoted, opposite(side), address)),
      );
      const expected = emit({ ...withAddress(error, side, address), transport });
      same(rewriteAddress(emit(error), side, address), expected, `packet ${i}`);
    }
  });

  test(`IPv${version}: quotes cut off after eight bytes of transport, or anywhere`, () => {
    const random = generator(4884 + version);
    const header = version === 4 ? 20 : 40;
    for (let i = 0; i < 10_000; i++) {
      const side = pick(random, SIDES);
      const ours = randomAddress(random, version);
      const address = randomAddress(random, version);
      const quoted = withAddress(randomPacket(random, version), opposite(side), ours);
      delete quoted.options;
      delete quoted.extensions;
      delete quoted.finalDestination;
      const whole = emit(quoted).length;
      const length = i % 2 === 0 ? header + 8 : randomInteger(random, 0, whole);
      const outer = {
        source: randomAddress(random, version),
        destination: randomAddress(random, version),
        [side]: ours,
      };
      const error = icmpError(random, version, outer, quoted, length);
      const rewritten = emit(withAddress(quoted, opposite(side), address)).subarray(0, length);
      // Without its whole fixed header a quote is left alone; so is half of a checksum field.
      const kept = length < header ? emit(quoted).subarray(0, length) : rewritten.slice();
      const half = quoted.protocol === TCP ? header + 16 : header + (quoted.protocol === ICMPV6 ? 2 : 6);
      if (length === half + 1) kept[half] = emit(quoted)[half] as number;
      const expected = emit({
        ...withAddress(error, side, address),
        transport: concat(error.transport.subarray(0, 8), kept),
      });
      same(rewriteAddress(emit(error), side, address), expected, `packet ${i}, ${length} bytes quoted`);
    }
  });

  test(`IPv${version}: what follows the quote (RFC 4884 padding and extensions) is left alone`, () => {
    const random = generator(4950 + version);
    for (let i = 0; i < 500; i++) {
      const ours = randomAddress(random, version);
      const address = randomAddress(random, version);
      const quoted: Packet = {
        source: randomAddress(random, version),
        destination: ours,
        protocol: TCP,
        transport: randomTransport(random, TCP, version),
        // The quoted packet ends before its TCP checksum, the padding does not.
        fragment: { from: 0, to: 8 },
      };
      const outer = { source: ours, destination: randomAddress(random, version) };
      const error = icmpError(random, version, outer, quoted);
      const extension = randomBytes(random, 16);
      const padding = new Uint8Array(128 + 8 - error.transport.length);
      error.transport = concat(error.transport, padding, extension);
      const inside = emit({ ...quoted, destination: address });
      const transport = concat(error.transport.subarray(0, 8), inside, padding, extension);
      const expected = emit({ ...error, source: address, transport });
      same(rewriteAddress(emit(error), 'source', address), expected, `packet ${i}`);
    }
  });

  test(`IPv${version}: a quote that is not about our address is left alone`, () => {
    const random = generator(5508 + version);
    for (let i = 0; i < 500; i++) {
      const side = pick(random, SIDES);
      const outer = { source: randomAddress(random, version), destination: randomAddress(random, version) };
      const error = icmpError(random, version, outer, randomPacket(random, version));
      const address = randomAddress(random, version);
      same(
        rewriteAddress(emit(error), side, address),
        emit(withAddress(error, side, address)),
        `packet ${i}`,
      );
    }
  });

  test(`IPv${version}: ports and echo identifiers`, () => {
    const random = generator(2663 + version);
    for (let i = 0; i < 5000; i++) {
      const packet = randomPacket(random, version);
      const side = pick(random, SIDES);
      const port = pick(random, [0, 0xffff, randomInteger(random, 0, 0xffff)]);
      const expected = emit({ ...packet, transport: withPort(packet, side, port) });
      same(rewritePort(emit(packet), side, port), expected, `packet ${i}`);
    }
  });

  test(`IPv${version}: ports and echo identifiers in an ICMP error's quote`, () => {
    const random = generator(2664 + version);
    for (let i = 0; i < 3000; i++) {
      const quoted = randomPacket(random, version);
      const outer = { source: randomAddress(random, version), destination: randomAddress(random, version) };
      const error = icmpError(random, version, outer, quoted);
      const side = pick(random, SIDES);
      const port = randomInteger(random, 0, 0xffff);
      const inside = emit({ ...quoted, transport: withPort(quoted, opposite(side), port) });
      const expected = emit({ ...error, transport: concat(error.transport.subarray(0, 8), inside) });
      same(rewritePort(emit(error), side, port), expected, `packet ${i}`);
    }
  });
}

/** The packet's transport with another port or identifier; the same if its protocol has none that we rewrite. */
function withPort(packet: Packet, side: Side, port: number): Uint8Array {
  const transport = packet.transport.slice();
  if (packet.protocol === 132) return transport;
  const echo = packet.protocol === ICMP || packet.protocol === ICMPV6;
  new DataView(transport.buffer).setUint16(echo ? 4 : side === 'source' ? 0 : 2, port);
  return transport;
}

test('UDP: no checksum stays none, and a checksum of zero becomes all ones', () => {
  const random = generator(768);
  let allOnes = 0;
  for (let i = 0; i < 3000; i++) {
    const transport = randomTransport(random, UDP, 4);
    const packet: Packet = {
      source: randomBytes(random, 4),
      destination: randomBytes(random, 4),
      protocol: UDP,
      transport,
    };
    // Choose the new address so that the sum of all words becomes all ones, the checksum zero.
    const address = Uint8Array.of(10, 1, 0, 0);
    const probe = emit(withAddress(packet, 'source', address));
    const checksum = new DataView(probe.buffer).getUint16(26);
    address.set([checksum >> 8, checksum & 0xff], 2);
    const expected = emit(withAddress(packet, 'source', address));
    if (new DataView(expected.buffer).getUint16(26) === 0xffff) allOnes++;
    same(rewriteAddress(emit(packet), 'source', address), expected, `packet ${i}`);
    const unchecked = { ...packet, unchecked: true };
    same(
      rewriteAddress(emit(unchecked), 'source', address),
      emit(withAddress(unchecked, 'source', address)),
      `packet ${i} without checksum`,
    );
  }
  assert.ok(allOnes > 2900, `${allOnes} checksums came out as zero`);
});

test('a damaged packet stays damaged', () => {
  const random = generator(1141);
  for (let i = 0; i < 1000; i++) {
    const version = pick(random, VERSIONS);
    const packet: Packet = {
      source: randomBytes(random, version === 4 ? 4 : 16),
      destination: randomBytes(random, version === 4 ? 4 : 16),
      protocol: TCP,
      transport: randomTransport(random, TCP, version),
    };
    const address = randomBytes(random, packet.source.length);
    const damaged = emit(packet);
    const expected = emit(withAddress(packet, 'source', address));
    const at = damaged.length - 1;
    damaged[at] = (damaged[at] as number) ^ 0x10;
    expected[at] = damaged[at] as number;
    same(rewriteAddress(damaged, 'source', address), expected, `packet ${i}`);
  }
});

test('there and back again gives the same bytes', () => {
  const random = generator(5);
  for (let i = 0; i < 2000; i++) {
    const version = pick(random, VERSIONS);
    const packet = randomPacket(random, version);
    const bytes = emit(packet);
    const there = rewriteAddress(bytes, 'source', randomAddress(random, version));
    same(rewriteAddress(there, 'source', packet.source), bytes, `packet ${i}`);
  }
});

test.run();
