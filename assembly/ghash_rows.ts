// GHASH of long messages: four sums side by side. Blocks come in rows of four, block i of each row going into sum i; a
// few rows at a time are multiplied, each by its own power of h^4, and added up. Word j of all four is in vector j. The
// polynomials are those of ghash.ts.
//
// The product of 128-bit polynomials is made of nine products of 32-bit ones, by Karatsuba's method applied twice:
//   (a1 X + a0) (b1 X + b0) = a1 b1 X^2 + ((a0 + a1) (b0 + b1) + a0 b0 + a1 b1) X + a0 b0
// which, and the reduction, are only carried through once for all rows that are added up.

import { loadReversed, wipe } from './bytes';
import { products } from './nibbles';

/** Blocks of a row. */
export const GHASH_COLUMNS: u32 = 4;
/** Rows that can be multiplied together. */
export const GHASH_ROWS: u32 = 6;
/** Bytes of the tables of one power of h^4: for each of nine words, five for low nibbles and five for high ones. */
const POWER_TABLES: usize = 1440;
const WORD_TABLES: usize = 160;
/** Bytes of a key as installed: the tables of h^4, h^8, ... */
export const GHASH_ROWS_KEY: u32 = GHASH_ROWS * <u32>POWER_TABLES;

/** Bytes of a row: words 0 to 3, then the sums that Karatsuba's method needs: 0 + 2, 1 + 3, 0 + 1, 2 + 3, all. */
const ROW: usize = 144;

// Zero between calls, all three.
const ROWS = memory.data(864, 16);
const ROWS_BYTES: u32 = 864;
/** Low and high words of the nine words' products. */
const PRODUCTS = memory.data(288, 16);
const PRODUCTS_BYTES: u32 = 288;
/** Words 0 to 3 of the sums. */
const SUMS = memory.data(64, 16);
const SUMS_BYTES: u32 = 64;

/** Installs power `number` of h^4, 1 for the first one: 16 bytes at `power`. */
export function ghashRowsInstall(key: usize, number: u32, power: usize): void {
  const tables = key + (<usize>number - 1) * POWER_TABLES;
  const w0 = load<u32>(power);
  const w1 = load<u32>(power, 4);
  const w2 = load<u32>(power, 8);
  const w3 = load<u32>(power, 12);
  installWord(tables, w0);
  installWord(tables + WORD_TABLES, w1);
  installWord(tables + 2 * WORD_TABLES, w2);
  installWord(tables + 3 * WORD_TABLES, w3);
  installWord(tables + 4 * WORD_TABLES, w0 ^ w2);
  installWord(tables + 5 * WORD_TABLES, w1 ^ w3);
  installWord(tables + 6 * WORD_TABLES, w0 ^ w1);
  installWord(tables + 7 * WORD_TABLES, w2 ^ w3);
  installWord(tables + 8 * WORD_TABLES, w0 ^ w1 ^ w2 ^ w3);
}

function installWord(tables: usize, word: u32): void {
  for (let byte: usize = 0; byte < 5; byte++) {
    v128.store(tables + (byte << 5), products(<u32>(((<u64>word) << 8) >> (byte << 3))));
    v128.store(tables + (byte << 5), products(<u32>(((<u64>word) << 12) >> (byte << 3))), 16);
  }
}

