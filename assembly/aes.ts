// AES (FIPS 197), eight blocks at a time, bit-sliced: there are no tables of the S-box, so neither the time nor the memory
// touched depends on the key or the data.
//
// A bit-sliced state is eight vectors. Bit k of byte p of vector b is bit b of byte p of block k: so a vector
// holds one bit of each of the 128 state bytes, SubBytes is a circuit of ANDs and XORs, and ShiftRows and MixColumns
// move whole bytes, the same way in each vector.
//
// What ShiftRows moves is not in its place before the end: see aes_rounds.ts.

import { AES_BELOW, AES_OPPOSITE, aesRounds } from './aes_rounds';
import { wipe } from './bytes';

/** Bytes of a bit-sliced state or round key: eight blocks. */
export const AES_GROUP: u32 = 128;
/** More rounds than there are: for rounds of which none is the last. */
export const AES_NEVER: u32 = 99;
/** Bytes of the round keys of AES-256, bit-sliced. */
export const AES_ROUND_KEYS: u32 = 15 * AES_GROUP;

const SCHEDULE = memory.data(240, 16);
const SCHEDULE_BYTES: u32 = 240;
const BLOCK = memory.data(16, 16);
const WORD = memory.data(128, 16);
/** Two round keys that change nothing. */
const NO_KEYS = memory.data(256, 16);
const IN_PLACE = memory.data<u8>([0, 9, 2, 11, 4, 13, 6, 15, 8, 1, 10, 3, 12, 5, 14, 7], 16);
const SHIFTED_ROWS = memory.data<u8>([0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11], 16);

/** Expands a key of `words` 32-bit words (4 or 8) to `words + 7` bit-sliced round keys (FIPS 197, section 5.2). */
export function aesExpandKey(roundKeys: usize, key: usize, words: u32): void {
  const total = (words + 7) << 2;
  memory.copy(SCHEDULE, key, words << 2);
  let constant: u32 = 1;
  for (let i = words; i < total; i++) {
    let word = load<u32>(SCHEDULE + ((i - 1) << 2));
    if (i % words === 0) {
      word = rotr<u32>(substituteWord(word), 8) ^ constant;
      // Doubling in GF(2^8); only AES-128 goes past 0x80.
      constant = (constant << 1) ^ ((constant >> 7) * 0x11b);
    } else if (words === 8 && i % words === 4) {
      word = substituteWord(word);
    }
    store<u32>(SCHEDULE + (i << 2), word ^ load<u32>(SCHEDULE + ((i - words) << 2)));
  }
  for (let round: u32 = 0; round < words + 7; round++) {
    let bytes = v128.load(SCHEDULE + (round << 4));
    // The S-box circuit leaves out its constant 0x63, which MixColumns would pass on unchanged: it goes into the key.
    if (round > 0) bytes = v128.xor(bytes, i8x16.splat(0x63));
    for (let left = (0 - round) & 3; left > 0; left--) bytes = shiftRows(bytes);
    v128.store(BLOCK, bytes);
    aesSlice(roundKeys + round * AES_GROUP, BLOCK);
  }
  wipe(SCHEDULE, SCHEDULE_BYTES);
  wipe(BLOCK, 16);
}

/** SubWord: the last round of a key of zeros. With the word in each column, ShiftRows changes nothing. */
function substituteWord(word: u32): u32 {
  v128.store(BLOCK, i32x4.splat(word));
  aesSlice(WORD, BLOCK);
  aesRounds(WORD, 1, NO_KEYS, 1, 1, 1);
  aesUnslice(WORD, WORD, NO_KEYS);
  const substituted = load<u32>(WORD) ^ 0x63636363;
  wipe(WORD, AES_GROUP);
  return substituted;
}

/** Encrypts a bit-sliced state of eight blocks in place in `last` rounds, 10 or 14 (FIPS 197, section 5.1). */
export function aesEncrypt(state: usize, roundKeys: usize, last: u32): void {
  aesXor(state, state, roundKeys);
  aesRounds(state, 1, roundKeys, 1, AES_NEVER, last);
}

/** Stores the XOR of two bit-sliced states. */
export function aesXor(target: usize, a: usize, b: usize): void {
  for (let i: usize = 0; i < AES_GROUP; i += 16) {
    v128.store(target + i, v128.xor(v128.load(a + i), v128.load(b + i)));
  }
}

/** Stores eight times the block at `source`, bit-sliced: 0xff in each byte that has the bit, 0 elsewhere. */
export function aesSlice(state: usize, source: usize): void {
  const block = v128.load(source);
  v128.store(state, i8x16.shr_s(i8x16.shl(block, 7), 7));
  v128.store(state, i8x16.shr_s(i8x16.shl(block, 6), 7), 16);
  v128.store(state, i8x16.shr_s(i8x16.shl(block, 5), 7), 32);
  v128.store(state, i8x16.shr_s(i8x16.shl(block, 4), 7), 48);
  v128.store(state, i8x16.shr_s(i8x16.shl(block, 3), 7), 64);
  v128.store(state, i8x16.shr_s(i8x16.shl(block, 2), 7), 80);
  v128.store(state, i8x16.shr_s(i8x16.shl(block, 1), 7), 96);
  v128.store(state, i8x16.shr_s(block, 7), 112);
}

