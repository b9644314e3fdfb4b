// AES-CBC with HMAC-SHA2-256-128, as ESP uses them together (RFC 3602, RFC 4868): encrypted first, then authenticated. For gateways
// that have nothing else.
//
// An IV must be unpredictable (RFC 3602, section 3). It is the packet's sequence number, encrypted under a key of its own:
// the first method of NIST SP 800-38A, appendix C, for which a number that does not come twice is enough. The key comes from
// the one of the association by HMAC. Eight IVs are made together and kept, as sequence numbers follow each other.
//
// Decryption takes eight blocks at once; encryption cannot, since every block depends on the one before.

import { AEAD_CONTEXT_SIZE } from '../src/packet/abi';
import { AES_GROUP, AES_ROUND_KEYS, aesDecrypt, aesEncrypt, aesExpandKey, aesSlice, aesUnslice } from './aes';
import { wipe } from './bytes';
import { HMAC_KEY, HMAC_KEY_BYTES, hmac, hmacInstall } from './sha256';

// A context: u32 number of rounds, 4 bytes zero, u64 the sequence number of the first of the IVs or NO_IVS; eight IVs; the HMAC
// key; the round keys, and those for IVs.
const ROUNDS: usize = 0;
const FIRST_IV: usize = 8;
const IVS: usize = 16;
const MAC_KEY: usize = IVS + AES_GROUP;
const ROUND_KEYS: usize = MAC_KEY + HMAC_KEY;
const IV_ROUND_KEYS: usize = ROUND_KEYS + AES_ROUND_KEYS;
if (<i32>IV_ROUND_KEYS + <i32>AES_ROUND_KEYS > AEAD_CONTEXT_SIZE) ERROR('the context is too small');

const NO_IVS: u64 = u64.MAX_VALUE;
/** What the keys of IVs are derived from, besides the key: "vpnr AES-CBC IV1" and "vpnr AES-CBC IV2". */
const LABELS = memory.data<u8>([
  0x76, 0x70, 0x6e, 0x72, 0x20, 0x41, 0x45, 0x53, 0x2d, 0x43, 0x42, 0x43, 0x20, 0x49, 0x56, 0x31, 0x76, 0x70,
  0x6e, 0x72, 0x20, 0x41, 0x45, 0x53, 0x2d, 0x43, 0x42, 0x43, 0x20, 0x49, 0x56, 0x32,
]);
/** All zero. */
const ZEROS = memory.data(128, 16);

// All zero between calls, but for ciphertext.
const STATE = memory.data(128, 16);
const BLOCK = memory.data(16, 16);
const IV_KEY = memory.data(32, 16);
const CIPHERTEXT = memory.data(144, 16);

/** Installs an AES key of `words` 32-bit words, 4 or 8, and the 32 bytes of the HMAC key behind it. */
export function aesCbcInstall(context: usize, key: usize, words: u32): void {
  store<u32>(context, words + 6, ROUNDS);
  store<u64>(context, NO_IVS, FIRST_IV);
  aesExpandKey(context + ROUND_KEYS, key, words);
  memory.copy(IV_KEY, key, words << 2);
  hmacInstall(context + MAC_KEY, IV_KEY);
  v128.store(STATE, hmac(context + MAC_KEY, LABELS, 16, false, 0));
  v128.store(STATE, hmac(context + MAC_KEY, LABELS + 16, 16, false, 0), 16);
  aesExpandKey(context + IV_ROUND_KEYS, STATE, words);
  memory.copy(IV_KEY, key + (words << 2), HMAC_KEY_BYTES);
  hmacInstall(context + MAC_KEY, IV_KEY);
  wipe(IV_KEY, HMAC_KEY_BYTES);
  wipe(STATE, AES_GROUP);
}

/** Stores the IV of a sequence number, 16 bytes. */
export function aesCbcIv(context: usize, sequence: u64, iv: usize): void {
  const first = sequence & ~7;
  const ivs = context + IVS;
  if (first !== load<u64>(context, FIRST_IV)) {
    store<u64>(BLOCK, bswap<u64>(first), 8);
    aesSlice(ivs, BLOCK);
    // The eight blocks differ in the three lowest bits of the last byte.
    store<u8>(ivs, 0b10101010, 15);
    store<u8>(ivs, 0b11001100, 16 + 15);
    store<u8>(ivs, 0b11110000, 32 + 15);
    aesEncrypt(ivs, context + IV_ROUND_KEYS, load<u32>(context, ROUNDS));
    aesUnslice(ivs, ivs, ZEROS);
    store<u64>(context, first, FIRST_IV);
    store<u64>(BLOCK, 0, 8);
  }
  v128.store(iv, v128.load(ivs + ((<usize>(sequence & 7)) << 4)));
}

/** Encrypts `length` bytes, a multiple of 16, at `source`; `target` may be up to 16 bytes behind it. */
export function aesCbcEncrypt(context: usize, iv: usize, target: usize, source: usize, length: u32): void {
  const rounds = load<u32>(context, ROUNDS);
  let before = v128.load(iv);
  let next = v128.load(source);
  for (const end = source + length; source !== end; ) {
    v128.store(BLOCK, v128.xor(before, next));
    aesSlice(STATE, BLOCK);
    aesEncrypt(STATE, context + ROUND_KEYS, rounds);
    aesUnslice(STATE, STATE, ZEROS);
    before = v128.load(STATE);
    source += 16;
    // Before the target reaches it; behind the last block nothing comes of it.
    next = v128.load(source);
    v128.store(target, before);
    target += 16;
  }
  wipe(STATE, AES_GROUP);
  wipe(BLOCK, 16);
}

/** Decrypts `length` bytes, a multiple of 16, at `source`; `target` may be up to 16 bytes before it. */
export function aesCbcDecrypt(context: usize, iv: usize, target: usize, source: usize, length: u32): void {
  const rounds = load<u32>(context, ROUNDS);
  v128.store(CIPHERTEXT, v128.load(iv));
  while (length > 0) {
    const bytes = min(length, AES_GROUP);
    for (let i: u32 = 0; i < bytes; i += 16) v128.store(CIPHERTEXT + i, v128.load(source + i), 16);
    aesDecrypt(STATE, CIPHERTEXT + 16, context + ROUND_KEYS, rounds);
    for (let i: u32 = 0; i < bytes; i += 16) {
      v128.store(target + i, v128.xor(v128.load(STATE + i), v128.load(CIPHERTEXT + i)));
    }
    v128.store(CIPHERTEXT, v128.load(CIPHERTEXT + bytes));
    source += bytes;
    target += bytes;
    length -= bytes;
  }
  wipe(STATE, AES_GROUP);
}

/** The ICV of `length` bytes at `data` and, with extended sequence numbers, the upper half of the number (RFC 4303, 2.2.1). */
export function aesCbcIcv(context: usize, data: usize, length: u32, esn: bool, high: u32): v128 {
  return hmac(context + MAC_KEY, data, length, esn, high);
}
