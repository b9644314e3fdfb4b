// GHASH of long messages: sixteen sums side by side, block i of each group of 16 going into sum i, and every sum times the
// same power h^16 after each group. Byte p of all sums is in vector p. The polynomials are those of ghash.ts.
//
// The product of 128-bit polynomials is made of nine products of 32-bit ones, by Karatsuba's method applied twice:
//   (a1 X + a0) (b1 X + b0) = a1 b1 X^2 + ((a0 + a1) (b0 + b1) + a0 b0 + a1 b1) X + a0 b0

import { loadReversed, wipe } from './bytes';
import { products } from './nibbles';

/** Sums, and blocks of a group. */
export const GHASH_LANES: u32 = 16;
/** Bytes of the tables for h^16: for each of nine words, five for the low nibbles and five for the high ones. */
export const GHASH_LANES_KEY: u32 = 9 * 160;

/** Bytes of one 32-bit word of the sums (four vectors), and of the product of two such words. */
const WORD: usize = 64;
const PRODUCT: usize = 128;

// Zero between calls, all three.
/** Words 0 to 3 of the sums, then the sums that Karatsuba's method needs: 0 + 2, 1 + 3, 0 + 1, 2 + 3, all. */
const WORDS = memory.data(576, 16);
/** The nine words' products; the first four become the product of the whole. */
const PRODUCTS = memory.data(1152, 16);
const TURNED = memory.data(256, 16);

const WORDS_BYTES: u32 = 576;
const PRODUCTS_BYTES: u32 = 1152;
const TURNED_BYTES: u32 = 256;

/** Installs h^16, 16 bytes at `power`. */
export function ghashLanesInstall(key: usize, power: usize): void {
  const w0 = load<u32>(power);
  const w1 = load<u32>(power, 4);
  const w2 = load<u32>(power, 8);
  const w3 = load<u32>(power, 12);
  installWord(key, w0);
  installWord(key + 160, w1);
  installWord(key + 320, w2);
  installWord(key + 480, w3);
  installWord(key + 640, w0 ^ w2);
  installWord(key + 800, w1 ^ w3);
  installWord(key + 960, w0 ^ w1);
  installWord(key + 1120, w2 ^ w3);
  installWord(key + 1280, w0 ^ w1 ^ w2 ^ w3);
}

function installWord(tables: usize, word: u32): void {
  for (let byte: usize = 0; byte < 5; byte++) {
    v128.store(tables + (byte << 4), products(<u32>(((<u64>word) << 8) >> (byte << 3))));
    v128.store(tables + (byte << 4), products(<u32>(((<u64>word) << 12) >> (byte << 3))), 80);
  }
}

/**
 * Takes `groups` groups of 16 blocks at `data` into the sums, the sum so far at `sum` into the first, and returns where
 * they are: 16 polynomials of 16 bytes. The caller wipes them with ghashLanesWipe.
 */
export function ghashLanes(key: usize, sum: usize, data: usize, groups: u32): usize {
  wipe(PRODUCTS, PRODUCTS_BYTES);
  for (let group: u32 = 0; group < groups; group++) {
    for (let i: usize = 0; i < 256; i += 16) v128.store(WORDS + i, loadReversed(data + i));
    if (group === 0) v128.store(WORDS, v128.xor(v128.load(WORDS), v128.load(sum)));
    data += 256;
    transpose(WORDS);
    // The sums of the last group are the upper half of the product.
    for (let i: usize = 0; i < 256; i += 16) {
      v128.store(WORDS + i, v128.xor(v128.load(WORDS + i), v128.load(PRODUCTS + 256 + i)));
    }
    multiply(key);
    reduce();
  }
  memory.copy(WORDS, PRODUCTS + 256, 256);
  transpose(WORDS);
  return WORDS;
}

export function ghashLanesWipe(): void {
  wipe(WORDS, WORDS_BYTES);
  wipe(PRODUCTS, PRODUCTS_BYTES);
  wipe(TURNED, TURNED_BYTES);
}

/** Turns 16 vectors of 16 bytes into the vectors of their first, second, ... bytes, or back. */
function transpose(vectors: usize): void {
  // Each step moves the four bits of a byte's vector number and the four of its place in the vector round by one.
  turn(vectors, TURNED);
  turn(TURNED, vectors);
  turn(vectors, TURNED);
  turn(TURNED, vectors);
}

function turn(from: usize, to: usize): void {
  for (const end = from + 128; from !== end; from += 16) {
    const a = v128.load(from);
    const b = v128.load(from, 128);
    v128.store(to, i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
    v128.store(to, i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31), 16);
    to += 32;
  }
}

/** The 256-bit products of the sums in WORDS with h^16, in the first 32 vectors of PRODUCTS. */
function multiply(key: usize): void {
  addWords(4, 0, 2);
  addWords(5, 1, 3);
  addWords(6, 0, 1);
  addWords(7, 2, 3);
  addWords(8, 4, 5);
  for (let word: usize = 0; word < 9; word++) {
    multiplyWord(key + word * 160, WORDS + word * WORD, PRODUCTS + word * PRODUCT);
  }
  // Of 64-bit polynomials: the low halves, the high halves, and the sums of both.
  addMiddle(PRODUCTS, 128, PRODUCTS + 6 * PRODUCT);
  addMiddle(PRODUCTS + 2 * PRODUCT, 128, PRODUCTS + 7 * PRODUCT);
  addMiddle(PRODUCTS + 4 * PRODUCT, 128, PRODUCTS + 8 * PRODUCT);
  // Of 128-bit polynomials.
  addMiddle(PRODUCTS, 256, PRODUCTS + 4 * PRODUCT);
}