/** The eight blocks of an encrypted state, XORed with those at `source`, to `target`; any two may be the same. */
export function aesUnslice(state: usize, target: usize, source: usize): void {
  // Exchanges bit k of vector b with bit b of vector k in every byte.
  let v0 = v128.load(state);
  let v1 = v128.load(state, 16);
  let v2 = v128.load(state, 32);
  let v3 = v128.load(state, 48);
  let v4 = v128.load(state, 64);
  let v5 = v128.load(state, 80);
  let v6 = v128.load(state, 96);
  let v7 = v128.load(state, 112);
  let d: v128;
  d = difference(v0, v1, 1, 0x55);
  v0 = v128.xor(v0, i64x2.shl(d, 1));
  v1 = v128.xor(v1, d);
  d = difference(v2, v3, 1, 0x55);
  v2 = v128.xor(v2, i64x2.shl(d, 1));
  v3 = v128.xor(v3, d);
  d = difference(v4, v5, 1, 0x55);
  v4 = v128.xor(v4, i64x2.shl(d, 1));
  v5 = v128.xor(v5, d);
  d = difference(v6, v7, 1, 0x55);
  v6 = v128.xor(v6, i64x2.shl(d, 1));
  v7 = v128.xor(v7, d);
  d = difference(v0, v2, 2, 0x33);
  v0 = v128.xor(v0, i64x2.shl(d, 2));
  v2 = v128.xor(v2, d);
  d = difference(v1, v3, 2, 0x33);
  v1 = v128.xor(v1, i64x2.shl(d, 2));
  v3 = v128.xor(v3, d);
  d = difference(v4, v6, 2, 0x33);
  v4 = v128.xor(v4, i64x2.shl(d, 2));
  v6 = v128.xor(v6, d);
  d = difference(v5, v7, 2, 0x33);
  v5 = v128.xor(v5, i64x2.shl(d, 2));
  v7 = v128.xor(v7, d);
  d = difference(v0, v4, 4, 0x0f);
  v0 = v128.xor(v0, i64x2.shl(d, 4));
  v4 = v128.xor(v4, d);
  d = difference(v1, v5, 4, 0x0f);
  v1 = v128.xor(v1, i64x2.shl(d, 4));
  v5 = v128.xor(v5, d);
  d = difference(v2, v6, 4, 0x0f);
  v2 = v128.xor(v2, i64x2.shl(d, 4));
  v6 = v128.xor(v6, d);
  d = difference(v3, v7, 4, 0x0f);
  v3 = v128.xor(v3, i64x2.shl(d, 4));
  v7 = v128.xor(v7, d);
  v128.store(target, v128.xor(inPlace(v0), v128.load(source)));
  v128.store(target, v128.xor(inPlace(v1), v128.load(source, 16)), 16);
  v128.store(target, v128.xor(inPlace(v2), v128.load(source, 32)), 32);
  v128.store(target, v128.xor(inPlace(v3), v128.load(source, 48)), 48);
  v128.store(target, v128.xor(inPlace(v4), v128.load(source, 64)), 64);
  v128.store(target, v128.xor(inPlace(v5), v128.load(source, 80)), 80);
  v128.store(target, v128.xor(inPlace(v6), v128.load(source, 96)), 96);
  v128.store(target, v128.xor(inPlace(v7), v128.load(source, 112)), 112);
}

/** What is to change in two vectors so that the bits that `mask`, moved up by `shift`, selects in one change places with those that it selects in the other. */
function difference(low: v128, high: v128, shift: i32, mask: u8): v128 {
  return v128.and(v128.xor(i64x2.shr_u(low, shift), high), i8x16.splat(mask));
}

/** The bytes of a state after the last round, in their places: 10 and 14 are two more than a multiple of four. */
function inPlace(block: v128): v128 {
  return moved(block, IN_PLACE);
}

/** Decrypts the eight blocks at `source` to `target`, which may be the same (FIPS 197, section 5.3). */
export function aesDecrypt(target: usize, source: usize, roundKeys: usize, last: u32): void {
  aesUnslice(source, WORD, NO_KEYS);
  // What aesEncrypt did, from the end: SubBytes without its constant is inverted by two linear maps and itself.
  let key = roundKeys + last * AES_GROUP;
  aesXor(WORD, WORD, key);
  for (let round = last - 1; ; round--) {
    inverseAffine(WORD);
    aesRounds(WORD, 1, NO_KEYS, 1, 1, 1);
    inverseAffine(WORD);
    key -= AES_GROUP;
    aesXor(WORD, WORD, key);
    if (round === 0) break;
    inverseMixColumns(WORD, round);
  }
  aesUnslice(WORD, WORD, NO_KEYS);
  // Nothing was moved in the first place: so the bytes are not in their places now.
  for (let i: usize = 0; i < AES_GROUP; i += 16) v128.store(target + i, inPlace(v128.load(WORD + i)));
  wipe(WORD, AES_GROUP);
}

