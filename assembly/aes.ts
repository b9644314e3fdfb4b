// AES (FIPS 197), encryption only, eight blocks at a time, bit-sliced: there are no tables, so neither the time nor
// the memory touched depends on the key or the data.
//
// A bit-sliced state is eight vectors. Bit k of byte p of vector b is bit b of byte p of block k: so a vector
// holds one bit of each of the 128 state bytes, SubBytes is a circuit of ANDs and XORs, and ShiftRows and MixColumns
// move whole bytes, the same way in each vector.

/** Bytes of a bit-sliced state or round key, and of the keystream that one call makes. */
export const AES_GROUP = 128;
/** Bytes of the round keys of AES-256, bit-sliced. */
export const AES_ROUND_KEYS = 15 * AES_GROUP;

const STATE = memory.data(128, 16);
const SCHEDULE = memory.data(240, 16);

/** Expands a key of `words` 32-bit words (4 or 8) to `words + 7` bit-sliced round keys (FIPS 197, section 5.2). */
export function aesExpandKey(roundKeys: usize, key: usize, words: u32): void {
  const total = (words + 7) << 2;
  memory.copy(SCHEDULE, key, words << 2);
  let constant: u32 = 1;
  for (let i = words; i < total; i++) {
    let word = load<u32>(SCHEDULE + ((i - 1) << 2));
    if (i % words === 0) {
      word = rotr<u32>(substituteWord(word), 8) ^ constant;
      // xtime; only AES-128 goes past 0x80
      constant = (constant << 1) ^ ((constant >> 7) * 0x11b);
    } else if (words === 8 && i % words === 4) {
      word = substituteWord(word);
    }
    store<u32>(SCHEDULE + (i << 2), word ^ load<u32>(SCHEDULE + ((i - words) << 2)));
  }
  for (let round: u32 = 0; round < words + 7; round++) {
    let bytes = v128.load(SCHEDULE + (round << 4));
    // The S-box circuit leaves out its constant 0x63. MixColumns would pass it on unchanged: it moves to the key.
    if (round > 0) bytes = v128.xor(bytes, i8x16.splat(0x63));
    for (let bit = 0; bit < 8; bit++) {
      v128.store(roundKeys + (round << 7) + (bit << 4), spread(bytes, bit));
    }
  }
  memory.fill(SCHEDULE, 0, 240);
  memory.fill(STATE, 0, AES_GROUP);
}

/** 0xff in each byte whose bit `bit` is set, 0 elsewhere. */
function spread(bytes: v128, bit: i32): v128 {
  return i8x16.shr_s(i8x16.shl(bytes, 7 - bit), 7);
}

function substituteWord(word: u32): u32 {
  memory.fill(STATE, 0, AES_GROUP);
  store<u32>(STATE, word);
  transpose(STATE);
  substitute(STATE);
  transpose(STATE);
  return load<u32>(STATE) ^ 0x63636363;
}

/**
 * Encrypts the eight counter blocks whose first 12 bytes are `nonce` and whose last 4 count from `counter`, a
 * multiple of 8, in network order; writes 128 bytes of keystream.
 */
export function aesCounterGroup(
  roundKeys: usize,
  rounds: u32,
  nonce: usize,
  counter: u32,
  keystream: usize,
): void {
  const block = i32x4.replace_lane(v128.load(nonce), 3, bswap<u32>(counter));
  for (let bit = 0; bit < 8; bit++) {
    v128.store(keystream + (bit << 4), v128.xor(spread(block, bit), v128.load(roundKeys + (bit << 4))));
  }
  // The three lowest bits of the counter number the blocks of the group.
  store<u8>(keystream, load<u8>(keystream, 15) ^ 0b10101010, 15);
  store<u8>(keystream, load<u8>(keystream, 31) ^ 0b11001100, 31);
  store<u8>(keystream, load<u8>(keystream, 47) ^ 0b11110000, 47);
  for (let round: u32 = 1; round < rounds; round++) {
    substitute(keystream);
    mix(keystream, roundKeys + (round << 7));
  }
  substitute(keystream);
  const last = roundKeys + (rounds << 7);
  for (let bit = 0; bit < 8; bit++) {
    const at = keystream + (bit << 4);
    v128.store(at, v128.xor(shiftRows(v128.load(at)), v128.load(last + (bit << 4))));
  }
  transpose(keystream);
}