function addWords(to: usize, a: usize, b: usize): void {
  for (let i: usize = 0; i < WORD; i += 16) {
    const sum = v128.xor(v128.load(WORDS + a * WORD + i), v128.load(WORDS + b * WORD + i));
    v128.store(WORDS + to * WORD + i, sum);
  }
}

/** The 64-bit products of a 32-bit word with the word of the tables. */
function multiplyWord(tables: usize, word: usize, product: usize): void {
  let low = lowNibbles(v128.load(word));
  let high = highNibbles(v128.load(word));
  const p0 = lookUp(tables, low, high);
  let p1 = lookUp(tables + 16, low, high);
  let p2 = lookUp(tables + 32, low, high);
  let p3 = lookUp(tables + 48, low, high);
  let p4 = lookUp(tables + 64, low, high);
  low = lowNibbles(v128.load(word, 16));
  high = highNibbles(v128.load(word, 16));
  p1 = v128.xor(p1, lookUp(tables, low, high));
  p2 = v128.xor(p2, lookUp(tables + 16, low, high));
  p3 = v128.xor(p3, lookUp(tables + 32, low, high));
  p4 = v128.xor(p4, lookUp(tables + 48, low, high));
  let p5 = lookUp(tables + 64, low, high);
  low = lowNibbles(v128.load(word, 32));
  high = highNibbles(v128.load(word, 32));
  p2 = v128.xor(p2, lookUp(tables, low, high));
  p3 = v128.xor(p3, lookUp(tables + 16, low, high));
  p4 = v128.xor(p4, lookUp(tables + 32, low, high));
  p5 = v128.xor(p5, lookUp(tables + 48, low, high));
  let p6 = lookUp(tables + 64, low, high);
  low = lowNibbles(v128.load(word, 48));
  high = highNibbles(v128.load(word, 48));
  p3 = v128.xor(p3, lookUp(tables, low, high));
  p4 = v128.xor(p4, lookUp(tables + 16, low, high));
  p5 = v128.xor(p5, lookUp(tables + 32, low, high));
  p6 = v128.xor(p6, lookUp(tables + 48, low, high));
  const p7 = lookUp(tables + 64, low, high);
  v128.store(product, p0);
  v128.store(product, p1, 16);
  v128.store(product, p2, 32);
  v128.store(product, p3, 48);
  v128.store(product, p4, 64);
  v128.store(product, p5, 80);
  v128.store(product, p6, 96);
  v128.store(product, p7, 112);
}

function lowNibbles(bytes: v128): v128 {
  return v128.and(bytes, i8x16.splat(15));
}

function highNibbles(bytes: v128): v128 {
  return v128.and(i16x8.shr_u(bytes, 4), i8x16.splat(15));
}

/** One byte of the products of 16 bytes, given by their nibbles. */
function lookUp(tables: usize, low: v128, high: v128): v128 {
  return v128.xor(i8x16.swizzle(v128.load(tables), low), i8x16.swizzle(v128.load(tables, 80), high));
}

/**
 * Karatsuba's middle term: at `product` stand a0 b0 and behind it a1 b1, `size` bytes each; (a0 + a1) (b0 + b1) plus both
 * of them is added half way. First and second halves of the three change each other only pairwise, so this is in place.
 */
function addMiddle(product: usize, size: usize, sums: usize): void {
  const half = size >> 1;
  for (const end = product + half; product !== end; product += 16) {
    const low0 = v128.load(product);
    const low1 = v128.load(product + half);
    const high0 = v128.load(product + size);
    const high1 = v128.load(product + size + half);
    const middle0 = v128.xor(v128.load(sums), v128.xor(low0, high0));
    const middle1 = v128.xor(v128.load(sums + half), v128.xor(low1, high1));
    v128.store(product + half, v128.xor(low1, middle0));
    v128.store(product + size, v128.xor(high0, middle1));
    sums += 16;
  }
}

/** x^-128 times the products, modulo x^128 + x^127 + x^126 + x^121 + 1: cancels the low 16 bytes one by one. */
function reduce(): void {
  for (let at = PRODUCTS, end = PRODUCTS + 256; at !== end; at += 16) {
    // This byte w is cancelled by w times the modulus, w x^128 + w x^120 (x + x^6 + x^7): that is bytes 15 and 16 on.
    const w = v128.load(at);
    const twice = i8x16.add(w, w);
    const below = v128.xor(twice, v128.and(i16x8.shl(v128.xor(w, twice), 6), i8x16.splat(-64)));
    const above1 = v128.and(i16x8.shr_u(w, 1), i8x16.splat(0x7f));
    const above2 = v128.and(i16x8.shr_u(w, 2), i8x16.splat(0x3f));
    const above7 = v128.and(i16x8.shr_u(w, 7), i8x16.splat(0x01));
    const above = v128.xor(v128.xor(w, above1), v128.xor(above2, above7));
    v128.store(at, v128.xor(v128.load(at, 240), below), 240);
    v128.store(at, v128.xor(v128.load(at, 256), above), 256);
  }
}
