// GHASH (NIST SP 800-38D, section 6.4), computed as POLYVAL (RFC 8452, appendix A): with the bytes of each block reversed the
// field's elements are ordinary little-endian polynomials, and with X_i the blocks, dot(a, b) = a b x^-128
//   sum = dot(sum + X_1, h^n) + dot(X_2, h^(n-1)) + ... + dot(X_n, h)
// Products are of nibbles by bytes of h^k: each of these has tables of 16 one-byte entries, small enough to be one vector
// that i8x16.swizzle looks up in a register for 16 nibbles at once. No address depends on the key or the data.

import { loadReversed, wipe } from './bytes';
import { GHASH_LANES, GHASH_LANES_KEY, ghashLanes, ghashLanesInstall, ghashLanesWipe } from './ghash_lanes';
import { products } from './nibbles';

/** Blocks that are multiplied together, each with a power of its own. */
const POWERS: u32 = GHASH_LANES;
/** Bytes of the tables of one power of h: four of 16 bytes for each of its 16 bytes. */
const POWER_TABLES: u32 = 1024;
/** Bytes of a key as installed: the powers' tables, then what ghash_lanes.ts needs. */
export const GHASH_KEY: u32 = POWERS * POWER_TABLES + GHASH_LANES_KEY;
const LANES_KEY: usize = POWERS * POWER_TABLES;

/** Low and high nibbles of the blocks that are being multiplied. Zero between calls. */
const NIBBLES = memory.data(512, 16);
const NIBBLES_BYTES: u32 = 512;
const BLOCK = memory.data(16, 16);

/** Installs the hash key H, 16 bytes at `hashKey`. */
export function ghashInstall(key: usize, hashKey: usize): void {
  // h = mulX_POLYVAL(ByteReverse(H)).
  const low = bswap(load<u64>(hashKey, 8));
  const high = bswap(load<u64>(hashKey));
  const reduced = 0 - (high >> 63);
  store<u64>(BLOCK, (low << 1) ^ (reduced & 1));
  store<u64>(BLOCK, (high << 1) ^ (low >> 63) ^ (reduced & 0xc200000000000000), 8);
  for (let power: u32 = 0; ; power++) {
    installPower(key + power * POWER_TABLES);
    if (power === POWERS - 1) break;
    // The next power: this one as a block of data, times h.
    storeNibbles(0, v128.load(BLOCK));
    v128.store(BLOCK, multiply(key, 1));
  }
  ghashLanesInstall(key + LANES_KEY, BLOCK);
  wipe(BLOCK, 16);
  wipe(NIBBLES, NIBBLES_BYTES);
}

/** The tables of the power of h that stands in BLOCK. */
function installPower(tables: usize): void {
  for (let i: usize = 0; i < 16; i++) {
    const byte = <u32>load<u8>(BLOCK + i);
    // Low and high byte of its products with a low nibble, then with a high one.
    v128.store(tables, products(byte << 8));
    v128.store(tables, products(byte), 16);
    v128.store(tables, products(byte << 12), 32);
    v128.store(tables, products(byte << 4), 48);
    tables += 64;
  }
}

/** Takes `blocks` blocks of 16 bytes into the sum, which is kept with its bytes reversed. */
export function ghashBlocks(key: usize, sum: usize, data: usize, blocks: u32): void {
  if (blocks >= 2 * GHASH_LANES) {
    // All whole groups but the last go into sums of their own, which are then added to the blocks of the last.
    const groups = blocks / GHASH_LANES - 1;
    const sums = ghashLanes(key + LANES_KEY, sum, data, groups);
    data += groups << 8;
    blocks -= groups << 4;
    for (let i: u32 = 0; i < POWERS; i++) {
      storeNibbles(i, v128.xor(v128.load(sums + (i << 4)), loadReversed(data + (i << 4))));
    }
    ghashLanesWipe();
    v128.store(sum, multiply(key, POWERS));
    data += POWERS << 4;
    blocks -= POWERS;
  }
  while (blocks > 0) {
    const count = min(blocks, POWERS);
    storeNibbles(0, v128.xor(v128.load(sum), loadReversed(data)));
    for (let i: u32 = 1; i < count; i++) storeNibbles(i, loadReversed(data + (i << 4)));
    v128.store(sum, multiply(key, count));
    data += count << 4;
    blocks -= count;
  }
  wipe(NIBBLES, NIBBLES_BYTES);
}

/** The sum as the bytes that GHASH puts out. */
export function ghashResult(sum: usize): v128 {
  return loadReversed(sum);
}

function storeNibbles(index: u32, block: v128): void {
  const nibbles = NIBBLES + (index << 5);
  v128.store(nibbles, v128.and(block, i8x16.splat(15)));
  v128.store(nibbles, v128.and(i16x8.shr_u(block, 4), i8x16.splat(15)), 16);
}

/** Sum of dot(block i, h^(count - i)) over the `count` blocks in NIBBLES. */
function multiply(key: usize, count: u32): v128 {
  let low = i64x2.splat(0);
  let high = i64x2.splat(0);
  // From the highest byte of the powers to the lowest: the 256-bit product so far moves up by one byte, and what this byte
  // of each power contributes is added.
  const first = key + (count - 1) * POWER_TABLES;
  for (let byte: i32 = 15; byte >= 0; byte--) {
    let tables = first + (byte << 6);
    let sum = i64x2.splat(0);
    let carried = i64x2.splat(0);
    for (let nibbles = NIBBLES, end = NIBBLES + (count << 5); nibbles !== end; nibbles += 32) {
      const lows = v128.load(nibbles);
      const highs = v128.load(nibbles, 16);
      sum = v128.xor(sum, i8x16.swizzle(v128.load(tables), lows));
      carried = v128.xor(carried, i8x16.swizzle(v128.load(tables, 16), lows));
      sum = v128.xor(sum, i8x16.swizzle(v128.load(tables, 32), highs));
      carried = v128.xor(carried, i8x16.swizzle(v128.load(tables, 48), highs));
      tables -= POWER_TABLES;
    }
    low = v128.xor(low, carried);
    high = i8x16.shuffle(low, high, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
    low = i8x16.shuffle(i64x2.splat(0), low, 0, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
    low = v128.xor(low, sum);
  }
  return reduced(low, high);
}

/** x^-128 times the 256-bit polynomial, modulo x^128 + x^127 + x^126 + x^121 + 1: its low words are cancelled one by one. */
function reduced(low: v128, high: v128): v128 {
  const w0 = <u64>i64x2.extract_lane(low, 0);
  const w1 = <u64>i64x2.extract_lane(low, 1) ^ (w0 << 57) ^ (w0 << 62) ^ (w0 << 63);
  const w2 = w0 ^ (w0 >> 1) ^ (w0 >> 2) ^ (w0 >> 7) ^ (w1 << 57) ^ (w1 << 62) ^ (w1 << 63);
  const w3 = w1 ^ (w1 >> 1) ^ (w1 >> 2) ^ (w1 >> 7);
  return v128.xor(high, i64x2.replace_lane(i64x2.splat(w2), 1, w3));
}
