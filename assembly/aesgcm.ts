// AES-GCM (NIST SP 800-38D) with a 96-bit IV and a 128-bit tag, as ESP uses it (RFC 4106): nonce = salt || IV.
//
// Blocks are encrypted in groups of eight. Three things are not done again for each group:
// - Of the counter blocks of a packet only the last byte differs, but for the group in which it overflows. It goes into one
//   column of the first round's result, with bytes 0, 5 and 10. So what the second round, without its key, makes of this column
//   is the same in all packets whose IVs differ in the last byte only: it is kept for each group.
// - What the second round makes of the other columns is the same in all groups of a packet, and is added to it.
// - Counter 1, whose block masks the tag, would cost a group of its own. Those of eight IVs that differ in the three lowest
//   bits are encrypted together and kept, as IVs usually follow each other.

import { AEAD_CONTEXT_SIZE } from '../src/packet/abi';
import {
  AES_GROUP,
  AES_NEVER,
  AES_ROUND_KEYS,
  aesEncrypt,
  aesExpandKey,
  aesSlice,
  aesUnslice,
  aesXor,
} from './aes';
import { aesRounds } from './aes_rounds';
import { wipe, xorBytes } from './bytes';
import { GHASH_KEY, ghash, ghashInstall } from './ghash';

// A context: u32 number of rounds, 4 bytes salt, u64 the IVs whose tag masks follow, without the three bits, or NO_IVS;
// the tag masks; the bit-sliced round keys; u64 the IVs, without the last byte, to which the states of the groups belong, u32
// a bit for each group whose state is there, 4 bytes zero; the states; the hash key.
const ROUNDS: usize = 0;
const SALT: usize = 4;
const TAG_IVS: usize = 8;
const TAG_MASKS: usize = 16;
const ROUND_KEYS: usize = TAG_MASKS + AES_GROUP;
const GROUP_IVS: usize = ROUND_KEYS + AES_ROUND_KEYS;
const GROUPS_KNOWN: usize = GROUP_IVS + 8;
const GROUPS: usize = GROUP_IVS + 16;
const HASH_KEY: usize = GROUPS + 32 * AES_GROUP;
if (<i32>HASH_KEY + <i32>GHASH_KEY > AEAD_CONTEXT_SIZE) ERROR('the context is too small');

/** The three lowest bits of an IV, as loaded. */
const IV_LOW: u64 = 0x0700000000000000;
/** All of an IV but its last byte, as loaded. */
const IV_HIGH: u64 = 0x00ffffffffffffff;
const NO_IVS: u64 = u64.MAX_VALUE;
/** The counter of the first block of data. */
const FIRST_COUNTER: u32 = 2;

/** Groups that are encrypted side by side: 1,536 bytes. */
const GROUPS_AT_ONCE: u32 = 12;
/** The last group, by its lowest counter modulo 256, in which the last byte overflows. */
const OVERFLOW: u32 = 31;

// All zero between calls.
const STATES = memory.data(1536, 16);
/** The state after the second round without the first round's column that the last counter byte is in. */
const COMMON = memory.data(128, 16);
const KEYSTREAM = memory.data(128, 16);
const NONCE = memory.data(16, 16);

