// ChaCha20 (RFC 8439, sections 2.1 to 2.4): four blocks at a time, word i of each in the four lanes of vector xi.
// Only additions, XORs and rotations by constants: the time taken does not depend on the key or the data.
//
// ChaCha20 keeps the vector units busy and Poly1305 (poly1305.ts) the scalar multiplier. So one function does both: during the
// last 18 rounds it takes up to 18 blocks of other, already encrypted data into the authenticator at little cost.
//
// The blocks of a packet differ in their counter, word 12, only. Most of the first round is the same in all of them, and done once.
//
// The 16 vectors, the masks of the rotations and intermediate results are too many for the registers of x86-64. With two vectors
// of the third row always in memory, the compiler moves fewer others to the stack and back.

import { wipe } from './bytes';

/** Bytes of keystream that one call makes: four blocks. */
export const CHACHA20_GROUP: u32 = 256;
/** Blocks that can be authenticated meanwhile. */
export const CHACHA20_MAC_BLOCKS: u32 = 18;

/**
 * Words 0 to 15 behind the part of the first two rounds that the counter does not change; those that it does are not in use.
 * Zero between packets.
 */
const COMMON = memory.data(64, 16);
/** The vectors of the third row, while they are out of use. Zero between packets. */
const THIRD_ROW = memory.data(64, 16);
/** Rotations of each word by 16 and by 8, as the places that the bytes come from. */
const ROTATIONS: usize = memory.data<u8>(
  [
    2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13,
    14,
  ],
  16,
);

// "expand 32-byte k" (section 2.3).
const C0: u32 = 0x61707865;
const C1: u32 = 0x3320646e;
const C2: u32 = 0x79622d32;
const C3: u32 = 0x6b206574;

/**
 * Prepares for the keystream of a packet.
 *
 * @param key 32 bytes of key and then the first 4 of the 12-byte nonce
 * @param iv the other 8 bytes of the nonce
 */
export function chacha20Start(key: usize, iv: usize): void {
  // The rows of the state (section 2.3): one quarter round goes over its columns side by side. The first one, without its
  // counter, is of no use.
  let a = i32x4(C0, C1, C2, C3);
  let b = v128.load(key);
  let c = v128.load(key, 16);
  let d = i32x4.replace_lane(v128.load64_splat(iv), 1, load<i32>(key, 32));
  a = i32x4.add(a, b);
  d = rotate16(v128.xor(d, a));
  c = i32x4.add(c, d);
  b = rotate12(v128.xor(b, c));
  a = i32x4.add(a, b);
  d = rotate8(v128.xor(d, a));
  c = i32x4.add(c, d);
  b = rotate7(v128.xor(b, c));
  v128.store(COMMON, a);
  v128.store(COMMON, b, 16);
  v128.store(COMMON, c, 32);
  v128.store(COMMON, d, 48);
  // Of the second round: x1 += x6, x2 += x7 and then x13 = (x13 ^ x2) <<< 16.
  const x2 = load<u32>(COMMON, 8) + load<u32>(COMMON, 28);
  store<u32>(COMMON, load<u32>(COMMON, 4) + load<u32>(COMMON, 24), 4);
  store<u32>(COMMON, x2, 8);
  store<u32>(COMMON, rotl<u32>(load<u32>(COMMON, 52) ^ x2, 16), 52);
}

/** Forgets what is left of a packet's keystream. */
export function chacha20End(): void {
  wipe(COMMON, 64);
  wipe(THIRD_ROW, 64);
}

/**
 * XORs 256 bytes at `data` with the blocks `counter` to `counter + 3` of the keystream and authenticates other blocks.
 * Between chacha20Start and chacha20End with the same `key` and `iv`.
 *
 * @param key 32 bytes of key and then the first 4 of the 12-byte nonce
 * @param iv the other 8 bytes of the nonce
 * @param mac a Poly1305 state that takes in `blocks` blocks, at most 18, at `source`, as they are before the XOR
 */
