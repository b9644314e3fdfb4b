// AES-GCM (NIST SP 800-38D) with a 96-bit IV and a 128-bit tag, as ESP uses it (RFC 4106): nonce = salt || IV.
//
// Blocks are encrypted in groups of eight. Two things are not done again for each group:
// - Of the counter blocks of a packet only the last bytes differ. What the first round makes of the last one is in a
//   table of the key's, for each group; to it what the round makes of the others is added.
// - Counter 1, whose block masks the tag, would cost a group of its own. Those of eight IVs that differ in the three lowest
//   bits are encrypted together and kept, as IVs usually follow each other.

import { AEAD_CONTEXT_SIZE } from '../src/packet/abi';
import {
  AES_GROUP,
  AES_ROUND_KEYS,
  aesEncrypt,
  aesExpandKey,
  aesFirstRound,
  aesOtherRounds,
  aesSlice,
  aesUnslice,
  aesXor,
} from './aes';
import { wipe, xorBytes } from './bytes';
import { GHASH_KEY, ghash, ghashInstall } from './ghash';

// A context: u32 number of rounds, 4 bytes salt, u64 the IVs whose tag masks follow, without the three bits, or NO_IVS;
// the tag masks; the bit-sliced round keys; the table of the last counter bytes; the hash key.
const ROUNDS: usize = 0;
const SALT: usize = 4;
const TAG_IVS: usize = 8;
const TAG_MASKS: usize = 16;
const ROUND_KEYS: usize = TAG_MASKS + AES_GROUP;
const COUNTERS: usize = ROUND_KEYS + AES_ROUND_KEYS;
const HASH_KEY: usize = COUNTERS + 32 * AES_GROUP;
if (<i32>HASH_KEY + <i32>GHASH_KEY > AEAD_CONTEXT_SIZE) ERROR('the context is too small');

/** The three lowest bits of an IV, as loaded. */
const IV_LOW: u64 = 0x0700000000000000;
const NO_IVS: u64 = u64.MAX_VALUE;
/** The counter of the first block of data. */
const FIRST_COUNTER: u32 = 2;

// All zero between calls.
const STATE = memory.data(128, 16);
/** The state after the first round without what the last counter byte adds. */
const COMMON = memory.data(128, 16);
const KEYSTREAM = memory.data(128, 16);
const NONCE = memory.data(16, 16);

/** Installs a key of `words` 32-bit words, 4 or 8, and the 4-byte salt behind it. */
export function aesGcmInstall(context: usize, key: usize, words: u32): void {
  store<u32>(context, words + 6, ROUNDS);
  store<u32>(context, load<u32>(key + (words << 2)), SALT);
  store<u64>(context, NO_IVS, TAG_IVS);
  aesExpandKey(context + ROUND_KEYS, key, words);
  // H is the encrypted zero block.
  aesEncrypt(STATE, context + ROUND_KEYS, words + 6);
  aesUnslice(STATE, KEYSTREAM, KEYSTREAM);
  ghashInstall(context + HASH_KEY, KEYSTREAM);
  wipe(STATE, AES_GROUP);
  wipe(KEYSTREAM, AES_GROUP);
  for (let group: u32 = 0; group < 32; group++) {
    const entry = context + COUNTERS + group * AES_GROUP;
    wipe(entry, AES_GROUP);
    for (let bit: u32 = 0; bit < 8; bit++) {
      const keyByte = load<u8>(context + ROUND_KEYS + (bit << 4), 15);
      store<u8>(entry + (bit << 4), bitOfCounters(FIRST_COUNTER + (group << 3), bit) ^ keyByte, 15);
    }
    aesFirstRound(entry);
  }
}

export function aesGcmSeal(
  context: usize,
  iv: usize,
  aad: usize,
  aadLength: u32,
  data: usize,
  length: u32,
): void {
  encrypt(context, iv, data, length);
  const sum = ghash(context + HASH_KEY, aad, aadLength, data, length);
  v128.store(data + length, v128.xor(sum, v128.load(tagMask(context, iv))));
}

