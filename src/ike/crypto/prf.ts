// Pseudorandom functions: HMAC with SHA-2 (RFC 4868), and prf+ (RFC 7296 section 2.13).
import { createHmac } from 'node:crypto';
import type { Prf } from '../api.js';
import { concat } from '../bytes.js';

const HASH: Record<Prf, { name: string; size: number }> = {
  prfsha256: { name: 'sha256', size: 32 },
  prfsha384: { name: 'sha384', size: 48 },
  prfsha512: { name: 'sha512', size: 64 },
};

/** The counter of prf+ is one byte. */
const MAX_PRF_PLUS_BLOCKS = 255;

/** Bytes that the function gives, which is also the preferred size of its key. */
export function prfSize(prf: Prf): number {
  return HASH[prf].size;
}

/** prf(key, data), where `data` is the concatenation of the parts. */
export function computePrf(prf: Prf, key: Uint8Array, ...data: readonly Uint8Array[]): Uint8Array {
  const hmac = createHmac(HASH[prf].name, key);
  for (const part of data) hmac.update(part);
  return new Uint8Array(hmac.digest());
}

/** The first `size` bytes of prf+(key, seed). */
export function prfPlus(prf: Prf, key: Uint8Array, seed: Uint8Array, size: number): Uint8Array {
  const blockSize = prfSize(prf);
  const blocks = Math.ceil(size / blockSize);
  if (blocks > MAX_PRF_PLUS_BLOCKS) throw new RangeError(`prf+ cannot give ${size} bytes`);
  const stream = new Uint8Array(blocks * blockSize);
  const input = concat(new Uint8Array(blockSize), seed, new Uint8Array(1));
  for (let counter = 1; counter <= blocks; counter++) {
    input[input.length - 1] = counter;
    // T1 = prf(K, S | 0x01): the previous block comes in from T2 on.
    const block = computePrf(prf, key, counter === 1 ? input.subarray(blockSize) : input);
    stream.set(block, (counter - 1) * blockSize);
    input.set(block);
  }
  input.fill(0);
  const result = stream.slice(0, size);
  stream.fill(0);
  return result;
}
