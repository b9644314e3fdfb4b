// GHASH (NIST SP 800-38D, section 6.4), computed as POLYVAL (RFC 8452, appendix A): with the bytes of each block reversed the
// field's elements are ordinary little-endian polynomials, and with X_i the blocks, dot(a, b) = a b x^-128
//   sum = dot(sum + X_1, h^n) + dot(X_2, h^(n-1)) + ... + dot(X_n, h)
// A packet's blocks are those of the associated data, of the data, and that of the lengths. A few are multiplied each by a
// power of its own; more of them in rows (ghash_rows.ts), with which zeros go in front to fill the first one.
// Products are of nibbles by bytes of h^k: each of these has tables of 16 one-byte entries, small enough to be one vector
// that i8x16.relaxed_swizzle looks up in a register for 16 nibbles at once. No address depends on the key or the data.

import { loadPart, loadReversed, REVERSED, wipe } from './bytes';
import {
  GHASH_COLUMNS,
  GHASH_ROWS,
  GHASH_ROWS_KEY,
  ghashRow,
  ghashRowsInstall,
  ghashRowsMultiply,
  ghashRowsSums,
  ghashRowsWipe,
} from './ghash_rows';
import { products } from './nibbles';

/** Blocks that are multiplied together, each with a power of its own. */
const POWERS: u32 = GHASH_COLUMNS;
/** Bytes of the tables of one power of h: four of 16 bytes for each of its 16 bytes. */
const POWER_TABLES: u32 = 1024;
/** A key as installed: tables of the powers 1 to 4; those for rows. */
const ROWS_KEY: usize = POWERS * POWER_TABLES;
export const GHASH_KEY: u32 = POWERS * POWER_TABLES + GHASH_ROWS_KEY;

/** Low and high nibbles of the blocks that are being multiplied. Zero between calls. */
const NIBBLES = memory.data(128, 16);
const NIBBLES_BYTES: u32 = 128;
const BLOCK = memory.data(16, 16);
/** The first row, or the four sums. Zero between calls. */
const ROW = memory.data(64, 16);
const ROW_BYTES: u32 = 64;

/** Installs the hash key H, 16 bytes at `hashKey`. */
export function ghashInstall(key: usize, hashKey: usize): void {
  // h = mulX_POLYVAL(ByteReverse(H)).
  const low = bswap(load<u64>(hashKey, 8));
  const high = bswap(load<u64>(hashKey));
  const reduced = 0 - (high >> 63);
  store<u64>(BLOCK, (low << 1) ^ (reduced & 1));
  store<u64>(BLOCK, (high << 1) ^ (low >> 63) ^ (reduced & 0xc200000000000000), 8);
  for (let power: u32 = 1; ; power++) {
    if (power <= POWERS) installPower(key + (power - 1) * POWER_TABLES);
    if (power % GHASH_COLUMNS === 0) ghashRowsInstall(key + ROWS_KEY, power / GHASH_COLUMNS, BLOCK);
    if (power === GHASH_ROWS * GHASH_COLUMNS) break;
    // The next power: this one as a block of data, times h.
    storeNibbles(0, v128.load(BLOCK));
    v128.store(BLOCK, multiply(key, 1));
  }
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

/** The hash of associated data and data: 16 bytes. Up to 15 bytes behind either may be read. */
export function ghash(key: usize, aad: usize, aadLength: u32, data: usize, length: u32): v128 {
  const lengths = i64x2.replace_lane(i64x2.splat((<u64>length) << 3), 1, (<u64>aadLength) << 3);
  // The last block of the associated data, to which the sum of those before it is added.
  let first = i64x2.splat(0);
  for (; aadLength > 16; aadLength -= 16) {
    storeNibbles(0, v128.xor(first, loadReversed(aad)));
    first = multiply(key, 1);
    aad += 16;
  }
  first = v128.xor(first, lastBlock(aad, aadLength));

  const blocks = ((length + 15) >> 4) + 2;
  let sum: v128;
  if (blocks <= POWERS) {
    storeNibbles(0, first);
    let i: u32 = 1;
    for (; i < blocks - 2; i++) {
      storeNibbles(i, loadReversed(data));
      data += 16;
      length -= 16;
    }
    if (length > 0) storeNibbles(i++, lastBlock(data, length));
    storeNibbles(i, lengths);
    sum = multiply(key, blocks);
  } else {
    sum = inRows(key, first, data, length, lengths);
  }
  wipe(NIBBLES, NIBBLES_BYTES);
  return reversed(sum);
}

/** The sum over `first`, the data and `lengths`, which together are more than POWERS blocks. */
function inRows(key: usize, first: v128, data: usize, length: u32, lengths: v128): v128 {
  const blocks = ((length + 15) >> 4) + 2;
  let rows = (blocks + GHASH_COLUMNS - 1) / GHASH_COLUMNS;
  // Zeros in front leave the sum as it is.
  const zeros = rows * GHASH_COLUMNS - blocks;
  v128.store(ROW + (zeros << 4), reversed(first));
  for (let column = zeros + 1; column < GHASH_COLUMNS; column++) {
    v128.store(ROW + (column << 4), v128.load(data));
    data += 16;
    length -= 16;
  }
  ghashRow(0, ROW);
  wipe(ROW, ROW_BYTES);
  // All rows but the last one, which has a power of its own for each block.
  rows -= 1;
  for (let row: u32 = 1; ; row = 0) {
    const count = min(rows, GHASH_ROWS);
    for (; row < count; row++) {
      ghashRow(row, data);
      data += 64;
      length -= 64;
    }
    ghashRowsMultiply(key + ROWS_KEY, count);
    rows -= count;
    if (rows === 0) break;
  }
  ghashRowsSums(ROW);
  storeNibbles(0, v128.xor(v128.load(ROW), loadReversed(data)));
  storeNibbles(1, v128.xor(v128.load(ROW, 16), loadReversed(data + 16)));
  storeNibbles(2, v128.xor(v128.load(ROW, 32), lastBlock(data + 32, length - 32)));
  storeNibbles(3, v128.xor(v128.load(ROW, 48), lengths));
  wipe(ROW, ROW_BYTES);
  ghashRowsWipe();
  return multiply(key, POWERS);
}

/** The first `length` bytes, at most 16, at `data`, and zeros, as a polynomial. */
function lastBlock(data: usize, length: u32): v128 {
  return reversed(length === 16 ? v128.load(data) : loadPart(data, length));
}

function reversed(bytes: v128): v128 {
  return i8x16.relaxed_swizzle(bytes, v128.load(REVERSED));
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
      sum = v128.xor(sum, i8x16.relaxed_swizzle(v128.load(tables), lows));
      carried = v128.xor(carried, i8x16.relaxed_swizzle(v128.load(tables, 16), lows));
      sum = v128.xor(sum, i8x16.relaxed_swizzle(v128.load(tables, 32), highs));
      carried = v128.xor(carried, i8x16.relaxed_swizzle(v128.load(tables, 48), highs));
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
