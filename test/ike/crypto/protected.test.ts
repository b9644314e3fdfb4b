import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Writer } from '../../../src/ike/bytes.js';
import { ExchangeType, NotifyType } from '../../../src/ike/constants.js';
import { innerRoom, openMessage, sealMessage } from '../../../src/ike/crypto/protected.js';
import { OpeningKey, SealingKey } from '../../../src/ike/crypto/sealing.js';
import { sealFragments } from '../../../src/ike/fragment.js';
import { emitHeader, emitMessage, type Message } from '../../../src/ike/message.js';
import { notification } from '../../../src/ike/payloads/notify.js';
import { Secret } from '../../../src/secret.js';
import { fixLength, join } from '../generate.js';
import { hex, syntaxError } from '../support.js';

/** IV and checksum. */
const AEAD_OVERHEAD = 8 + 16;

// RFC 7634 appendix B: an INFORMATIONAL request of the original responder, with SET_WINDOW_SIZE 10.
const KEY = '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3';
const FIRST_IV = 0x1011121314151617n;
const GOLDEN = hex(`
  c0c1c2c3c4c5c6c7 d0d1d2d3d4d5d6d7 2e202500 00000009 00000045
  29000029 1011121314151617
  6103 94701f8d017f7c12924889 6b71bfe25236efd7cdc67066906315b2`);
const MESSAGE: Message = {
  initiatorSpi: 0xc0c1c2c3c4c5c6c7n,
  responderSpi: 0xd0d1d2d3d4d5d6d7n,
  exchange: ExchangeType.INFORMATIONAL,
  initiator: false,
  response: false,
  messageId: 9,
  payloads: [notification(NotifyType.SET_WINDOW_SIZE, hex('0000000a'))],
};

test('RFC 7634 appendix B is sealed byte for byte', () => {
  const key = new SealingKey('chacha20poly1305', new Secret(hex(KEY)), FIRST_IV);
  assert.equal(sealMessage(MESSAGE, key), GOLDEN);
});

test('RFC 7634 appendix B is opened', () => {
  const key = new OpeningKey('chacha20poly1305', new Secret(hex(KEY)));
  assert.equal(openMessage(GOLDEN, key), MESSAGE);
});

const SUITES = [
  ['chacha20poly1305', 36],
  ['aes256gcm16', 36],
  ['aes128gcm16', 20],
  ['aes256-sha256', 64],
  ['aes128-sha256', 48],
] as const;

const secret = (size: number) => new Secret(new Uint8Array(size).fill(0x42));

for (const [encryption, size] of SUITES) {
  test(`${encryption}: every changed bit of a protected message is refused`, () => {
    const opening = new OpeningKey(encryption, secret(size));
    const datagram = sealMessage(MESSAGE, new SealingKey(encryption, secret(size)));
    assert.equal(openMessage(datagram, opening), MESSAGE);
    for (let bit = 0; bit < datagram.length * 8; bit++) {
      const tampered = datagram.slice();
      tampered[bit >> 3] = (tampered[bit >> 3] as number) ^ (1 << (bit & 7));
      assert.not(syntaxError(() => openMessage(tampered, opening)).authenticated);
    }
  });

  test(`${encryption}: a message cut short or made longer is refused`, () => {
    const opening = new OpeningKey(encryption, secret(size));
    const datagram = sealMessage(MESSAGE, new SealingKey(encryption, secret(size)));
    for (let length = 0; length < datagram.length; length++) {
      // The lengths are made to fit, as an attacker would.
      const cut = fixLength(datagram.slice(0, length));
      if (length >= 32) new DataView(cut.buffer).setUint16(30, length - 28);
      assert.not(syntaxError(() => openMessage(cut, opening)).authenticated);
    }
    for (const more of [1, 16]) {
      const longer = fixLength(join(datagram, new Uint8Array(more)));
      new DataView(longer.buffer).setUint16(30, longer.length - 28);
      assert.not(syntaxError(() => openMessage(longer, opening)).authenticated);
    }
  });

  test(`${encryption}: what there is room for fits, and no more would`, () => {
    const key = new SealingKey(encryption, secret(size));
    for (let limit = 100; limit < 140; limit++) {
      const room = innerRoom(key.layout, limit);
      const sealed = (bytes: number) =>
        sealMessage({ ...MESSAGE, payloads: [{ type: 'V', data: new Uint8Array(bytes - 4) }] }, key).length;
      assert.ok(sealed(room) <= limit && sealed(room + 1) > limit, `${limit}`);
    }
  });
}

