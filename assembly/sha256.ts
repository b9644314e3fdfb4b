// SHA-256 (FIPS 180-4) and HMAC-SHA2-256-128 (RFC 2104, RFC 4868), which leaves 16 of the 32 bytes. Only additions, ANDs, XORs
// and rotations by constants: the time taken depends on nothing but the length.

import { wipe } from './bytes';

/** Bytes of a key as installed: the hashes of the first blocks, inner and outer. */
export const HMAC_KEY: u32 = 64;
/** Bytes of the key of HMAC-SHA2-256-128 (RFC 4868, section 2.1.1). */
export const HMAC_KEY_BYTES: u32 = 32;

/** Bytes of a block. */
const BLOCK: u32 = 64;
const ROUND_CONSTANTS = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
  0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
  0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
  0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
  0xc67178f2,
]);
/** The bytes of four words, most significant first. */
const NETWORK_ORDER = memory.data<u8>([3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12], 16);

// Zero between calls, all four.
const SCHEDULE = memory.data(256, 16);
const SCHEDULE_BYTES: u32 = 256;
const STATE = memory.data(32, 16);
const STATE_BYTES: u32 = 32;
/** A key's first block; then what is left of a message, padded. */
const LAST = memory.data(128, 16);
const LAST_BYTES: u32 = 128;

/** Installs 32 bytes of key. */
export function hmacInstall(installed: usize, key: usize): void {
  padKey(installed, key, 0x36);
  padKey(installed + 32, key, 0x5c);
  wipe(SCHEDULE, SCHEDULE_BYTES);
  wipe(LAST, LAST_BYTES);
}

function padKey(state: usize, key: usize, pad: u8): void {
  const padding = i8x16.splat(pad);
  v128.store(LAST, v128.xor(v128.load(key), padding));
  v128.store(LAST, v128.xor(v128.load(key, 16), padding), 16);
  v128.store(LAST, padding, 32);
  v128.store(LAST, padding, 48);
  store<u32>(state, 0x6a09e667);
  store<u32>(state, 0xbb67ae85, 4);
  store<u32>(state, 0x3c6ef372, 8);
  store<u32>(state, 0xa54ff53a, 12);
  store<u32>(state, 0x510e527f, 16);
  store<u32>(state, 0x9b05688c, 20);
  store<u32>(state, 0x1f83d9ab, 24);
  store<u32>(state, 0x5be0cd19, 28);
  blocks(state, LAST, 1);
}

/**
 * The first 16 bytes of the HMAC of `length` bytes at `data` and, if `isLonger`, the four bytes of `more` in network order.
 */
export function hmac(installed: usize, data: usize, length: u32, isLonger: bool, more: u32): v128 {
  copyState(installed);
  blocks(STATE, data, length / BLOCK);
  let rest = length % BLOCK;
  memory.copy(LAST, data + (length - rest), rest);
  if (isLonger) {
    store<u32>(LAST + rest, bswap<u32>(more));
    rest += 4;
    length += 4;
  }
  store<u8>(LAST + rest, 0x80);
  const end: u32 = rest + 9 > BLOCK ? 2 * BLOCK : BLOCK;
  store<u64>(LAST + end - 8, bswap<u64>((<u64>length + BLOCK) << 3));
  blocks(STATE, LAST, end / BLOCK);
  wipe(LAST, LAST_BYTES);

  v128.store(LAST, inNetworkOrder(v128.load(STATE)));
  v128.store(LAST, inNetworkOrder(v128.load(STATE, 16)), 16);
  store<u8>(LAST, 0x80, 32);
  store<u64>(LAST, bswap<u64>((32 + <u64>BLOCK) << 3), 56);
  copyState(installed + 32);
  blocks(STATE, LAST, 1);
  const result = inNetworkOrder(v128.load(STATE));
  wipe(LAST, LAST_BYTES);
  wipe(STATE, STATE_BYTES);
  wipe(SCHEDULE, SCHEDULE_BYTES);
  return result;
}

function copyState(from: usize): void {
  v128.store(STATE, v128.load(from));
  v128.store(STATE, v128.load(from, 16), 16);
}