export function chacha20Group(
  key: usize,
  iv: usize,
  counter: u32,
  data: usize,
  mac: usize,
  source: usize,
  blocks: u32,
): void {
  let h0 = load<u64>(mac);
  let h1 = load<u64>(mac, 8);
  let h2 = load<u64>(mac, 16);
  let h3 = load<u64>(mac, 24);
  const r0 = load<u64>(mac, 32);
  const r1 = load<u64>(mac, 40);
  const r2 = load<u64>(mac, 48);
  const r3 = load<u64>(mac, 56);
  const s1 = (r1 >> 2) * 5;
  const s2 = (r2 >> 2) * 5;
  const s3 = (r3 >> 2) * 5;
  const end = source + ((<usize>blocks) << 4);

  // The first column of the first round, which has the counter.
  const counters = i32x4.add(i32x4.splat(counter), i32x4(0, 1, 2, 3));
  let x0 = i32x4.splat(C0 + load<u32>(key));
  let x4 = v128.load32_splat(key);
  let x8 = v128.load32_splat(key, 16);
  let x12 = rotate16(v128.xor(counters, x0));
  x8 = i32x4.add(x8, x12);
  x4 = rotate12(v128.xor(x4, x8));
  x0 = i32x4.add(x0, x4);
  x12 = rotate8(v128.xor(x12, x0));
  x8 = i32x4.add(x8, x12);
  x4 = rotate7(v128.xor(x4, x8));
  let x1 = v128.load32_splat(COMMON, 4);
  let x2 = v128.load32_splat(COMMON, 8);
  let x3 = v128.load32_splat(COMMON, 12);
  let x5 = v128.load32_splat(COMMON, 20);
  let x6 = v128.load32_splat(COMMON, 24);
  let x7 = v128.load32_splat(COMMON, 28);
  let x9 = v128.load32_splat(COMMON, 36);
  let x10 = v128.load32_splat(COMMON, 40);
  let x11 = v128.load32_splat(COMMON, 44);
  let x13 = v128.load32_splat(COMMON, 52);
  let x14 = v128.load32_splat(COMMON, 56);
  let x15 = v128.load32_splat(COMMON, 60);
  // The second round, without what has been done of it.
  x0 = i32x4.add(x0, x5);
  x15 = rotate16(v128.xor(x15, x0));
  x10 = i32x4.add(x10, x15);
  x5 = rotate12(v128.xor(x5, x10));
  x0 = i32x4.add(x0, x5);
  x15 = rotate8(v128.xor(x15, x0));
  x10 = i32x4.add(x10, x15);
  x5 = rotate7(v128.xor(x5, x10));
  x12 = rotate16(v128.xor(x12, x1));
  x11 = i32x4.add(x11, x12);
  x6 = rotate12(v128.xor(x6, x11));
  x1 = i32x4.add(x1, x6);
  x12 = rotate8(v128.xor(x12, x1));
  x11 = i32x4.add(x11, x12);
  x6 = rotate7(v128.xor(x6, x11));
  v128.store(THIRD_ROW, x10, 32);
  v128.store(THIRD_ROW, x11, 48);
  x8 = i32x4.add(x8, x13);
  x7 = rotate12(v128.xor(x7, x8));
  x2 = i32x4.add(x2, x7);
  x13 = rotate8(v128.xor(x13, x2));
  x8 = i32x4.add(x8, x13);
  x7 = rotate7(v128.xor(x7, x8));
  x3 = i32x4.add(x3, x4);
  x14 = rotate16(v128.xor(x14, x3));
  x9 = i32x4.add(x9, x14);
  x4 = rotate12(v128.xor(x4, x9));
  x3 = i32x4.add(x3, x4);
  x14 = rotate8(v128.xor(x14, x3));
  x9 = i32x4.add(x9, x14);
  x4 = rotate7(v128.xor(x4, x9));

  // With the test behind the rounds V8 moves less about between them.
  let round = 2;
  do {
    // A quarter round on each of the four columns (section 2.1), two and two.
    x0 = i32x4.add(x0, x4);
    x12 = rotate16(v128.xor(x12, x0));
    x8 = i32x4.add(x8, x12);
    x4 = rotate12(v128.xor(x4, x8));
    x0 = i32x4.add(x0, x4);
    x12 = rotate8(v128.xor(x12, x0));
    x8 = i32x4.add(x8, x12);
    x4 = rotate7(v128.xor(x4, x8));
    x1 = i32x4.add(x1, x5);
    x13 = rotate16(v128.xor(x13, x1));
    x9 = i32x4.add(x9, x13);
    x5 = rotate12(v128.xor(x5, x9));
    x1 = i32x4.add(x1, x5);
    x13 = rotate8(v128.xor(x13, x1));
    x9 = i32x4.add(x9, x13);
    x5 = rotate7(v128.xor(x5, x9));
    v128.store(THIRD_ROW, x8);
    v128.store(THIRD_ROW, x9, 16);
    x10 = v128.load(THIRD_ROW, 32);
    x11 = v128.load(THIRD_ROW, 48);
    x2 = i32x4.add(x2, x6);
    x14 = rotate16(v128.xor(x14, x2));
    x10 = i32x4.add(x10, x14);
    x6 = rotate12(v128.xor(x6, x10));
    x2 = i32x4.add(x2, x6);
    x14 = rotate8(v128.xor(x14, x2));
    x10 = i32x4.add(x10, x14);
    x6 = rotate7(v128.xor(x6, x10));
    x3 = i32x4.add(x3, x7);
    x15 = rotate16(v128.xor(x15, x3));
    x11 = i32x4.add(x11, x15);
    x7 = rotate12(v128.xor(x7, x11));
    x3 = i32x4.add(x3, x7);
    x15 = rotate8(v128.xor(x15, x3));
    x11 = i32x4.add(x11, x15);
    x7 = rotate7(v128.xor(x7, x11));

    // One block into Poly1305, as in poly1305Blocks.
    if (source !== end) {
      h0 += load<u32>(source);
      h1 += load<u32>(source, 4);
      h2 += load<u32>(source, 8);
      h3 += <u64>load<u32>(source, 12) + 0x100000000;
      const d0 = h0 * r0 + h1 * s3 + h2 * s2 + h3 * s1;
      const d1 = h0 * r1 + (d0 >> 32) + h1 * r0 + h2 * s3 + h3 * s2;
      const d2 = h0 * r2 + (d1 >> 32) + h1 * r1 + h2 * r0 + h3 * s3;
      const d3 = h0 * r3 + (d2 >> 32) + h1 * r2 + h2 * r1 + h3 * r0;
      h0 = (d0 & 0xffffffff) + (d3 >> 34) * 5;
      h1 = d1 & 0xffffffff;
      h2 = d2 & 0xffffffff;
      h3 = d3 & 0x3ffffffff;
      source += 16;
    }

    // And one on each of the four diagonals.
    x0 = i32x4.add(x0, x5);
    x15 = rotate16(v128.xor(x15, x0));
    x10 = i32x4.add(x10, x15);
    x5 = rotate12(v128.xor(x5, x10));
    x0 = i32x4.add(x0, x5);
    x15 = rotate8(v128.xor(x15, x0));
    x10 = i32x4.add(x10, x15);
    x5 = rotate7(v128.xor(x5, x10));
    x1 = i32x4.add(x1, x6);
    x12 = rotate16(v128.xor(x12, x1));
    x11 = i32x4.add(x11, x12);
    x6 = rotate12(v128.xor(x6, x11));
    x1 = i32x4.add(x1, x6);
    x12 = rotate8(v128.xor(x12, x1));
    x11 = i32x4.add(x11, x12);
    x6 = rotate7(v128.xor(x6, x11));
    v128.store(THIRD_ROW, x10, 32);
    v128.store(THIRD_ROW, x11, 48);
    x8 = v128.load(THIRD_ROW);
    x9 = v128.load(THIRD_ROW, 16);
    x2 = i32x4.add(x2, x7);
    x13 = rotate16(v128.xor(x13, x2));
    x8 = i32x4.add(x8, x13);
    x7 = rotate12(v128.xor(x7, x8));
    x2 = i32x4.add(x2, x7);
    x13 = rotate8(v128.xor(x13, x2));
    x8 = i32x4.add(x8, x13);
    x7 = rotate7(v128.xor(x7, x8));
    x3 = i32x4.add(x3, x4);
    x14 = rotate16(v128.xor(x14, x3));
    x9 = i32x4.add(x9, x14);
    x4 = rotate12(v128.xor(x4, x9));
    x3 = i32x4.add(x3, x4);
    x14 = rotate8(v128.xor(x14, x3));
    x9 = i32x4.add(x9, x14);
    x4 = rotate7(v128.xor(x4, x9));

    if (source !== end) {
      h0 += load<u32>(source);
      h1 += load<u32>(source, 4);
      h2 += load<u32>(source, 8);
      h3 += <u64>load<u32>(source, 12) + 0x100000000;
      const d0 = h0 * r0 + h1 * s3 + h2 * s2 + h3 * s1;
      const d1 = h0 * r1 + (d0 >> 32) + h1 * r0 + h2 * s3 + h3 * s2;
      const d2 = h0 * r2 + (d1 >> 32) + h1 * r1 + h2 * r0 + h3 * s3;
      const d3 = h0 * r3 + (d2 >> 32) + h1 * r2 + h2 * r1 + h3 * r0;
      h0 = (d0 & 0xffffffff) + (d3 >> 34) * 5;
      h1 = d1 & 0xffffffff;
      h2 = d2 & 0xffffffff;
      h3 = d3 & 0x3ffffffff;
      source += 16;
    }
    round += 2;
  } while (round < 20);
  x10 = v128.load(THIRD_ROW, 32);
  x11 = v128.load(THIRD_ROW, 48);

  store<u64>(mac, h0);
  store<u64>(mac, h1, 8);
  store<u64>(mac, h2, 16);
  store<u64>(mac, h3, 24);

  xorRow(
    data,
    i32x4.add(x0, i32x4.splat(C0)),
    i32x4.add(x1, i32x4.splat(C1)),
    i32x4.add(x2, i32x4.splat(C2)),
    i32x4.add(x3, i32x4.splat(C3)),
  );
  xorRow(
    data + 16,
    i32x4.add(x4, v128.load32_splat(key)),
    i32x4.add(x5, v128.load32_splat(key, 4)),
    i32x4.add(x6, v128.load32_splat(key, 8)),
    i32x4.add(x7, v128.load32_splat(key, 12)),
  );
  xorRow(
    data + 32,
    i32x4.add(x8, v128.load32_splat(key, 16)),
    i32x4.add(x9, v128.load32_splat(key, 20)),
    i32x4.add(x10, v128.load32_splat(key, 24)),
    i32x4.add(x11, v128.load32_splat(key, 28)),
  );
  xorRow(
    data + 48,
    i32x4.add(x12, counters),
    i32x4.add(x13, v128.load32_splat(key, 32)),
    i32x4.add(x14, v128.load32_splat(iv)),
    i32x4.add(x15, v128.load32_splat(iv, 4)),
  );
}