/** Installs a key of `words` 32-bit words, 4 or 8, and the 4-byte salt behind it. */
export function aesGcmInstall(context: usize, key: usize, words: u32): void {
  store<u32>(context, words + 6, ROUNDS);
  store<u32>(context, load<u32>(key + (words << 2)), SALT);
  store<u64>(context, NO_IVS, TAG_IVS);
  aesExpandKey(context + ROUND_KEYS, key, words);
  store<u64>(context, NO_IVS, GROUP_IVS);
  // H is the encrypted zero block.
  aesEncrypt(STATES, context + ROUND_KEYS, words + 6);
  aesUnslice(STATES, KEYSTREAM, KEYSTREAM);
  ghashInstall(context + HASH_KEY, KEYSTREAM);
  wipe(STATES, AES_GROUP);
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
  const last = load<u32>(context, ROUNDS);
  const ivs = load<u64>(iv) & IV_HIGH;
  if (ivs !== load<u64>(context, GROUP_IVS)) {
    store<u64>(context, ivs, GROUP_IVS);
    store<u32>(context, 0, GROUPS_KNOWN);
  }
  let counter = FIRST_COUNTER;
  for (let left = length; left > 0; ) {
    const groups = min((left + AES_GROUP - 1) / AES_GROUP, GROUPS_AT_ONCE);
    const end = STATES + groups * AES_GROUP;
    for (let state = STATES; state !== end; state += AES_GROUP) {
      const group = (counter >> 3) & 31;
      if (counter === FIRST_COUNTER || group === 0 || group === OVERFLOW) commonPart(context, iv, counter);
      if ((load<u32>(context, GROUPS_KNOWN) & (1 << group)) === 0) groupPart(context, iv, group);
      aesXor(state, COMMON, context + GROUPS + group * AES_GROUP);
      counter += 8;
    }
    aesRounds(STATES, groups, roundKeys, 3, AES_NEVER, last);
    for (let state = STATES; state !== end; state += AES_GROUP) {
      if (left < AES_GROUP) {
        aesUnslice(state, KEYSTREAM, KEYSTREAM);
        xorBytes(data, KEYSTREAM, left);
        wipe(KEYSTREAM, AES_GROUP);
        left = 0;
      } else {
        aesUnslice(state, data, data);
        data += AES_GROUP;
        left -= AES_GROUP;
      }
    }
    wipe(STATES, groups * AES_GROUP);
  }
  wipe(COMMON, AES_GROUP);
}

/** The second round of the group of counters from `counter` on, without the column that the last counter byte is in. */
function commonPart(context: usize, iv: usize, counter: u32): void {
  firstRound(COMMON, context, iv, counter);
  for (let i: usize = 0; i < AES_GROUP; i += 16) {
    v128.store(COMMON + i, v128.andnot(v128.load(COMMON + i), inCounterColumn()));
  }
  aesRounds(COMMON, 1, context + ROUND_KEYS, 2, 2, AES_NEVER);
}

/** The second round of group `group`, without the key, of the column that the last counter byte is in: kept for later. */
function groupPart(context: usize, iv: usize, group: u32): void {
  const state = context + GROUPS + group * AES_GROUP;
  const roundKeys = context + ROUND_KEYS;
  firstRound(state, context, iv, FIRST_COUNTER + (group << 3));
  for (let i: usize = 0; i < AES_GROUP; i += 16) {
    v128.store(state + i, v128.and(v128.load(state + i), inCounterColumn()));
  }
  aesRounds(state, 1, roundKeys, 2, 2, AES_NEVER);
  aesXor(state, state, roundKeys + 2 * AES_GROUP);
  store<u32>(context, load<u32>(context, GROUPS_KNOWN) | (1 << group), GROUPS_KNOWN);
}

/** The bytes that make the column with the last counter byte in the first round, and where they stand after it. */
function inCounterColumn(): v128 {
  return i8x16(-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1);
}

/** The first round of the group of counters from `counter` on. */
function firstRound(state: usize, context: usize, iv: usize, counter: u32): void {
  const roundKeys = context + ROUND_KEYS;
  aesSlice(state, nonceBlock(context, iv, counter));
  for (let bit: u32 = 0; bit < 8; bit++) {
    store<u8>(state + (bit << 4), bitOfCounters(counter, bit), 15);
    if ((counter >> 3) % 32 === OVERFLOW) {
      store<u8>(state + (bit << 4), bitOfCounters(counter, bit + 8), 14);
    }
  }
  aesXor(state, state, roundKeys);
  aesRounds(state, 1, roundKeys, 1, 1, AES_NEVER);
}

/** A bit of `counter` and of the seven numbers after it. */
function bitOfCounters(counter: u32, bit: u32): u8 {
  let bits: u32 = 0;
  for (let i: u32 = 0; i < 8; i++) bits |= (((counter + i) >> bit) & 1) << i;
  return <u8>bits;
}