/** Reverses the bytes of each word. */
function inNetworkOrder(words: v128): v128 {
  return i8x16.relaxed_swizzle(words, v128.load(NETWORK_ORDER));
}

/** Takes `count` blocks of 64 bytes into the state (FIPS 180-4, section 6.2.2). */
function blocks(state: usize, data: usize, count: u32): void {
  for (; count > 0; count--) {
    for (let i: usize = 0; i < BLOCK; i += 16) v128.store(SCHEDULE + i, inNetworkOrder(v128.load(data + i)));
    data += BLOCK;
    for (let w = SCHEDULE; w < SCHEDULE + 192; w += 4) {
      const before2 = load<u32>(w, 56);
      const before15 = load<u32>(w, 4);
      const small0 = rotr<u32>(before15, 7) ^ rotr<u32>(before15, 18) ^ (before15 >> 3);
      const small1 = rotr<u32>(before2, 17) ^ rotr<u32>(before2, 19) ^ (before2 >> 10);
      store<u32>(w, small1 + load<u32>(w, 36) + small0 + load<u32>(w), 64);
    }
    compress(state);
  }
}

/** The 64 rounds, on the message schedule in SCHEDULE. */
function compress(state: usize): void {
  let a = load<u32>(state);
  let b = load<u32>(state, 4);
  let c = load<u32>(state, 8);
  let d = load<u32>(state, 12);
  let e = load<u32>(state, 16);
  let f = load<u32>(state, 20);
  let g = load<u32>(state, 24);
  let h = load<u32>(state, 28);
  let k = ROUND_CONSTANTS;
  for (let w = SCHEDULE; w < SCHEDULE + SCHEDULE_BYTES; w += 32) {
    h += sum1(e) + choose(e, f, g) + load<u32>(k) + load<u32>(w);
    d += h;
    h += sum0(a) + majority(a, b, c);
    g += sum1(d) + choose(d, e, f) + load<u32>(k, 4) + load<u32>(w, 4);
    c += g;
    g += sum0(h) + majority(h, a, b);
    f += sum1(c) + choose(c, d, e) + load<u32>(k, 8) + load<u32>(w, 8);
    b += f;
    f += sum0(g) + majority(g, h, a);
    e += sum1(b) + choose(b, c, d) + load<u32>(k, 12) + load<u32>(w, 12);
    a += e;
    e += sum0(f) + majority(f, g, h);
    d += sum1(a) + choose(a, b, c) + load<u32>(k, 16) + load<u32>(w, 16);
    h += d;
    d += sum0(e) + majority(e, f, g);
    c += sum1(h) + choose(h, a, b) + load<u32>(k, 20) + load<u32>(w, 20);
    g += c;
    c += sum0(d) + majority(d, e, f);
    b += sum1(g) + choose(g, h, a) + load<u32>(k, 24) + load<u32>(w, 24);
    f += b;
    b += sum0(c) + majority(c, d, e);
    a += sum1(f) + choose(f, g, h) + load<u32>(k, 28) + load<u32>(w, 28);
    e += a;
    a += sum0(b) + majority(b, c, d);
    k += 32;
  }
  store<u32>(state, load<u32>(state) + a);
  store<u32>(state, load<u32>(state, 4) + b, 4);
  store<u32>(state, load<u32>(state, 8) + c, 8);
  store<u32>(state, load<u32>(state, 12) + d, 12);
  store<u32>(state, load<u32>(state, 16) + e, 16);
  store<u32>(state, load<u32>(state, 20) + f, 20);
  store<u32>(state, load<u32>(state, 24) + g, 24);
  store<u32>(state, load<u32>(state, 28) + h, 28);
}

function sum0(a: u32): u32 {
  return rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22);
}

function sum1(e: u32): u32 {
  return rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25);
}

function choose(e: u32, f: u32, g: u32): u32 {
  return g ^ (e & (f ^ g));
}

function majority(a: u32, b: u32, c: u32): u32 {
  return (a & b) | (c & (a | b));
}
