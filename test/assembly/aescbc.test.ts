// AES-CBC and HMAC-SHA2-256-128 on their own: RFC 3602, RFC 4231, RFC 4868, Wycheproof, and node:crypto at every length.
import { createCipheriv, createHmac } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { concat, hex, randomBytes, unhex } from '../support/bytes.js';
import { compilePrimitives } from '../support/primitives.js';
import { generator } from '../support/random.js';
import { wycheproof } from '../support/wycheproof.js';

interface Primitives {
  memory: WebAssembly.Memory;
  aesCbcInstall(context: number, key: number, words: number): void;
  aesCbcEncrypt(context: number, iv: number, target: number, source: number, length: number): void;
  aesCbcDecrypt(context: number, iv: number, target: number, source: number, length: number): void;
  hmacSha256(context: number, data: number, length: number, tag: number): void;
}

const primitives = compilePrimitives<Primitives>('aescbc');
const memory = new Uint8Array(primitives.memory.buffer);
const KEY = 0x100000;
const IV = KEY + 64;
const TAG = KEY + 96;
const CONTEXT = KEY + 4096;
const DATA = KEY + 65536;
const LONGEST = 9216;
const SEED = 3602;

/** The HMAC fills shorter keys with zeros, so they need not have 32 bytes here. */
function install(key: Uint8Array, hmacKey: Uint8Array = new Uint8Array(32)): void {
  memory.fill(0, KEY, KEY + 64);
  memory.set(key, KEY);
  memory.set(hmacKey, KEY + key.length);
  primitives.aesCbcInstall(CONTEXT, KEY, key.length / 4);
}

/** `shift`: how far the ciphertext is behind the plaintext. */
function encrypt(iv: Uint8Array, plaintext: Uint8Array, shift = 0): Uint8Array {
  memory.set(iv, IV);
  memory.set(plaintext, DATA);
  primitives.aesCbcEncrypt(CONTEXT, IV, DATA + shift, DATA, plaintext.length);
  return memory.slice(DATA + shift, DATA + shift + plaintext.length);
}

function decrypt(iv: Uint8Array, ciphertext: Uint8Array, shift = 0): Uint8Array {
  memory.set(iv, IV);
  memory.set(ciphertext, DATA);
  primitives.aesCbcDecrypt(CONTEXT, IV, DATA - shift, DATA, ciphertext.length);
  return memory.slice(DATA - shift, DATA - shift + ciphertext.length);
}

function hmac(data: Uint8Array): Uint8Array {
  memory.set(data, DATA);
  primitives.hmacSha256(CONTEXT, DATA, data.length, TAG);
  return memory.slice(TAG, TAG + 16);
}

const text = (content: string): string => hex(Buffer.from(content));
const counting = (first: number, length: number): string =>
  hex(Uint8Array.from({ length }, (_, i) => first + i));

const RFC3602 = [
  {
    key: '06a9214036b8a15b512e03d534120006',
    iv: '3dafba429d9eb430b422da802c9fac41',
    plaintext: text('Single block msg'),
    ciphertext: 'e353779c1079aeb82708942dbe77181a',
  },
  {
    key: 'c286696d887c9aa0611bbb3e2025a45a',
    iv: '562e17996d093d28ddb3ba695a2e6f58',
    plaintext: counting(0, 32),
    ciphertext: 'd296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1',
  },
  {
    key: '6c3ea0477630ce21a2ce334aa746c2cd',
    iv: 'c782dc4c098c66cbd9cd27d825682c81',
    plaintext: text('This is a 48-byte message (exactly 3 AES blocks)'),
    ciphertext:
      'd0a02b3836451753d493665d33f0e8862dea54cdb293abc7506939276772f8d5021c19216bad525c8579695d83ba2684',
  },
  {
    key: '56e47a38c5598974bc46903dba290349',
    iv: '8ce82eefbea0da3c44699ed7db51b7d9',
    plaintext: counting(0xa0, 64),
    ciphertext:
      'c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e' +
      '35907aa632c3ffdf868bb7b29d3d46ad83ce9f9a102ee99d49a53e87f4c3da55',
  },
];

RFC3602.forEach(({ key, iv, plaintext, ciphertext }, index) => {
  test(`RFC 3602 section 4, case ${index + 1}`, () => {
    install(unhex(key));
    assert.is(hex(encrypt(unhex(iv), unhex(plaintext))), ciphertext);
    assert.is(hex(decrypt(unhex(iv), unhex(ciphertext))), plaintext);
  });
});

