// The test cases of McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, that have ESP's 96-bit IV.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CoreAead, SUITES, type Suite } from '../support/aead.js';
import { concat, hex, unhex } from '../support/bytes.js';

interface Case {
  number: number;
  key: string;
  nonce: string;
  aad: string;
  plaintext: string;
  ciphertext: string;
  tag: string;
}

const zeros = (length: number): string => '00'.repeat(length);
const KEY = 'feffe9928665731c6d6a8f9467308308';
const NONCE = 'cafebabefacedbaddecaf888';
const AAD = 'feedfacedeadbeeffeedfacedeadbeefabaddad2';
const PLAINTEXT =
  'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72' +
  '1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255';
const CIPHERTEXT_128 =
  '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e' +
  '21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985';
const CIPHERTEXT_256 =
  '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa' +
  '8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad';

const empty = { nonce: zeros(12), aad: '', plaintext: '', ciphertext: '' };
const block = { nonce: zeros(12), aad: '', plaintext: zeros(16) };
const whole = { nonce: NONCE, aad: '', plaintext: PLAINTEXT };
const part = { nonce: NONCE, aad: AAD, plaintext: PLAINTEXT.slice(0, 120) };

const CASES: readonly Case[] = [
  { number: 1, key: zeros(16), ...empty, tag: '58e2fccefa7e3061367f1d57a4e7455a' },
  {
    number: 2,
    key: zeros(16),
    ...block,
    ciphertext: '0388dace60b6a392f328c2b971b2fe78',
    tag: 'ab6e47d42cec13bdf53a67b21257bddf',
  },
  { number: 3, key: KEY, ...whole, ciphertext: CIPHERTEXT_128, tag: '4d5c2af327cd64a62cf35abd2ba6fab4' },
  {
    number: 4,
    key: KEY,
    ...part,
    ciphertext: CIPHERTEXT_128.slice(0, 120),
    tag: '5bc94fbc3221a5db94fae95ae7121a47',
  },
  { number: 13, key: zeros(32), ...empty, tag: '530f8afbc74536b9a963b4f1c4cb738b' },
  {
    number: 14,
    key: zeros(32),
    ...block,
    ciphertext: 'cea7403d4d606b6e074ec5d3baf39d18',
    tag: 'd0d1c8a799996bf0265b98b5d48ab919',
  },
  {
    number: 15,
    key: KEY + KEY,
    ...whole,
    ciphertext: CIPHERTEXT_256,
    tag: 'b094dac5d93471bdec1a502270e3cc6c',
  },
  {
    number: 16,
    key: KEY + KEY,
    ...part,
    ciphertext: CIPHERTEXT_256.slice(0, 120),
    tag: '76fc6ece0f4e1768cddf8853bb2d551b',
  },
];

for (const vector of CASES) {
  test(`test case ${vector.number}`, () => {
    const key = unhex(vector.key);
    const [nonce, aad, plaintext] = [unhex(vector.nonce), unhex(vector.aad), unhex(vector.plaintext)];
    const suite = SUITES.find(each => each.name.startsWith('aes') && each.keyBytes === key.length) as Suite;
    const aead = new CoreAead(suite);
    aead.install(key, nonce);
    const sealed = concat(unhex(vector.ciphertext), unhex(vector.tag));
    assert.is(hex(aead.seal(nonce, aad, plaintext)), hex(sealed));
    assert.equal(aead.open(nonce, aad, sealed), plaintext);
  });
}

test.run();
