// AES (FIPS 197), encryption only, eight blocks at a time, bit-sliced: there are no tables, so neither the time nor
// the memory touched depends on the key or the data.
//
// A bit-sliced state is eight vectors. Bit k of byte p of vector b is bit b of byte p of block k: so a vector
// holds one bit of each of the 128 state bytes, SubBytes is a circuit of ANDs and XORs, and ShiftRows and MixColumns
// move whole bytes, the same way in each vector.

import { wipe } from './bytes';

/** Bytes of a bit-sliced state or round key, and of the keystream that one call makes: eight blocks. */
export const AES_GROUP: u32 = 128;
/** Bytes of the round keys of AES-256, bit-sliced. */
export const AES_ROUND_KEYS: u32 = 15 * AES_GROUP;

const SCHEDULE = memory.data(240, 16);
const SCHEDULE_BYTES: u32 = 240;
const STATE = memory.data(128, 16);
/** Two round keys that change nothing. */
const NO_KEYS = memory.data(256, 16);

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
    const bytes = v128.load(SCHEDULE + (round << 4));
    // The S-box circuit leaves out its constant 0x63, which MixColumns would pass on unchanged: it goes into the key.
    storeSliced(roundKeys + round * AES_GROUP, round > 0 ? v128.xor(bytes, i8x16.splat(0x63)) : bytes);
  }
  wipe(SCHEDULE, SCHEDULE_BYTES);
}

/** SubWord: one round without keys. With the word in each column, ShiftRows changes nothing. */
function substituteWord(word: u32): u32 {
  storeSliced(STATE, i32x4.splat(word));
  encrypt(STATE, NO_KEYS, 1);
  transpose(STATE);
  const substituted = load<u32>(STATE) ^ 0x63636363;
  wipe(STATE, AES_GROUP);
  return substituted;
}

/**
 * Encrypts the eight counter blocks whose first 12 bytes are at `nonce` and whose last 4, in network order, count from
 * `counter`, a multiple of 8; writes 128 bytes of keystream. At `nonce` 16 bytes are read.
 */
export function aesCounterGroup(
  roundKeys: usize,
  rounds: u32,
  nonce: usize,
  counter: u32,
  keystream: usize,
): void {
  storeSliced(keystream, i32x4.replace_lane(v128.load(nonce), 3, bswap<u32>(counter)));
  // The three lowest bits of the counter, in byte 15, number the blocks of the group.
  store<u8>(keystream, 0b10101010, 15);
  store<u8>(keystream, 0b11001100, 31);
  store<u8>(keystream, 0b11110000, 47);
  encrypt(keystream, roundKeys, rounds);
  transpose(keystream);
}

/** Stores eight times the same block, bit-sliced: 0xff in each byte that has the bit, 0 elsewhere. */
function storeSliced(state: usize, block: v128): void {
  v128.store(state, i8x16.shr_s(i8x16.shl(block, 7), 7));
  v128.store(state, i8x16.shr_s(i8x16.shl(block, 6), 7), 16);
  v128.store(state, i8x16.shr_s(i8x16.shl(block, 5), 7), 32);
  v128.store(state, i8x16.shr_s(i8x16.shl(block, 4), 7), 48);
  v128.store(state, i8x16.shr_s(i8x16.shl(block, 3), 7), 64);
  v128.store(state, i8x16.shr_s(i8x16.shl(block, 2), 7), 80);
  v128.store(state, i8x16.shr_s(i8x16.shl(block, 1), 7), 96);
  v128.store(state, i8x16.shr_s(block, 7), 112);
}

/** Exchanges bit k of vector b with bit b of vector k in every byte: from bit slices to blocks. */
function transpose(state: usize): void {
  exchange(state, 16, 1, 0x55);
  exchange(state + 32, 16, 1, 0x55);
  exchange(state + 64, 16, 1, 0x55);
  exchange(state + 96, 16, 1, 0x55);
  exchange(state, 32, 2, 0x33);
  exchange(state + 16, 32, 2, 0x33);
  exchange(state + 64, 32, 2, 0x33);
  exchange(state + 80, 32, 2, 0x33);
  exchange(state, 64, 4, 0x0f);
  exchange(state + 16, 64, 4, 0x0f);
  exchange(state + 32, 64, 4, 0x0f);
  exchange(state + 48, 64, 4, 0x0f);
}

/** Exchanges the bits that `mask`, moved up by `shift`, selects at `state` with those that it selects `distance` further. */
function exchange(state: usize, distance: usize, shift: i32, mask: u8): void {
  const low = v128.load(state);
  const high = v128.load(state + distance);
  const difference = v128.and(v128.xor(i64x2.shr_u(low, shift), high), i8x16.splat(mask));
  v128.store(state, v128.xor(low, i64x2.shl(difference, shift)));
  v128.store(state + distance, v128.xor(high, difference));
}

