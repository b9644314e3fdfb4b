// The parts of the ciphers: ChaCha20 and Poly1305 apart, eight blocks of AES side by side, GHASH.
import { compilePrimitives } from '../test/support/primitives.js';
import { report } from './support/rounds.js';

interface Primitives {
  chacha20Start(key: number, iv: number): void;
  chacha20Group(
    key: number,
    iv: number,
    counter: number,
    data: number,
    mac: number,
    source: number,
    blocks: number,
  ): void;
  poly1305(key: number, data: number, length: number, tag: number): void;
  aesExpandKey(roundKeys: number, key: number, words: number): void;
  aesEncrypt(state: number, roundKeys: number, last: number): void;
  ghashInstall(key: number, hashKey: number): void;
  ghashOf(key: number, data: number, length: number, hash: number): void;
}

const primitives = compilePrimitives<Primitives>('ciphers');
/** Above the static data, each with more room than it needs. */
const KEY = 0x1000000;
const IV = KEY + 64;
const STATE = KEY + 128;
const TABLES = KEY + 0x1000;
const DATA = KEY + 0x100000;
const SIZES = [64, 1400, 9000];
const GROUP = 256;
/** Poly1305 blocks that a group of ChaCha20 takes in. */
const GROUP_MAC_BLOCKS = 16;

primitives.chacha20Start(KEY, IV);
report('ChaCha20, four blocks', () => primitives.chacha20Group(KEY, IV, 1, DATA, STATE, DATA, 0), GROUP);
report(
  'the same with 16 blocks of Poly1305',
  () => primitives.chacha20Group(KEY, IV, 1, DATA, STATE, DATA, GROUP_MAC_BLOCKS),
  GROUP,
);
for (const size of SIZES) {
  report(`Poly1305 of ${size} bytes`, () => primitives.poly1305(KEY, DATA, size, STATE), size);
}
for (const [name, words, rounds] of [
  ['AES-128', 4, 10],
  ['AES-256', 8, 14],
] as const) {
  primitives.aesExpandKey(TABLES, KEY, words);
  report(`${name}, eight blocks`, () => primitives.aesEncrypt(DATA, TABLES, rounds), 128);
}
primitives.ghashInstall(TABLES, KEY);
for (const size of SIZES) {
  report(`GHASH of ${size} bytes`, () => primitives.ghashOf(TABLES, DATA, size, STATE), size);
}