/** The inverse of what SubBytes does after the inversion, without the constant: bit i becomes i + 2 plus i + 5 plus i + 7. */
function inverseAffine(state: usize): void {
  const x0 = v128.load(state);
  const x1 = v128.load(state, 16);
  const x2 = v128.load(state, 32);
  const x3 = v128.load(state, 48);
  const x4 = v128.load(state, 64);
  const x5 = v128.load(state, 80);
  const x6 = v128.load(state, 96);
  const x7 = v128.load(state, 112);
  v128.store(state, v128.xor(x2, v128.xor(x5, x7)));
  v128.store(state, v128.xor(x3, v128.xor(x6, x0)), 16);
  v128.store(state, v128.xor(x4, v128.xor(x7, x1)), 32);
  v128.store(state, v128.xor(x5, v128.xor(x0, x2)), 48);
  v128.store(state, v128.xor(x6, v128.xor(x1, x3)), 64);
  v128.store(state, v128.xor(x7, v128.xor(x2, x4)), 80);
  v128.store(state, v128.xor(x0, v128.xor(x3, x5)), 96);
  v128.store(state, v128.xor(x1, v128.xor(x4, x6)), 112);
}

/** InvMixColumns as it is after round `round`: MixColumns of x plus four times the sum of x and x two places on. */
function inverseMixColumns(state: usize, round: u32): void {
  const below = AES_BELOW + ((round & 3) << 4);
  const opposite = AES_OPPOSITE + ((round & 1) << 4);
  let x0 = v128.load(state);
  let x1 = v128.load(state, 16);
  let x2 = v128.load(state, 32);
  let x3 = v128.load(state, 48);
  let x4 = v128.load(state, 64);
  let x5 = v128.load(state, 80);
  let x6 = v128.load(state, 96);
  let x7 = v128.load(state, 112);
  const q0 = v128.xor(x0, moved(x0, opposite));
  const q1 = v128.xor(x1, moved(x1, opposite));
  const q2 = v128.xor(x2, moved(x2, opposite));
  const q3 = v128.xor(x3, moved(x3, opposite));
  const q4 = v128.xor(x4, moved(x4, opposite));
  const q5 = v128.xor(x5, moved(x5, opposite));
  const q6 = v128.xor(x6, moved(x6, opposite));
  const q7 = v128.xor(x7, moved(x7, opposite));
  x0 = v128.xor(x0, q6);
  x1 = v128.xor(x1, v128.xor(q7, q6));
  x2 = v128.xor(x2, v128.xor(q0, q7));
  x3 = v128.xor(x3, v128.xor(q1, q6));
  x4 = v128.xor(x4, v128.xor(q2, v128.xor(q7, q6)));
  x5 = v128.xor(x5, v128.xor(q3, q7));
  x6 = v128.xor(x6, q4);
  x7 = v128.xor(x7, q5);
  const b0 = moved(x0, below);
  const m0 = v128.xor(x0, b0);
  const b1 = moved(x1, below);
  const m1 = v128.xor(x1, b1);
  const b2 = moved(x2, below);
  const m2 = v128.xor(x2, b2);
  const b3 = moved(x3, below);
  const m3 = v128.xor(x3, b3);
  const b4 = moved(x4, below);
  const m4 = v128.xor(x4, b4);
  const b5 = moved(x5, below);
  const m5 = v128.xor(x5, b5);
  const b6 = moved(x6, below);
  const m6 = v128.xor(x6, b6);
  const b7 = moved(x7, below);
  const m7 = v128.xor(x7, b7);
  v128.store(state, v128.xor(m7, v128.xor(b0, moved(m0, opposite))));
  v128.store(state, v128.xor(v128.xor(m0, m7), v128.xor(b1, moved(m1, opposite))), 16);
  v128.store(state, v128.xor(m1, v128.xor(b2, moved(m2, opposite))), 32);
  v128.store(state, v128.xor(v128.xor(m2, m7), v128.xor(b3, moved(m3, opposite))), 48);
  v128.store(state, v128.xor(v128.xor(m3, m7), v128.xor(b4, moved(m4, opposite))), 64);
  v128.store(state, v128.xor(m4, v128.xor(b5, moved(m5, opposite))), 80);
  v128.store(state, v128.xor(m5, v128.xor(b6, moved(m6, opposite))), 96);
  v128.store(state, v128.xor(m6, v128.xor(b7, moved(m7, opposite))), 112);
}

function moved(x: v128, places: usize): v128 {
  return i8x16.relaxed_swizzle(x, v128.load(places));
}

function shiftRows(block: v128): v128 {
  return moved(block, SHIFTED_ROWS);
}
