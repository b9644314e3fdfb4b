// Poly1305 (RFC 8439, section 2.5) over whole blocks of 16 bytes: all that the AEAD construction needs, since it
// pads with zeros (section 2.8).
//
// The accumulator is h0 + h1 2^32 + h2 2^64 + h3 2^96 in four 64-bit integers, h3 taking all that is above 2^96.
// Clamping leaves r0..r3 below 2^28 and r1..r3 divisible by 4, so 2^128 r1 = 5 (r1 / 4) (mod 2^130 - 5): no product of
// limbs, and no sum of four of them, reaches 2^64.
//   on entry  h0 < 2^32 + 5 2^30, h1, h2 < 2^32, h3 < 2^34
//   plus the block and its 2^128  h0 < 2.25 2^32 (2^33.2), h1, h2 < 2^33, h3 < 1.5 2^34
//   the largest sum  h0 r0 + h1 s3 + h2 s2 + h3 s1 < (1.13 + 1.25 + 1.25 + 3.75) 2^61 < 2^63.9

import { wipe } from './bytes';

/** Bytes of a state: u64 h0..h3, u64 r0..r3, 16 bytes s. */
export const POLY1305_STATE = 80;

/** Starts a message under the one-time key, 32 bytes at `key`: r, clamped, and s. */
export function poly1305Start(state: usize, key: usize): void {
  v128.store(state, i64x2.splat(0));
  v128.store(state, i64x2.splat(0), 16);
  store<u64>(state, load<u32>(key) & 0x0fffffff, 32);
  store<u64>(state, load<u32>(key, 4) & 0x0ffffffc, 40);
  store<u64>(state, load<u32>(key, 8) & 0x0ffffffc, 48);
  store<u64>(state, load<u32>(key, 12) & 0x0ffffffc, 56);
  v128.store(state, v128.load(key, 16), 64);
}

/** Takes in `blocks` blocks of 16 bytes at `data`. */
export function poly1305Blocks(state: usize, data: usize, blocks: u32): void {
  let h0 = load<u64>(state);
  let h1 = load<u64>(state, 8);
  let h2 = load<u64>(state, 16);
  let h3 = load<u64>(state, 24);
  const r0 = load<u64>(state, 32);
  const r1 = load<u64>(state, 40);
  const r2 = load<u64>(state, 48);
  const r3 = load<u64>(state, 56);
  const s1 = (r1 >> 2) * 5;
  const s2 = (r2 >> 2) * 5;
  const s3 = (r3 >> 2) * 5;
  for (const end = data + ((<usize>blocks) << 4); data !== end; data += 16) {
    h0 += load<u32>(data);
    h1 += load<u32>(data, 4);
    h2 += load<u32>(data, 8);
    h3 += <u64>load<u32>(data, 12) + 0x100000000;
    // The carries stand second for the compiler's sake, which would otherwise put the sums into the reverse order.
    const d0 = h0 * r0 + h1 * s3 + h2 * s2 + h3 * s1;
    const d1 = h0 * r1 + (d0 >> 32) + h1 * r0 + h2 * s3 + h3 * s2;
    const d2 = h0 * r2 + (d1 >> 32) + h1 * r1 + h2 * r0 + h3 * s3;
    const d3 = h0 * r3 + (d2 >> 32) + h1 * r2 + h2 * r1 + h3 * r0;
    // 2^130 = 5: the bits of d3 above 2^34 come back at the bottom.
    h0 = (d0 & 0xffffffff) + (d3 >> 34) * 5;
    h1 = d1 & 0xffffffff;
    h2 = d2 & 0xffffffff;
    h3 = d3 & 0x3ffffffff;
  }
  store<u64>(state, h0);
  store<u64>(state, h1, 8);
  store<u64>(state, h2, 16);
  store<u64>(state, h3, 24);
}

/** Writes the tag, 16 bytes, and wipes the state. */
export function poly1305Finish(state: usize, tag: usize): void {
  let h0 = load<u64>(state);
  let h1 = load<u64>(state, 8) + (h0 >> 32);
  let h2 = load<u64>(state, 16) + (h1 >> 32);
  let h3 = load<u64>(state, 24) + (h2 >> 32);
  h0 = (h0 & 0xffffffff) + (h3 >> 34) * 5;
  h1 = (h1 & 0xffffffff) + (h0 >> 32);
  h2 = (h2 & 0xffffffff) + (h1 >> 32);
  h3 = (h3 & 0x3ffffffff) + (h2 >> 32);
  // h < 2^130 + 5 now. h mod p is h + 5 without its bit 2^130 if that is set (h >= p), otherwise h; modulo 2^128
  // the two differ by 5.
  let carry = ((h0 & 0xffffffff) + 5) >> 32;
  carry = ((h1 & 0xffffffff) + carry) >> 32;
  carry = ((h2 & 0xffffffff) + carry) >> 32;
  carry = (h3 + carry) >> 34;
  let low = (h0 & 0xffffffff) | (h1 << 32);
  let high = (h2 & 0xffffffff) | (h3 << 32);
  low += carry * 5;
  high += <u64>(low < carry * 5);
  const s = load<u64>(state, 64);
  low += s;
  high += load<u64>(state, 72) + <u64>(low < s);
  store<u64>(tag, low);
  store<u64>(tag, high, 8);
  wipe(state, POLY1305_STATE);
}