/** ShiftRows, MixColumns and AddRoundKey. */
function mix(state: usize, roundKey: usize): void {
  let previous = mixed(v128.load(state, 112));
  const highest = previous;
  for (let bit = 0; bit < 8; bit++) {
    const at = state + (bit << 4);
    const vector = v128.load(at);
    const sum = mixed(vector);
    // 2 (a + b) + b + (c + d), column by column: doubling moves the sum of a and b one vector up and, with what
    // leaves the top, adds 0x1b.
    let out = v128.xor(v128.xor(previous, rotatedRows(vector)), v128.load(roundKey + (bit << 4)));
    out = v128.xor(out, i8x16.shuffle(sum, sum, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
    if (bit === 1 || bit === 3 || bit === 4) out = v128.xor(out, highest);
    v128.store(at, out);
    previous = sum;
  }
}

function mixed(vector: v128): v128 {
  return v128.xor(shiftRows(vector), rotatedRows(vector));
}

function shiftRows(x: v128): v128 {
  return i8x16.shuffle(x, x, 0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11);
}

/** ShiftRows, then every column rotated by one byte. */
function rotatedRows(x: v128): v128 {
  return i8x16.shuffle(x, x, 5, 10, 15, 0, 9, 14, 3, 4, 13, 2, 7, 8, 1, 6, 11, 12);
}

/** Exchanges bit k of vector b with bit b of vector k in every byte: from blocks to bit slices and back. */
function transpose(state: usize): void {
  for (let i = 0; i < 8; i += 2) exchange(state + (i << 4), state + (i << 4) + 16, 1, 0x55);
  for (let i = 0; i < 8; i += 1)
    if ((i & 2) === 0) exchange(state + (i << 4), state + (i << 4) + 32, 2, 0x33);
  for (let i = 0; i < 4; i += 1) exchange(state + (i << 4), state + (i << 4) + 64, 4, 0x0f);
}

/** Exchanges the bits of a that the mask, shifted up, selects, with those of b that the mask selects. */
function exchange(a: usize, b: usize, shift: i32, mask: u8): void {
  const x = v128.load(a);
  const y = v128.load(b);
  const difference = v128.and(v128.xor(i64x2.shr_u(x, shift), y), i8x16.splat(mask));
  v128.store(a, v128.xor(x, i64x2.shl(difference, shift)));
  v128.store(b, v128.xor(y, difference));
}

/**
 * SubBytes without its constant 0x63, in place: the circuit of Boyar and Peralta, "A new combinational logic
 * minimization technique with applications to cryptology" (2009), 32 ANDs and 83 XORs. x0 and s0 are the highest bits.
 */
function substitute(state: usize): void {
  const x0 = v128.load(state, 112);
  const x1 = v128.load(state, 96);
  const x2 = v128.load(state, 80);
  const x3 = v128.load(state, 64);
  const x4 = v128.load(state, 48);
  const x5 = v128.load(state, 32);
  const x6 = v128.load(state, 16);
  const x7 = v128.load(state);
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
  v128.store(state, v128.xor(t59, t63), 112);
  v128.store(state, v128.xor(t64, s3), 96);
  v128.store(state, v128.xor(t55, t67), 80);
  v128.store(state, s3, 64);
  v128.store(state, v128.xor(t51, t66), 48);
  v128.store(state, v128.xor(t47, t65), 32);
  v128.store(state, v128.xor(t56, t62), 16);
  v128.store(state, v128.xor(t48, t60));
}