/** Makes row `number` of the four blocks at `source`; the sums so far are added to row 0. */
export function ghashRow(number: u32, source: usize): void {
  const a = loadReversed(source);
  const b = loadReversed(source + 16);
  const c = loadReversed(source + 32);
  const d = loadReversed(source + 48);
  const ab01 = i32x4.shuffle(a, b, 0, 4, 1, 5);
  const ab23 = i32x4.shuffle(a, b, 2, 6, 3, 7);
  const cd01 = i32x4.shuffle(c, d, 0, 4, 1, 5);
  const cd23 = i32x4.shuffle(c, d, 2, 6, 3, 7);
  let w0 = i64x2.shuffle(ab01, cd01, 0, 2);
  let w1 = i64x2.shuffle(ab01, cd01, 1, 3);
  let w2 = i64x2.shuffle(ab23, cd23, 0, 2);
  let w3 = i64x2.shuffle(ab23, cd23, 1, 3);
  if (number === 0) {
    w0 = v128.xor(w0, v128.load(SUMS));
    w1 = v128.xor(w1, v128.load(SUMS, 16));
    w2 = v128.xor(w2, v128.load(SUMS, 32));
    w3 = v128.xor(w3, v128.load(SUMS, 48));
  }
  const row = ROWS + <usize>number * ROW;
  const w02 = v128.xor(w0, w2);
  const w13 = v128.xor(w1, w3);
  v128.store(row, w0);
  v128.store(row, w1, 16);
  v128.store(row, w2, 32);
  v128.store(row, w3, 48);
  v128.store(row, w02, 64);
  v128.store(row, w13, 80);
  v128.store(row, v128.xor(w0, w1), 96);
  v128.store(row, v128.xor(w2, w3), 112);
  v128.store(row, v128.xor(w02, w13), 128);
}

/** Multiplies rows 0 to `count - 1`, the last one by h^4 and each other by h^4 more than the next one: their sum is SUMS. */
export function ghashRowsMultiply(key: usize, count: u32): void {
  const first = key + (<usize>count - 1) * POWER_TABLES;
  for (let word: usize = 0; word < 9; word++) multiplyWord(first + word * WORD_TABLES, word << 4, count);
  combine();
}

/** The sum of the products of one word of `count` rows. */
function multiplyWord(tables: usize, word: usize, count: u32): void {
  let p0 = i64x2.splat(0);
  let p1 = i64x2.splat(0);
  let p2 = i64x2.splat(0);
  let p3 = i64x2.splat(0);
  let p4 = i64x2.splat(0);
  let row = ROWS + word;
  for (const end = row + <usize>count * ROW; row !== end; row += ROW) {
    const bytes = v128.load(row);
    const low = v128.and(bytes, i8x16.splat(15));
    const high = v128.and(i16x8.shr_u(bytes, 4), i8x16.splat(15));
    // Bytes 0 to 4 of the nibbles' products, where the nibble is in byte 0.
    p0 = v128.xor(p0, i8x16.relaxed_swizzle(v128.load(tables), low));
    p1 = v128.xor(p1, i8x16.relaxed_swizzle(v128.load(tables, 32), low));
    p2 = v128.xor(p2, i8x16.relaxed_swizzle(v128.load(tables, 64), low));
    p3 = v128.xor(p3, i8x16.relaxed_swizzle(v128.load(tables, 96), low));
    p4 = v128.xor(p4, i8x16.relaxed_swizzle(v128.load(tables, 128), low));
    p0 = v128.xor(p0, i8x16.relaxed_swizzle(v128.load(tables, 16), high));
    p1 = v128.xor(p1, i8x16.relaxed_swizzle(v128.load(tables, 48), high));
    p2 = v128.xor(p2, i8x16.relaxed_swizzle(v128.load(tables, 80), high));
    p3 = v128.xor(p3, i8x16.relaxed_swizzle(v128.load(tables, 112), high));
    p4 = v128.xor(p4, i8x16.relaxed_swizzle(v128.load(tables, 144), high));
    tables -= POWER_TABLES;
  }
  const low = v128.xor(v128.xor(p0, i32x4.shl(p1, 8)), v128.xor(i32x4.shl(p2, 16), i32x4.shl(p3, 24)));
  const high = v128.xor(v128.xor(i32x4.shr_u(p1, 24), i32x4.shr_u(p2, 16)), v128.xor(i32x4.shr_u(p3, 8), p4));
  v128.store(PRODUCTS + (word << 1), low);
  v128.store(PRODUCTS + (word << 1), high, 16);
}

