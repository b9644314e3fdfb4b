// AES-GCM (NIST SP 800-38D) with a 96-bit IV and a 128-bit tag, as ESP uses it (RFC 4106): nonce = salt || IV.

import { AEAD_CONTEXT_SIZE } from '../src/packet/abi';
import { AES_GROUP, AES_ROUND_KEYS, aesCounterGroup, aesExpandKey } from './aes';
import { loadPart, wipe, xorBytes } from './bytes';
import { GHASH_KEY, ghashBlocks, ghashInstall, ghashResult } from './ghash';

// A context: u32 number of rounds, 4 bytes salt, 8 bytes zero; the bit-sliced round keys; the hash key.
const ROUNDS: usize = 0;
const SALT: usize = 4;
const ROUND_KEYS: usize = 16;
const HASH_KEY: usize = ROUND_KEYS + AES_ROUND_KEYS;
if (<i32>HASH_KEY + <i32>GHASH_KEY > AEAD_CONTEXT_SIZE) ERROR('the context is too small');

const KEYSTREAM = memory.data(128, 16);
const NONCE = memory.data(16, 16);
/** Encrypted counter 1, which masks the tag. */
const TAG_MASK = memory.data(16, 16);
const SUM = memory.data(16, 16);
/** The last, partial block of what is authenticated, padded with zeros; then the block of lengths; then a tag. */
const BLOCK = memory.data(16, 16);

/** Counters 0 and 1 of the first group are not for data: none is 0, and 1 is the tag's. */
const FIRST: u32 = AES_GROUP - 32;

/** Installs a key of `words` 32-bit words, 4 or 8, and the 4-byte salt behind it. */
export function aesGcmInstall(context: usize, key: usize, words: u32): void {
  store<u32>(context, words + 6, ROUNDS);
  store<u32>(context, load<u32>(key + (words << 2)), SALT);
  aesExpandKey(context + ROUND_KEYS, key, words);
  // H is the encrypted zero block: counter 0 of the nonce 0.
  memory.fill(NONCE, 0, 16);
  aesCounterGroup(context + ROUND_KEYS, words + 6, NONCE, 0, KEYSTREAM);
  ghashInstall(context + HASH_KEY, KEYSTREAM);
  wipe(KEYSTREAM, AES_GROUP);
}

export function aesGcmSeal(
  context: usize,
  iv: usize,
  aad: usize,
  aadLength: u32,
  data: usize,
  length: u32,
): void {
  startFirstGroup(context, iv);
  encrypt(context, data, length);
  authenticate(context, aad, aadLength, data, length, data + length);
}

export function aesGcmOpen(
  context: usize,
  iv: usize,
  aad: usize,
  aadLength: u32,
  data: usize,
  length: u32,
): bool {
  startFirstGroup(context, iv);
  authenticate(context, aad, aadLength, data, length, BLOCK);
  const difference = v128.xor(v128.load(BLOCK), v128.load(data + length));
  wipe(BLOCK, 16);
  if (v128.any_true(difference)) {
    wipe(KEYSTREAM, AES_GROUP);
    return false;
  }
  encrypt(context, data, length);
  return true;
}

function startFirstGroup(context: usize, iv: usize): void {
  store<u32>(NONCE, load<u32>(context, SALT));
  store<u64>(NONCE, load<u64>(iv), 4);
  keystreamGroup(context, 0);
  v128.store(TAG_MASK, v128.load(KEYSTREAM, 16));
}

function keystreamGroup(context: usize, counter: u32): void {
  aesCounterGroup(context + ROUND_KEYS, load<u32>(context, ROUNDS), NONCE, counter, KEYSTREAM);
}

function encrypt(context: usize, data: usize, length: u32): void {
  xorBytes(data, KEYSTREAM + 32, min(length, FIRST));
  let counter: u32 = 8;
  for (let done = FIRST; done < length; done += AES_GROUP) {
    keystreamGroup(context, counter);
    xorBytes(data + done, KEYSTREAM, min(length - done, AES_GROUP));
    counter += 8;
  }
  wipe(KEYSTREAM, AES_GROUP);
}

function authenticate(
  context: usize,
  aad: usize,
  aadLength: u32,
  data: usize,
  length: u32,
  tag: usize,
): void {
  v128.store(SUM, i64x2.splat(0));
  padded(context, aad, aadLength);
  padded(context, data, length);
  store<u64>(BLOCK, bswap<u64>((<u64>aadLength) << 3));
  store<u64>(BLOCK, bswap<u64>((<u64>length) << 3), 8);
  ghashBlocks(context + HASH_KEY, SUM, BLOCK, 1);
  v128.store(tag, v128.xor(ghashResult(SUM), v128.load(TAG_MASK)));
  v128.store(SUM, i64x2.splat(0));
  wipe(TAG_MASK, 16);
}

function padded(context: usize, data: usize, length: u32): void {
  const rest = length & 15;
  ghashBlocks(context + HASH_KEY, SUM, data, length >> 4);
  if (rest === 0) return;
  v128.store(BLOCK, loadPart(data + (length - rest), rest));
  ghashBlocks(context + HASH_KEY, SUM, BLOCK, 1);
}
