import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  DROP_RELAY_SHORT,
  DROP_RELAY_TAG,
  DROP_RELAY_VERSION,
  RELAY_DATA,
  RELAY_HEADER,
  RELAY_MODE_CLEAR,
  RELAY_PROBE,
  RELAY_VERSION,
  SCRATCH,
  TX_SLOTS,
} from '../../src/packet/abi.js';
import { PacketCore } from '../../src/packet/core.js';
import { internetChecksum } from '../reference/checksum.js';
import { emit } from '../reference/packets.js';
import { decodeRelay, encodeRelay, type RelayPacket } from '../reference/relay.js';
import { sipHash } from '../reference/siphash.js';
import { concat, hex, pick, randomBytes, randomInteger, unhex } from '../support/bytes.js';
import { randomPacket } from '../support/generate.js';
import { generator } from '../support/random.js';
import { loaded } from '../support/relay_server.js';

const core = new PacketCore();
const { exports } = core;
const KEY = SCRATCH;
const P = TX_SLOTS + 256;
const GUARD = 64;
const key = Uint8Array.from({ length: 16 }, (_, i) => i);

/** The core's packet for the same fields. */
function build(packet: RelayPacket, secret: Uint8Array): Uint8Array {
  const { payload, type, session, epoch, sequence } = packet;
  core.bytes.set(secret, KEY);
  core.bytes.fill(0xa5, P - RELAY_HEADER - GUARD, P + payload.length + GUARD);
  core.bytes.set(payload, P);
  const h = exports.relayProtect(RELAY_MODE_CLEAR, P, payload.length, type, session, epoch, sequence, KEY);
  assert.is(h, P - RELAY_HEADER);
  assert.ok(isGuard(h - GUARD) && isGuard(P + payload.length), 'guard bytes');
  return core.bytes.slice(h, P + payload.length);
}

function isGuard(at: number): boolean {
  return core.bytes.subarray(at, at + GUARD).every(byte => byte === 0xa5);
}

/** What relayOpen says; whatever it says, it leaves the packet and what is around it as they were. */
function verify(bytes: Uint8Array, secret: Uint8Array): number {
  core.bytes.set(secret, KEY);
  core.bytes.fill(0xa5, P - GUARD, P + bytes.length + GUARD);
  core.bytes.set(bytes, P);
  const result = exports.relayOpen(RELAY_MODE_CLEAR, P, bytes.length, KEY);
  assert.ok(isGuard(P - GUARD) && isGuard(P + bytes.length), 'guard bytes');
  if (Buffer.compare(bytes, core.bytes.subarray(P, P + bytes.length)) !== 0)
    assert.unreachable('packet changed');
  return result;
}

function randomRelay(random: () => number, payload: Uint8Array): RelayPacket {
  return {
    type: randomInteger(random, 0, 15),
    epoch: randomInteger(random, 0, 0xffff),
    session: randomInteger(random, 0, 0xffff_ffff),
    sequence: new DataView(randomBytes(random, 8).buffer).getBigUint64(0),
    payload,
  };
}

test('SipHash: the reference gives the published tags (paper, appendix A; vectors_sip64 0 to 8)', () => {
  const published = [
    '310e0edd47db6f72',
    'fd67dc93c539f874',
    '5a4fa9d909806c0d',
    '2d7efbd796666785',
    'b7877127e09427cf',
    '8da699cd64557618',
    'cee3fe586e46c9cb',
    '37d1018bf50002ab',
    '6224939a79f5f593',
  ];
  const message = Uint8Array.from({ length: 15 }, (_, i) => i);
  published.forEach((tag, length) => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, sipHash(key, message.subarray(0, length)), true);
    assert.is(hex(bytes), tag, `${length} bytes`);
  });
  assert.is(sipHash(key, message), 0xa129ca6149be45e5n);
});

