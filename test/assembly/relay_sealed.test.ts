// Relay packets in sealed mode, built and opened by the core alone.
import { poly1305 } from '@noble/ciphers/_poly1305.js';
import { chacha20 } from '@noble/ciphers/chacha.js';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  DROP_RELAY_SHORT,
  DROP_RELAY_TAG,
  DROP_RELAY_VERSION,
  RELAY_DATA,
  RELAY_MODE_SEALED,
  RELAY_SEALED_HEADER,
  RELAY_SEALED_KEY,
  RELAY_SEALED_TAG,
  RELAY_VERSION,
  SCRATCH,
  TX_SLOTS,
} from '../../src/packet/abi.js';
import { PacketCore } from '../../src/packet/core.js';
import { decodeRelay, encodeRelay, type RelayPacket } from '../reference/relay.js';
import { concat, hex, randomBytes, randomInteger, unhex } from '../support/bytes.js';
import { generator } from '../support/random.js';

const core = new PacketCore();
const { exports } = core;
const KEY = SCRATCH;
const P = TX_SLOTS + 256;
const GUARD = 64;
const AROUND = RELAY_SEALED_HEADER + RELAY_SEALED_TAG;
const random = generator(8439);
const key = randomBytes(random, RELAY_SEALED_KEY);

function checkGuards(from: number, end: number): void {
  const isGuard = (at: number) => core.bytes.subarray(at, at + GUARD).every(byte => byte === 0xa5);
  assert.ok(isGuard(from - GUARD) && isGuard(end), 'guard bytes');
}

/** The core's packet for the same fields. */
function build({ payload, type, session, epoch, sequence }: RelayPacket, secret: Uint8Array): Uint8Array {
  const start = P - RELAY_SEALED_HEADER;
  const end = P + payload.length + RELAY_SEALED_TAG;
  core.bytes.set(secret, KEY);
  core.bytes.fill(0xa5, start - GUARD, end + GUARD);
  core.bytes.set(payload, P);
  const h = exports.relayProtect(RELAY_MODE_SEALED, P, payload.length, type, session, epoch, sequence, KEY);
  assert.is(h, start);
  checkGuards(start, end);
  return core.bytes.slice(start, end);
}

/** What relayOpen says, and what is in place of the packet then. */
function open(bytes: Uint8Array, secret: Uint8Array): { result: number; left: Uint8Array } {
  core.bytes.set(secret, KEY);
  core.bytes.fill(0xa5, P - GUARD, P + bytes.length + GUARD);
  core.bytes.set(bytes, P);
  const result = exports.relayOpen(RELAY_MODE_SEALED, P, bytes.length, KEY);
  checkGuards(P, P + bytes.length);
  return { result, left: core.bytes.slice(P, P + bytes.length) };
}

function refused(bytes: Uint8Array, secret: Uint8Array, reason: number, what: string): void {
  const { result, left } = open(bytes, secret);
  assert.is(result, -reason, what);
  const payload = left.subarray(RELAY_SEALED_HEADER, Math.max(left.length - RELAY_SEALED_TAG, 0));
  const asItCame = bytes.subarray(RELAY_SEALED_HEADER, RELAY_SEALED_HEADER + payload.length);
  const isHarmless = payload.every(byte => byte === 0) || Buffer.compare(payload, asItCame) === 0;
  assert.ok(isHarmless, `${what}: zeros, or what came`);
}

function randomRelay(payload: Uint8Array): RelayPacket {
  return {
    type: randomInteger(random, 0, 15),
    epoch: randomInteger(random, 0, 0xffff),
    session: randomInteger(random, 0, 0xffff_ffff),
    sequence: new DataView(randomBytes(random, 8).buffer).getBigUint64(0),
    payload,
  };
}

/** RFC 8439 section 2.8, step by step from ChaCha20 and Poly1305. */
function assemble(fields: Uint8Array, payload: Uint8Array, secret: Uint8Array): Uint8Array {
  const nonce = concat(secret.subarray(32), fields.subarray(8, 16));
  const cipher = (data: Uint8Array, counter: number) =>
    chacha20(secret.slice(0, 32), nonce, data, undefined, counter);
  const oneTimeKey = cipher(new Uint8Array(32), 0);
  const ciphertext = cipher(payload, 1);
  const padding = new Uint8Array((16 - (payload.length % 16)) % 16);
  const lengths = new Uint8Array(16);
  new DataView(lengths.buffer).setBigUint64(0, 16n, true);
  new DataView(lengths.buffer).setBigUint64(8, BigInt(payload.length), true);
  return concat(fields, ciphertext, poly1305(concat(fields, ciphertext, padding, lengths), oneTimeKey));
}