/** Key, data, the first 16 bytes of the result. */
const HMACS: Record<string, [string, string, string]> = {
  'RFC 4231 section 4.2': ['0b'.repeat(20), text('Hi There'), 'b0344c61d8db38535ca8afceaf0bf12b'],
  'RFC 4231 section 4.3': [
    text('Jefe'),
    text('what do ya want for nothing?'),
    '5bdcc146bf60754e6a042426089575c7',
  ],
  'RFC 4231 section 4.4': ['aa'.repeat(20), 'dd'.repeat(50), '773ea91e36800e46854db8ebd09181a7'],
  'RFC 4231 section 4.5': [counting(1, 25), 'cd'.repeat(50), '82558a389a443c0ea4cc819899f2083a'],
  'RFC 4231 section 4.6': ['0c'.repeat(20), text('Test With Truncation'), 'a3b6167473100ee06e0c796c2955552b'],
  'RFC 4868, AUTH256-1': ['0b'.repeat(32), text('Hi There'), '198a607eb44bfbc69903a0f1cf2bbdc5'],
  'RFC 4868, AUTH256-2': [
    text('Jefe'.repeat(8)),
    text('what do ya want for nothing?'),
    '167f928588c5cc2eef8e3093caa0e87c',
  ],
  'RFC 4868, AUTH256-3': ['aa'.repeat(32), 'dd'.repeat(50), 'cdcb1220d1ecccea91e53aba3092f962'],
  'RFC 4868, AUTH256-4': [counting(1, 32), 'cd'.repeat(50), '372efcf9b40b35c2115b1346903d2ef4'],
};

for (const [name, [key, data, tag]] of Object.entries(HMACS)) {
  test(name, () => {
    install(new Uint8Array(16), unhex(key));
    assert.is(hex(hmac(unhex(data))), tag);
  });
}

test('hmac_sha256_test.json', () => {
  const groups = wycheproof('hmac_sha256_test.json');
  if (groups === undefined) return;
  const ran = { valid: 0, invalid: 0 };
  for (const group of groups) {
    if ((group.keySize as number) > 256) continue;
    for (const vector of group.tests) {
      install(new Uint8Array(32), unhex(vector.key as string));
      const tag = unhex(vector.tag as string);
      const ours = hmac(unhex(vector.msg as string));
      const isEqual = Buffer.compare(ours, tag.subarray(0, 16)) === 0;
      if (vector.result === 'valid') assert.ok(isEqual, vector.comment);
      // Of a longer tag the change may be in what is cut off.
      else if (group.tagSize === 128) assert.not(isEqual, vector.comment);
      ran[vector.result as 'valid' | 'invalid'] += 1;
    }
  }
  assert.ok(ran.valid > 30 && ran.invalid > 60, JSON.stringify(ran));
});

test('aes_cbc_pkcs5_test.json', () => {
  const groups = wycheproof('aes_cbc_pkcs5_test.json');
  if (groups === undefined) return;
  const ran = { valid: 0, invalid: 0 };
  for (const group of groups) {
    if (group.keySize === 192) continue;
    for (const vector of group.tests) {
      const [key, iv, message, ciphertext] = [vector.key, vector.iv, vector.msg, vector.ct].map(field =>
        unhex(field as string),
      ) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
      if (ciphertext.length % 16 !== 0) continue;
      install(key);
      const padding = 16 - (message.length % 16);
      const padded = concat(message, new Uint8Array(padding).fill(padding));
      // The padding is not what ESP uses; a case that is invalid for it is one in which it comes out differently.
      const isEqual = Buffer.compare(decrypt(iv, ciphertext), padded) === 0;
      assert.is(isEqual, vector.result === 'valid', vector.comment);
      if (isEqual) assert.is(hex(encrypt(iv, padded)), hex(ciphertext), vector.comment);
      ran[vector.result as 'valid' | 'invalid'] += 1;
    }
  }
  assert.ok(ran.valid > 40 && ran.invalid > 40, JSON.stringify(ran));
});

for (const bits of [128, 256]) {
  test(`AES-${bits}-CBC of every number of blocks, in place and moved by 8 bytes, as node:crypto`, () => {
    const random = generator(SEED);
    const [key, iv, message] = [bits / 8, 16, LONGEST].map(length => randomBytes(random, length)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    install(key);
    for (let length = 16; length <= LONGEST; length += 16) {
      const cipher = createCipheriv(`aes-${bits}-cbc`, key, iv).setAutoPadding(false);
      const plaintext = message.subarray(0, length);
      const expected = Uint8Array.from(cipher.update(plaintext));
      for (const shift of [0, 8]) {
        const about = `${length} bytes, moved by ${shift} (seed ${SEED})`;
        if (Buffer.compare(encrypt(iv, plaintext, shift), expected) !== 0) assert.unreachable(about);
        if (Buffer.compare(decrypt(iv, expected, shift), plaintext) !== 0) assert.unreachable(about);
      }
    }
  });
}

test('HMAC-SHA2-256-128 of every length as node:crypto', () => {
  const random = generator(SEED);
  const [key, message] = [randomBytes(random, 32), randomBytes(random, LONGEST)];
  install(new Uint8Array(16), key);
  for (let length = 0; length <= LONGEST; length++) {
    const data = message.subarray(0, length);
    const expected = createHmac('sha256', key).update(data).digest().subarray(0, 16);
    if (Buffer.compare(hmac(data), expected) !== 0) assert.unreachable(`${length} bytes (seed ${SEED})`);
  }
});

test.run();