test('a header is these bytes', () => {
  const packet = {
    type: RELAY_DATA,
    epoch: 0x0203,
    session: 0x04050607,
    sequence: 0x08090a0b0c0d0e0fn,
    payload: unhex('4500001c000040004001 0000 0a1ec805 0a1e0001 0800 f7ff 0000 0000'),
  };
  const bytes = build(packet, key);
  assert.is(hex(bytes.subarray(0, 16)), '21000203040506070809 0a0b0c0d0e0f'.replaceAll(' ', ''));
  const tagged = concat(bytes.subarray(0, 16), packet.payload.subarray(0, 24));
  assert.is(new DataView(bytes.buffer).getBigUint64(16, true), sipHash(key, tagged));
  assert.is(hex(bytes.subarray(24)), hex(packet.payload));
});

test('every payload length from 0 to 200 equals the reference, both ways', () => {
  const random = generator(64);
  for (let length = 0; length <= 200; length++) {
    const secret = randomBytes(random, 16);
    const packet = randomRelay(random, randomBytes(random, length));
    const bytes = build(packet, secret);
    assert.is(hex(bytes), hex(encodeRelay(packet, secret)), `${length} bytes`);
    assert.equal(decodeRelay(bytes, secret), { version: RELAY_VERSION, flags: 0, ...packet });
    assert.is(verify(bytes, secret), packet.type);
    assert.is(verify(encodeRelay({ ...packet, flags: 0xff }, secret), secret), packet.type);
  }
});

test('every bit of the header is protected, and of the payload; of data only its first 24 bytes', () => {
  const random = generator(128);
  for (const [i, length] of [0, 1, 7, 20, 23, 24, 25, 60, 60].entries()) {
    const type = i % 2 === 1 ? RELAY_DATA : RELAY_PROBE;
    const relay = { ...randomRelay(random, randomBytes(random, length)), type };
    const bytes = encodeRelay(relay, key);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const tampered = bytes.slice();
      const at = bit >> 3;
      tampered[at] = (tampered[at] as number) ^ (1 << (bit & 7));
      const expected =
        at === 0 && (bit & 7) >= 4
          ? -DROP_RELAY_VERSION
          : at < 48 || relay.type !== RELAY_DATA
            ? -DROP_RELAY_TAG
            : relay.type;
      assert.is(verify(tampered, key), expected, `${length} bytes of payload, bit ${bit}`);
    }
  }
});

test('the wrong key, every shorter and every longer packet are refused', () => {
  const random = generator(24);
  const bytes = encodeRelay(randomRelay(random, randomBytes(random, 20)), key);
  for (let i = 0; i < 128; i++) {
    const other = key.slice();
    other[i >> 3] = (other[i >> 3] as number) ^ (1 << (i & 7));
    assert.is(verify(bytes, other), -DROP_RELAY_TAG);
  }
  for (let length = 0; length < bytes.length; length++) {
    const expected = length < RELAY_HEADER ? -DROP_RELAY_SHORT : -DROP_RELAY_TAG;
    assert.is(verify(bytes.subarray(0, length), key), expected, `${length} bytes`);
  }
  for (let more = 1; more <= 4; more++) {
    assert.is(verify(concat(bytes, new Uint8Array(more)), key), -DROP_RELAY_TAG, `${more} more`);
  }
});