/** Makes the sums of the nine words' products. */
function combine(): void {
  // Products of 64-bit polynomials, four words each: of the low halves, the high halves, and the sums of both.
  const a0 = v128.load(PRODUCTS);
  const a3 = v128.load(PRODUCTS, 48);
  const a1 = v128.xor(v128.load(PRODUCTS, 16), middle(0, 192));
  const a2 = v128.xor(v128.load(PRODUCTS, 32), middle(16, 192));
  const b0 = v128.load(PRODUCTS, 64);
  const b3 = v128.load(PRODUCTS, 112);
  const b1 = v128.xor(v128.load(PRODUCTS, 80), middle(64, 160));
  const b2 = v128.xor(v128.load(PRODUCTS, 96), middle(80, 160));
  const c0 = v128.load(PRODUCTS, 128);
  const c3 = v128.load(PRODUCTS, 176);
  const c1 = v128.xor(v128.load(PRODUCTS, 144), middle(128, 128));
  const c2 = v128.xor(v128.load(PRODUCTS, 160), middle(144, 128));
  // The product of 128-bit polynomials, eight words, of which x^-128 times the low four are added to the high ones.
  const z0 = a0;
  const z1 = a1;
  const z2 = v128.xor(a2, v128.xor(c0, v128.xor(a0, b0)));
  const z3 = v128.xor(v128.xor(a3, v128.xor(c1, v128.xor(a1, b1))), cancelled(z0));
  const z4 = v128.xor(v128.xor(b0, v128.xor(c2, v128.xor(a2, b2))), v128.xor(divided(z0), cancelled(z1)));
  const z5 = v128.xor(v128.xor(b1, v128.xor(c3, v128.xor(a3, b3))), v128.xor(divided(z1), cancelled(z2)));
  const z6 = v128.xor(b2, v128.xor(divided(z2), cancelled(z3)));
  const z7 = v128.xor(b3, divided(z3));
  v128.store(SUMS, z4);
  v128.store(SUMS, z5, 16);
  v128.store(SUMS, z6, 32);
  v128.store(SUMS, z7, 48);
}

/** Low word of Karatsuba's middle term of the products at `first` and two words on, with the product `sums` on; or the high word. */
function middle(first: usize, sums: usize): v128 {
  const both = v128.xor(v128.load(PRODUCTS + first), v128.load(PRODUCTS + first, 32));
  return v128.xor(both, v128.load(PRODUCTS + first + sums));
}

/** What cancelling the word w, by w times x^128 + x^127 + x^126 + x^121 + 1, adds three words on. */
function cancelled(w: v128): v128 {
  return v128.xor(i32x4.shl(w, 31), v128.xor(i32x4.shl(w, 30), i32x4.shl(w, 25)));
}

/** What it adds four words on. */
function divided(w: v128): v128 {
  return v128.xor(v128.xor(w, i32x4.shr_u(w, 1)), v128.xor(i32x4.shr_u(w, 2), i32x4.shr_u(w, 7)));
}

/** Stores the four sums as polynomials of 16 bytes. */
export function ghashRowsSums(target: usize): void {
  const w0 = v128.load(SUMS);
  const w1 = v128.load(SUMS, 16);
  const w2 = v128.load(SUMS, 32);
  const w3 = v128.load(SUMS, 48);
  const low01 = i32x4.shuffle(w0, w1, 0, 4, 1, 5);
  const low23 = i32x4.shuffle(w2, w3, 0, 4, 1, 5);
  const high01 = i32x4.shuffle(w0, w1, 2, 6, 3, 7);
  const high23 = i32x4.shuffle(w2, w3, 2, 6, 3, 7);
  v128.store(target, i64x2.shuffle(low01, low23, 0, 2));
  v128.store(target, i64x2.shuffle(low01, low23, 1, 3), 16);
  v128.store(target, i64x2.shuffle(high01, high23, 0, 2), 32);
  v128.store(target, i64x2.shuffle(high01, high23, 1, 3), 48);
}

export function ghashRowsWipe(): void {
  wipe(ROWS, ROWS_BYTES);
  wipe(PRODUCTS, PRODUCTS_BYTES);
  wipe(SUMS, SUMS_BYTES);
}