/** One row, four words, of each of the four blocks: from lanes to blocks, and XORed onto the data, 64 bytes apart. */
function xorRow(data: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab01 = i32x4.shuffle(a, b, 0, 4, 1, 5);
  const ab23 = i32x4.shuffle(a, b, 2, 6, 3, 7);
  const cd01 = i32x4.shuffle(c, d, 0, 4, 1, 5);
  const cd23 = i32x4.shuffle(c, d, 2, 6, 3, 7);
  v128.store(data, v128.xor(v128.load(data), i64x2.shuffle(ab01, cd01, 0, 2)));
  v128.store(data, v128.xor(v128.load(data, 64), i64x2.shuffle(ab01, cd01, 1, 3)), 64);
  v128.store(data, v128.xor(v128.load(data, 128), i64x2.shuffle(ab23, cd23, 0, 2)), 128);
  v128.store(data, v128.xor(v128.load(data, 192), i64x2.shuffle(ab23, cd23, 1, 3)), 192);
}

function rotate16(x: v128): v128 {
  return i8x16.relaxed_swizzle(x, v128.load(ROTATIONS));
}

function rotate12(x: v128): v128 {
  return v128.or(i32x4.shl(x, 12), i32x4.shr_u(x, 20));
}

function rotate8(x: v128): v128 {
  return i8x16.relaxed_swizzle(x, v128.load(ROTATIONS, 16));
}

function rotate7(x: v128): v128 {
  return v128.or(i32x4.shl(x, 7), i32x4.shr_u(x, 25));
}