test('52 bytes around a packet: IPv4, UDP without checksum, relay header', () => {
  const random = generator(768);
  for (let i = 0; i < 500; i++) {
    const packet = randomRelay(random, randomBytes(random, randomInteger(random, 0, 1500)));
    core.bytes.set(key, KEY);
    core.bytes.fill(0xa5, P - 52 - GUARD, P + packet.payload.length + GUARD);
    core.bytes.set(packet.payload, P);
    const { type, session, epoch, sequence, payload } = packet;
    const h = exports.relayProtect(RELAY_MODE_CLEAR, P, payload.length, type, session, epoch, sequence, KEY);
    const [source, destination] = [loaded('10.61.0.7'), loaded('10.20.0.100')];
    const start = exports.relayWrap(h, P + payload.length - h, source, destination, 40_000, 7511);
    assert.is(start, P - 52);
    assert.ok(isGuard(start - GUARD) && isGuard(P + packet.payload.length), 'guard bytes');
    const bytes = core.bytes.slice(start, P + packet.payload.length);
    const view = new DataView(bytes.buffer);
    const identification = Number(packet.sequence & 0xffffn)
      .toString(16)
      .padStart(4, '0');
    const size = (length: number): string => length.toString(16).padStart(4, '0');
    assert.is(internetChecksum(bytes.subarray(0, 20)), 0);
    view.setUint16(10, 0);
    assert.is(
      hex(bytes.subarray(0, 28)),
      `4500${size(bytes.length)}${identification}000040110000` +
        `0a3d00070a140064${size(40_000)}${size(7511)}${size(bytes.length - 20)}0000`,
    );
    assert.is(hex(bytes.subarray(28)), hex(encodeRelay(packet, key)));
  }
});

test('IP in IP: encapsulated as RFC 2003 says, and taken out again', () => {
  const random = generator(2003);
  for (let i = 0; i < 1000; i++) {
    const inner = emit(randomPacket(random, 4));
    inner[1] = randomInteger(random, 0, 255);
    inner[6] = pick(random, [0, 0x40]);
    core.bytes.fill(0xa5, P - 20 - GUARD, P);
    core.bytes.set(inner, P);
    const start = exports.ipipEncapsulate(P, inner.length, loaded('10.61.0.7'), loaded('10.20.0.100'));
    assert.is(start, P - 20);
    assert.ok(isGuard(start - GUARD), 'guard bytes');
    const bytes = core.bytes.slice(start, P + inner.length);
    assert.is(exports.checkPacket(start, bytes.length), bytes.length);
    assert.is(exports.ipipDecapsulate(start), 20);
    assert.is(hex(bytes.subarray(20)), hex(inner));
    assert.is(internetChecksum(bytes.subarray(0, 20)), 0);
    assert.is(bytes[1], (inner[1] as number) & 0xfc, 'class copied, congestion bits clear');
    assert.is(bytes[6], inner[6], 'DF copied');
    assert.is(bytes[9], 4);
    assert.is(hex(bytes.subarray(12, 20)), '0a3d00070a140064');
  }
});

test('IP in IP: options are skipped; fragments, other protocols and IPv6 are none', () => {
  const outer = {
    source: Uint8Array.of(10, 61, 0, 7),
    destination: Uint8Array.of(10, 20, 0, 100),
    protocol: 4,
    transport: emit(randomPacket(generator(1), 4)),
  };
  const decapsulate = (bytes: Uint8Array): number => {
    core.bytes.set(bytes, P);
    return exports.ipipDecapsulate(P);
  };
  assert.is(decapsulate(emit(outer)), 20);
  assert.is(decapsulate(emit({ ...outer, options: new Uint8Array(12) })), 32);
  assert.is(decapsulate(emit({ ...outer, protocol: 17 })), 0);
  assert.is(decapsulate(emit({ ...outer, fragment: { from: 0, to: 16 } })), 0);
  assert.is(decapsulate(emit({ ...outer, fragment: { from: 16, to: outer.transport.length } })), 0);
  const sixteen = { source: new Uint8Array(16), destination: new Uint8Array(16) };
  assert.is(decapsulate(emit({ ...outer, ...sixteen })), 0);
});

test('epochs are compared as serial numbers', () => {
  const cases: [number, number, boolean][] = [
    [1, 0, true],
    [0, 1, false],
    [7, 7, false],
    [0, 0xffff, true],
    [0xffff, 0, false],
    [5, 0xfff0, true],
    [0x7fff, 0, true],
    [0x8000, 0, false],
    [0, 0x8000, false],
    [0x8001, 0, false],
    [0, 0x8001, true],
  ];
  for (const [a, b, newer] of cases) assert.is(exports.epochIsNewer(a, b) !== 0, newer, `${a} after ${b}`);
});

test.run();
