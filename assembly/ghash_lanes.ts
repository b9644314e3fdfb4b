// GHASH of long messages: sixteen sums side by side, block i of each group of 16 going into sum i, and every sum times the
// same power h^16 after each group. Byte p of all sums is in vector p. The polynomials are those of ghash.ts.
//
// The product of 128-bit polynomials is made of nine products of 32-bit ones, by Karatsuba's method applied twice:
//   (a1 X + a0) (b1 X + b0) = a1 b1 X^2 + ((a0 + a1) (b0 + b1) + a0 b0 + a1 b1) X + a0 b0

import { wipe } from './bytes';
import { products } from './nibbles';

/** Sums, and blocks of a group. */
export const GHASH_LANES: u32 = 16;
/** Bytes of the tables for a power of h: for each of nine words, five for the low nibbles and five for the high ones. */
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

/** Installs the power of h, 16 bytes at `power`. */
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

/** Adds 16 polynomials at `group` to the sums; before the first ones the sums are zero. */
export function ghashLanesAdd(group: usize): void {
  memory.copy(WORDS, group, 256);
  transpose(WORDS);
  // The sums of the last group are the upper half of the product.
  for (let i: usize = 0; i < 256; i += 16) {
    v128.store(WORDS + i, v128.xor(v128.load(WORDS + i), v128.load(PRODUCTS + 256 + i)));
  }
}

/** Multiplies all sums by the power of `key`. */
export function ghashLanesMultiply(key: usize): void {
  multiply(key);
  reduce();
}

/**
 * Multiplies the first eight sums by the power of `key`, adds to each of them the one that is eight places on, and returns
 * where they are: polynomials of 16 bytes. The caller wipes them with ghashLanesWipe.
 */
export function ghashLanesFold(key: usize): usize {
  multiply(key);
  reduce();
  for (let i: usize = 0; i < 256; i += 16) {
    const second = i64x2.shuffle(v128.load(WORDS + i), i64x2.splat(0), 1, 2);
    v128.store(WORDS + i, v128.xor(v128.load(PRODUCTS + 256 + i), second));
  }
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

/** The 256-bit products of the sums in WORDS with the power, in the first 32 vectors of PRODUCTS. */
export function multiply(key: usize): void {
  addWords(4, 0, 2);
  addWords(5, 1, 3);
  addWords(6, 0, 1);
  addWords(7, 2, 3);
  addWords(8, 4, 5);
  multiplyWords(key);
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

/** The 64-bit products of the nine words with those of the tables, each of which is read only once. */
function multiplyWords(tables: usize): void {
  let product = PRODUCTS;
  for (let word = WORDS; word < WORDS + 9 * WORD; word += WORD) {
    let n0 = lowNibbles(v128.load(word));
    let n1 = lowNibbles(v128.load(word, 16));
    let n2 = lowNibbles(v128.load(word, 32));
    let n3 = lowNibbles(v128.load(word, 48));
    let table = v128.load(tables);
    let p0 = i8x16.swizzle(table, n0);
    let p1 = i8x16.swizzle(table, n1);
    let p2 = i8x16.swizzle(table, n2);
    let p3 = i8x16.swizzle(table, n3);
    table = v128.load(tables, 16);
    p1 = v128.xor(p1, i8x16.swizzle(table, n0));
    p2 = v128.xor(p2, i8x16.swizzle(table, n1));
    p3 = v128.xor(p3, i8x16.swizzle(table, n2));
    let p4 = i8x16.swizzle(table, n3);
    table = v128.load(tables, 32);
    p2 = v128.xor(p2, i8x16.swizzle(table, n0));
    p3 = v128.xor(p3, i8x16.swizzle(table, n1));
    p4 = v128.xor(p4, i8x16.swizzle(table, n2));
    let p5 = i8x16.swizzle(table, n3);
    table = v128.load(tables, 48);
    p3 = v128.xor(p3, i8x16.swizzle(table, n0));
    p4 = v128.xor(p4, i8x16.swizzle(table, n1));
    p5 = v128.xor(p5, i8x16.swizzle(table, n2));
    let p6 = i8x16.swizzle(table, n3);
    table = v128.load(tables, 64);
    p4 = v128.xor(p4, i8x16.swizzle(table, n0));
    p5 = v128.xor(p5, i8x16.swizzle(table, n1));
    p6 = v128.xor(p6, i8x16.swizzle(table, n2));
    let p7 = i8x16.swizzle(table, n3);
    n0 = highNibbles(v128.load(word));
    n1 = highNibbles(v128.load(word, 16));
    n2 = highNibbles(v128.load(word, 32));
    n3 = highNibbles(v128.load(word, 48));
    table = v128.load(tables, 80);
    p0 = v128.xor(p0, i8x16.swizzle(table, n0));
    p1 = v128.xor(p1, i8x16.swizzle(table, n1));
    p2 = v128.xor(p2, i8x16.swizzle(table, n2));
    p3 = v128.xor(p3, i8x16.swizzle(table, n3));
    table = v128.load(tables, 96);
    p1 = v128.xor(p1, i8x16.swizzle(table, n0));
    p2 = v128.xor(p2, i8x16.swizzle(table, n1));
    p3 = v128.xor(p3, i8x16.swizzle(table, n2));
    p4 = v128.xor(p4, i8x16.swizzle(table, n3));
    table = v128.load(tables, 112);
    p2 = v128.xor(p2, i8x16.swizzle(table, n0));
    p3 = v128.xor(p3, i8x16.swizzle(table, n1));
    p4 = v128.xor(p4, i8x16.swizzle(table, n2));
    p5 = v128.xor(p5, i8x16.swizzle(table, n3));
    table = v128.load(tables, 128);
    p3 = v128.xor(p3, i8x16.swizzle(table, n0));
    p4 = v128.xor(p4, i8x16.swizzle(table, n1));
    p5 = v128.xor(p5, i8x16.swizzle(table, n2));
    p6 = v128.xor(p6, i8x16.swizzle(table, n3));
    table = v128.load(tables, 144);
    p4 = v128.xor(p4, i8x16.swizzle(table, n0));
    p5 = v128.xor(p5, i8x16.swizzle(table, n1));
    p6 = v128.xor(p6, i8x16.swizzle(table, n2));
    p7 = v128.xor(p7, i8x16.swizzle(table, n3));
    v128.store(product, p0);
    v128.store(product, p1, 16);
    v128.store(product, p2, 32);
    v128.store(product, p3, 48);
    v128.store(product, p4, 64);
    v128.store(product, p5, 80);
    v128.store(product, p6, 96);
    v128.store(product, p7, 112);
    tables += 160;
    product += PRODUCT;
  }
}

function lowNibbles(bytes: v128): v128 {
  return v128.and(bytes, i8x16.splat(15));
}

function highNibbles(bytes: v128): v128 {
  return v128.and(i16x8.shr_u(bytes, 4), i8x16.splat(15));
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
export function reduce(): void {
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