export function aesGcmOpen(
  context: usize,
  iv: usize,
  aad: usize,
  aadLength: u32,
  data: usize,
  length: u32,
): bool {
  const sum = ghash(context + HASH_KEY, aad, aadLength, data, length);
  const tag = v128.xor(sum, v128.load(tagMask(context, iv)));
  if (v128.any_true(v128.xor(tag, v128.load(data + length)))) return false;
  encrypt(context, iv, data, length);
  return true;
}

/** Address of the encrypted counter 1. */
function tagMask(context: usize, iv: usize): usize {
  const masks = context + TAG_MASKS;
  const ivs = load<u64>(iv) & ~IV_LOW;
  if (ivs !== load<u64>(context, TAG_IVS)) {
    aesSlice(masks, nonceBlock(context, iv, 1));
    // Byte 11 ends the IV: the eight blocks of the group differ in its three lowest bits.
    store<u8>(masks, 0b10101010, 11);
    store<u8>(masks, 0b11001100, 16 + 11);
    store<u8>(masks, 0b11110000, 32 + 11);
    aesEncrypt(masks, context + ROUND_KEYS, load<u32>(context, ROUNDS));
    aesUnslice(masks, masks, KEYSTREAM);
    store<u64>(context, ivs, TAG_IVS);
  }
  return masks + ((<usize>(load<u8>(iv, 7) & 7)) << 4);
}

/** Address of the block that is encrypted. */
function nonceBlock(context: usize, iv: usize, counter: u32): usize {
  store<u32>(NONCE, load<u32>(context, SALT));
  store<u64>(NONCE, load<u64>(iv), 4);
  store<u32>(NONCE, bswap<u32>(counter), 12);
  return NONCE;
}

/** Adds the keystream to `length` bytes, at most a megabyte. */
function encrypt(context: usize, iv: usize, data: usize, length: u32): void {
  const roundKeys = context + ROUND_KEYS;
  const rounds = load<u32>(context, ROUNDS);
  let counter = FIRST_COUNTER;
  for (let left = length; left > 0; ) {
    const group = (counter >> 3) & 31;
    // In the last of 32 groups the higher counter bytes change.
    if (group === 0 || group === 31) commonPart(context, iv, counter);
    aesXor(STATE, COMMON, context + COUNTERS + group * AES_GROUP);
    aesOtherRounds(STATE, roundKeys, rounds);
    if (left < AES_GROUP) {
      aesUnslice(STATE, KEYSTREAM, KEYSTREAM);
      xorBytes(data, KEYSTREAM, left);
      wipe(KEYSTREAM, AES_GROUP);
      break;
    }
    aesUnslice(STATE, data, data);
    data += AES_GROUP;
    left -= AES_GROUP;
    counter += 8;
  }
  wipe(STATE, AES_GROUP);
  wipe(COMMON, AES_GROUP);
}

/** The first round of the group of counters from `counter` on, with zero for the last byte. */
function commonPart(context: usize, iv: usize, counter: u32): void {
  const roundKeys = context + ROUND_KEYS;
  aesSlice(COMMON, nonceBlock(context, iv, counter));
  for (let bit: u32 = 0; bit < 8; bit++) {
    store<u8>(COMMON + (bit << 4), bitOfCounters(counter, bit + 8), 14);
  }
  aesXor(COMMON, COMMON, roundKeys);
  for (let i: usize = 0; i < AES_GROUP; i += 16) store<u8>(COMMON + i, 0, 15);
  aesFirstRound(COMMON);
  aesXor(COMMON, COMMON, roundKeys + AES_GROUP);
}

/** A bit of `counter` and of the seven numbers after it. */
function bitOfCounters(counter: u32, bit: u32): u8 {
  let bits: u32 = 0;
  for (let i: u32 = 0; i < 8; i++) bits |= (((counter + i) >> bit) & 1) << i;
  return <u8>bits;
}