test('a packet is these bytes', () => {
  const secret = Uint8Array.from({ length: RELAY_SEALED_KEY }, (_, i) => 0x80 + i);
  const packet = {
    type: RELAY_DATA,
    epoch: 0x0203,
    session: 0x04050607,
    sequence: 0x08090a0b0c0d0e0fn,
    payload: unhex('4500001c000040004001 0000 0a1ec805 0a1e0001 0800 f7ff 0000 0000'),
  };
  const fields = unhex('2100 0203 04050607 08090a0b0c0d0e0f');
  const bytes = build(packet, secret);
  assert.is(hex(bytes), hex(assemble(fields, packet.payload, secret)));
  assert.is(
    hex(bytes),
    '210002030405060708090a0b0c0d0e0f' +
      'a3cc337c25e564863b3a52b0a98ba9da978ae7db2be09238043165c0' +
      'a04750c41e3bd0c0646d89ea1e9b8e89',
  );
});

test('every payload length from 0 to 1,500, and the largest, equal the reference, both ways', () => {
  for (const length of [...Array(1501).keys(), 9216]) {
    const secret = randomBytes(random, RELAY_SEALED_KEY);
    const packet = randomRelay(randomBytes(random, length));
    const bytes = build(packet, secret);
    assert.is(bytes.length, length + AROUND);
    assert.is(hex(bytes), hex(encodeRelay(packet, secret)), `${length} bytes`);
    if (length % 10 === 0) {
      assert.is(hex(bytes), hex(assemble(bytes.slice(0, 16), packet.payload, secret)));
      assert.equal(decodeRelay(bytes, secret), { version: RELAY_VERSION, flags: 0, ...packet });
    }
    const { result, left } = open(bytes, secret);
    assert.is(result, packet.type, `${length} bytes`);
    assert.is(Buffer.compare(left.subarray(16, 16 + length), packet.payload), 0);
    const flagged = encodeRelay({ ...packet, flags: 0xff }, secret);
    assert.is(open(flagged, secret).result, packet.type);
  }
});

test('every byte is protected, and a changed one leaves no plaintext', () => {
  for (const length of [0, 1, 15, 16, 20, 191, 192, 193, 448, 449, 1400]) {
    const bytes = encodeRelay(randomRelay(randomBytes(random, length)), key);
    for (let at = 0; at < bytes.length; at++) {
      const bits = length > 200 ? [at & 7] : [0, 1, 2, 3, 4, 5, 6, 7];
      for (const bit of bits) {
        const tampered = bytes.slice();
        tampered[at] = (tampered[at] as number) ^ (1 << bit);
        const reason = at === 0 && bit >= 4 ? DROP_RELAY_VERSION : DROP_RELAY_TAG;
        refused(tampered, key, reason, `${length} bytes of payload, byte ${at}, bit ${bit}`);
      }
    }
  }
});

test('the wrong key or salt, every shorter and every longer packet are refused', () => {
  const bytes = encodeRelay(randomRelay(randomBytes(random, 300)), key);
  for (let i = 0; i < RELAY_SEALED_KEY * 8; i++) {
    const other = key.slice();
    other[i >> 3] = (other[i >> 3] as number) ^ (1 << (i & 7));
    refused(bytes, other, DROP_RELAY_TAG, `bit ${i} of the key`);
  }
  for (let length = 0; length < bytes.length; length++) {
    const reason = length < AROUND ? DROP_RELAY_SHORT : DROP_RELAY_TAG;
    refused(bytes.subarray(0, length), key, reason, `${length} bytes`);
  }
  for (let more = 1; more <= 64; more++) {
    refused(concat(bytes, randomBytes(random, more)), key, DROP_RELAY_TAG, `${more} more`);
  }
});

test('a packet of the clear mode is none of this mode, whatever the key', () => {
  for (const length of [0, 8, 20, 100]) {
    const packet = randomRelay(randomBytes(random, length));
    const clear = encodeRelay(packet, key.subarray(0, 16));
    refused(clear, key, clear.length < AROUND ? DROP_RELAY_SHORT : DROP_RELAY_TAG, `${length} bytes`);
  }
});

test('44 bytes in front of a packet, 16 behind', () => {
  const packet = randomRelay(randomBytes(random, 777));
  core.bytes.set(key, KEY);
  core.bytes.fill(0xa5, P - 44 - GUARD, P + 777 + RELAY_SEALED_TAG + GUARD);
  core.bytes.set(packet.payload, P);
  const { type, session, epoch, sequence } = packet;
  const h = exports.relayProtect(RELAY_MODE_SEALED, P, 777, type, session, epoch, sequence, KEY);
  const length = P + 777 + RELAY_SEALED_TAG - h;
  const start = exports.relayWrap(h, length, 0x0a3d0007, 0x0a140064, 40_000, 7511);
  const end = P + 777 + RELAY_SEALED_TAG;
  assert.is(start, P - 44);
  checkGuards(start, end);
  const bytes = core.bytes.slice(start, end);
  const view = new DataView(bytes.buffer);
  assert.is(exports.checkPacket(start, bytes.length), bytes.length, 'the IP header counts the tag');
  assert.is(view.getUint16(24), bytes.length - 20, 'and so does UDP');
  assert.is(hex(bytes.subarray(28)), hex(encodeRelay(packet, key)));
});

test.run();