test('the key of the other direction does not open', () => {
  const datagram = sealMessage(MESSAGE, new SealingKey('chacha20poly1305', secret(36)));
  const other = new OpeningKey('chacha20poly1305', new Secret(new Uint8Array(36).fill(0x43)));
  assert.is(syntaxError(() => openMessage(datagram, other)).reason, 'integrity');
});

test('a message without payloads: the liveness check', () => {
  const empty: Message = { ...MESSAGE, payloads: [] };
  const datagram = sealMessage(empty, new SealingKey('chacha20poly1305', secret(36)));
  assert.is(datagram.length, 28 + 4 + AEAD_OVERHEAD + 1);
  assert.equal(openMessage(datagram, new OpeningKey('chacha20poly1305', secret(36))), empty);
});

/** A datagram whose sealed part is whatever the peer put there. */
function sealedRaw(plaintext: Uint8Array, firstInner: number): Uint8Array {
  const writer = new Writer();
  const length = 4 + plaintext.length + AEAD_OVERHEAD;
  emitHeader(writer, MESSAGE, 46, 28 + length);
  writer.u8(firstInner).u8(0).u16(length);
  const key = new SealingKey('chacha20poly1305', secret(36));
  return writer.bytes(key.seal(writer.finish(), plaintext)).finish();
}

const open = (datagram: Uint8Array) => openMessage(datagram, new OpeningKey('chacha20poly1305', secret(36)));

test('padding of any content and up to 255 bytes is removed', () => {
  const inner = hex('0000000c 00004001 0000000a');
  for (const size of [0, 1, 3, 255]) {
    const padded = join(inner, new Uint8Array(size).fill(0xee), Uint8Array.of(size));
    assert.equal(open(sealedRaw(padded, 41)), MESSAGE);
  }
});

test('a sealed part that its own sender got wrong is refused as authenticated', () => {
  const wrong: [string, number][] = [
    ['', 0],
    ['01', 0],
    ['0000000c 00004001 0000000a ff', 41],
    ['0000000c 00004001 0000000a 00', 0],
    ['0000000d 00004001 0000000a 00', 41],
    ['00', 41],
    // An Encrypted payload inside of an Encrypted payload.
    ['00000008 01020304 00', 46],
    ['0000000a 00010001 0102 00', 53],
  ];
  for (const [plaintext, firstInner] of wrong) {
    const error = syntaxError(() => open(sealedRaw(hex(plaintext), firstInner)));
    assert.is(error.authenticated, true, plaintext);
    assert.is(error.code, 'IKE_PROTOCOL');
  }
});

test('payloads outside of the Encrypted payload are authenticated, and left out', () => {
  const writer = new Writer();
  const plaintext = hex('0000000c 00004001 0000000a 00');
  emitHeader(writer, MESSAGE, 43, 28 + 6 + 4 + plaintext.length + AEAD_OVERHEAD);
  writer.bytes(hex('2e000006 cafe 29000029'));
  const key = new SealingKey('chacha20poly1305', secret(36));
  const datagram = writer.bytes(key.seal(writer.finish(), plaintext)).finish();
  assert.equal(open(datagram), MESSAGE);
  datagram[33] = 0;
  assert.is(syntaxError(() => open(datagram)).reason, 'integrity');
});

test('a message without Encrypted payload, or with a fragment, is no protected message', () => {
  assert.is(syntaxError(() => open(emitMessage(MESSAGE))).reason, 'malformed');
  const fragments = sealFragments(
    { ...MESSAGE, payloads: [{ type: 'V', data: new Uint8Array(500) }] },
    new SealingKey('chacha20poly1305', secret(36)),
    200,
  );
  assert.is(syntaxError(() => open(fragments[0] as Uint8Array)).reason, 'malformed');
});

test('a message above 64 KiB is not sealed', () => {
  const large: Message = { ...MESSAGE, payloads: [{ type: 'V', data: new Uint8Array(0xfff0) }] };
  assert.throws(
    () => sealMessage(large, new SealingKey('chacha20poly1305', secret(36))),
    /Encrypted payload of/,
  );
});

test.run();