/** Encrypts a bit-sliced state in place (FIPS 197, section 5.1). */
function encrypt(state: usize, roundKeys: usize, rounds: u32): void {
  // As in the circuit's paper x0 and s0 are the highest bits: they are vector 7 of a state.
  let x0 = v128.xor(v128.load(state, 112), v128.load(roundKeys, 112));
  let x1 = v128.xor(v128.load(state, 96), v128.load(roundKeys, 96));
  let x2 = v128.xor(v128.load(state, 80), v128.load(roundKeys, 80));
  let x3 = v128.xor(v128.load(state, 64), v128.load(roundKeys, 64));
  let x4 = v128.xor(v128.load(state, 48), v128.load(roundKeys, 48));
  let x5 = v128.xor(v128.load(state, 32), v128.load(roundKeys, 32));
  let x6 = v128.xor(v128.load(state, 16), v128.load(roundKeys, 16));
  let x7 = v128.xor(v128.load(state), v128.load(roundKeys));
  for (;;) {
    roundKeys += AES_GROUP;
    // SubBytes without its constant: the circuit of Boyar and Peralta, "A new combinational logic minimization technique
    // with applications to cryptology" (2009), 32 ANDs and 79 XORs.
    // top linear layer
    const y14 = v128.xor(x3, x5);
    const y13 = v128.xor(x0, x6);
    const y9 = v128.xor(x0, x3);
    const y8 = v128.xor(x0, x5);
    const t0 = v128.xor(x1, x2);
    const y1 = v128.xor(t0, x7);
    const y4 = v128.xor(y1, x3);
    const y12 = v128.xor(y13, y14);
    const y2 = v128.xor(y1, x0);
    const y5 = v128.xor(y1, x6);
    const y3 = v128.xor(y5, y8);
    const t1 = v128.xor(x4, y12);
    const y15 = v128.xor(t1, x5);
    const y20 = v128.xor(t1, x1);
    const y6 = v128.xor(y15, x7);
    const y10 = v128.xor(y15, t0);
    const y11 = v128.xor(y20, y9);
    const y7 = v128.xor(x7, y11);
    const y17 = v128.xor(y10, y11);
    const y19 = v128.xor(y10, y8);
    const y16 = v128.xor(t0, y11);
    const y21 = v128.xor(y13, y16);
    const y18 = v128.xor(x0, y16);
    // inversion in GF(2^8) by way of GF(2^4)
    const t2 = v128.and(y12, y15);
    const t4 = v128.xor(v128.and(y3, y6), t2);
    const t6 = v128.xor(v128.and(y4, x7), t2);
    const t7 = v128.and(y13, y16);
    const t9 = v128.xor(v128.and(y5, y1), t7);
    const t11 = v128.xor(v128.and(y2, y7), t7);
    const t12 = v128.and(y9, y11);
    const t14 = v128.xor(v128.and(y14, y17), t12);
    const t16 = v128.xor(v128.and(y8, y10), t12);
    const t21 = v128.xor(v128.xor(t4, t14), y20);
    const t22 = v128.xor(v128.xor(t6, t16), y19);
    const t23 = v128.xor(v128.xor(t9, t14), y21);
    const t24 = v128.xor(v128.xor(t11, t16), y18);
    const t25 = v128.xor(t21, t22);
    const t26 = v128.and(t21, t23);
    const t27 = v128.xor(t24, t26);
    const t29 = v128.xor(v128.and(t25, t27), t22);
    const t30 = v128.xor(t23, t24);
    const t31 = v128.xor(t22, t26);
    const t33 = v128.xor(v128.and(t31, t30), t24);
    const t34 = v128.xor(t23, t33);
    const t35 = v128.xor(t27, t33);
    const t36 = v128.and(t24, t35);
    const t37 = v128.xor(t36, t34);
    const t38 = v128.xor(t27, t36);
    const t40 = v128.xor(t25, v128.and(t29, t38));
    const t41 = v128.xor(t40, t37);
    const t42 = v128.xor(t29, t33);
    const t43 = v128.xor(t29, t40);
    const t44 = v128.xor(t33, t37);
    const t45 = v128.xor(t42, t41);
    const z0 = v128.and(t44, y15);
    const z1 = v128.and(t37, y6);
    const z2 = v128.and(t33, x7);
    const z3 = v128.and(t43, y16);
    const z4 = v128.and(t40, y1);
    const z5 = v128.and(t29, y7);
    const z6 = v128.and(t42, y11);
    const z7 = v128.and(t45, y17);
    const z8 = v128.and(t41, y10);
    const z9 = v128.and(t44, y12);
    const z10 = v128.and(t37, y3);
    const z11 = v128.and(t33, y4);
    const z12 = v128.and(t43, y13);
    const z13 = v128.and(t40, y5);
    const z14 = v128.and(t29, y2);
    const z15 = v128.and(t42, y9);
    const z16 = v128.and(t45, y14);
    const z17 = v128.and(t41, y8);
    // bottom linear layer
    const t46 = v128.xor(z15, z16);
    const t47 = v128.xor(z10, z11);
    const t48 = v128.xor(z5, z13);
    const t49 = v128.xor(z9, z10);
    const t50 = v128.xor(z2, z12);
    const t51 = v128.xor(z2, z5);
    const t52 = v128.xor(z7, z8);
    const t53 = v128.xor(z0, z3);
    const t54 = v128.xor(z6, z7);
    const t55 = v128.xor(z16, z17);
    const t56 = v128.xor(z12, t48);
    const t57 = v128.xor(t50, t53);
    const t58 = v128.xor(z4, t46);
    const t59 = v128.xor(z3, t54);
    const t60 = v128.xor(t46, t57);
    const t61 = v128.xor(z14, t57);
    const t62 = v128.xor(t52, t58);
    const t63 = v128.xor(t49, t58);
    const t64 = v128.xor(z4, t59);
    const t65 = v128.xor(t61, t62);
    const t66 = v128.xor(z1, t63);
    const t67 = v128.xor(t64, t65);
    const s3 = v128.xor(t53, t66);
    const s0 = v128.xor(t59, t63);
    const s1 = v128.xor(t64, s3);
    const s2 = v128.xor(t55, t67);
    const s4 = v128.xor(t51, t66);
    const s5 = v128.xor(t47, t65);
    const s6 = v128.xor(t56, t62);
    const s7 = v128.xor(t48, t60);
    rounds -= 1;
    if (rounds === 0) {
      // The last round has no MixColumns.
      v128.store(state, v128.xor(shiftRows(s0), v128.load(roundKeys, 112)), 112);
      v128.store(state, v128.xor(shiftRows(s1), v128.load(roundKeys, 96)), 96);
      v128.store(state, v128.xor(shiftRows(s2), v128.load(roundKeys, 80)), 80);
      v128.store(state, v128.xor(shiftRows(s3), v128.load(roundKeys, 64)), 64);
      v128.store(state, v128.xor(shiftRows(s4), v128.load(roundKeys, 48)), 48);
      v128.store(state, v128.xor(shiftRows(s5), v128.load(roundKeys, 32)), 32);
      v128.store(state, v128.xor(shiftRows(s6), v128.load(roundKeys, 16)), 16);
      v128.store(state, v128.xor(shiftRows(s7), v128.load(roundKeys)));
      return;
    }
    // MixColumns: from the bytes a, b, c, d of a column comes 2 (a + b) + b + (c + d) in the place of a. Let m be a + b;
    // c + d is m two places on, and doubling moves m one bit up and adds 0x1b where bit 7 (m0) was set.
    const b0 = shiftRowsAndRotate(s0);
    const m0 = v128.xor(shiftRows(s0), b0);
    const b1 = shiftRowsAndRotate(s1);
    const m1 = v128.xor(shiftRows(s1), b1);
    const b2 = shiftRowsAndRotate(s2);
    const m2 = v128.xor(shiftRows(s2), b2);
    const b3 = shiftRowsAndRotate(s3);
    const m3 = v128.xor(shiftRows(s3), b3);
    const b4 = shiftRowsAndRotate(s4);
    const m4 = v128.xor(shiftRows(s4), b4);
    const b5 = shiftRowsAndRotate(s5);
    const m5 = v128.xor(shiftRows(s5), b5);
    const b6 = shiftRowsAndRotate(s6);
    const m6 = v128.xor(shiftRows(s6), b6);
    const b7 = shiftRowsAndRotate(s7);
    const m7 = v128.xor(shiftRows(s7), b7);
    x0 = mixed(m1, b0, m0, v128.load(roundKeys, 112));
    x1 = mixed(m2, b1, m1, v128.load(roundKeys, 96));
    x2 = mixed(m3, b2, m2, v128.load(roundKeys, 80));
    x3 = mixed(v128.xor(m4, m0), b3, m3, v128.load(roundKeys, 64));
    x4 = mixed(v128.xor(m5, m0), b4, m4, v128.load(roundKeys, 48));
    x5 = mixed(m6, b5, m5, v128.load(roundKeys, 32));
    x6 = mixed(v128.xor(m7, m0), b6, m6, v128.load(roundKeys, 16));
    x7 = mixed(m0, b7, m7, v128.load(roundKeys));
  }
}

/** Twice m, plus b, plus m two places on, plus the round key. */
function mixed(doubled: v128, b: v128, m: v128, roundKey: v128): v128 {
  const half = i8x16.swizzle(m, i8x16(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
  return v128.xor(v128.xor(doubled, roundKey), v128.xor(b, half));
}

function shiftRows(x: v128): v128 {
  return i8x16.swizzle(x, i8x16(0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11));
}

/** ShiftRows, and then every column moved up by one place. */
function shiftRowsAndRotate(x: v128): v128 {
  return i8x16.swizzle(x, i8x16(5, 10, 15, 0, 9, 14, 3, 4, 13, 2, 7, 8, 1, 6, 11, 12));
}
