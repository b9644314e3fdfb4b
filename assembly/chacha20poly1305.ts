// AEAD_CHACHA20_POLY1305 (RFC 8439, section 2.8) as ESP uses it (RFC 7634, section 2): nonce = salt || IV.
//
// A packet's keystream comes in groups of four blocks. Block 0 of the first group gives the one-time key of Poly1305, blocks
// 1 to 3 encrypt the first 192 bytes; each further group encrypts 256 bytes and meanwhile authenticates.

import { loadPart, wipe, xorBytes } from './bytes';
import { CHACHA20_GROUP, CHACHA20_MAC_BLOCKS, chacha20Group } from './chacha20';
import { poly1305Blocks, poly1305Finish, poly1305Start } from './poly1305';

// A context holds 32 bytes of key and 4 of salt.
const CONTEXT_BYTES = 36;

/** Bytes that the first group encrypts, and where their keystream is in it. */
const HEAD: u32 = 192;
const HEAD_KEYSTREAM: usize = 64;

/** Keystream of the first group and of the last one where it is not whole. Zero between calls. */
const FIRST = memory.data(256, 16);
const LAST = memory.data(256, 16);
/** State of Poly1305. Zero between calls. */
const MAC = memory.data(80, 16);
/** A block of what is authenticated that does not stand in the packet like this; a computed tag. */
const BLOCK = memory.data(16, 16);

export function chacha20Poly1305Install(context: usize, key: usize): void {
  memory.copy(context, key, CONTEXT_BYTES);
}

/** See aeadSeal. */
export function chacha20Poly1305Seal(
  context: usize,
  iv: usize,
  aad: usize,
  aadLength: u32,
  data: usize,
  length: u32,
): void {
  start(context, iv, aad, aadLength);
  xorBytes(data, FIRST + HEAD_KEYSTREAM, min(length, HEAD));
  // The authenticator follows one group behind the cipher.
  let hashed: u32 = 0;
  let counter: u32 = 4;
  for (let done = HEAD; done < length; done += CHACHA20_GROUP) {
    const blocks = min((done - hashed) >> 4, CHACHA20_MAC_BLOCKS);
    const whole = length - done >= CHACHA20_GROUP;
    chacha20Group(context, iv, counter, whole ? data + done : LAST, MAC, data + hashed, blocks);
    if (!whole) xorBytes(data + done, LAST, length - done);
    hashed += blocks << 4;
    counter += 4;
  }
  finish(aadLength, data, length, hashed, data + length);
  wipe(FIRST, CHACHA20_GROUP);
  wipe(LAST, CHACHA20_GROUP);
}

/** See aeadOpen. A wrong tag leaves zeros in place of the data. */
export function chacha20Poly1305Open(
  context: usize,
  iv: usize,
  aad: usize,
  aadLength: u32,
  data: usize,
  length: u32,
): bool {
  start(context, iv, aad, aadLength);
  // The authenticator must be ahead of the cipher, which decrypts whole groups in place: by the first group, so much
  // that what is left of it, and then each next one, fits into the time of one group.
  const blocks = length >> 4;
  let hashed = min(blocks, (HEAD + CHACHA20_GROUP) / 16 - CHACHA20_MAC_BLOCKS);
  poly1305Blocks(MAC, data, hashed);
  let counter: u32 = 4;
  let done = HEAD;
  for (; done < length; done += CHACHA20_GROUP) {
    const more = min(blocks - hashed, CHACHA20_MAC_BLOCKS);
    const whole = length - done >= CHACHA20_GROUP;
    chacha20Group(context, iv, counter, whole ? data + done : LAST, MAC, data + (hashed << 4), more);
    hashed += more;
    counter += 4;
  }
  finish(aadLength, data, length, hashed << 4, BLOCK);
  const authentic = !v128.any_true(v128.xor(v128.load(BLOCK), v128.load(data + length)));
  if (authentic) {
    xorBytes(data, FIRST + HEAD_KEYSTREAM, min(length, HEAD));
    // What the last group, unless whole, still has to decrypt.
    if (length > HEAD) {
      const rest = (length - HEAD) & (CHACHA20_GROUP - 1);
      xorBytes(data + (length - rest), LAST, rest);
    }
  } else {
    memory.fill(data, 0, length);
  }
  wipe(FIRST, CHACHA20_GROUP);
  wipe(LAST, CHACHA20_GROUP);
  wipe(BLOCK, 16);
  return authentic;
}

/** Makes the first group of keystream, starts the authenticator with its first 32 bytes (section 2.6), takes in the AAD. */
function start(context: usize, iv: usize, aad: usize, aadLength: u32): void {
  chacha20Group(context, iv, 0, FIRST, MAC, aad, 0);
  poly1305Start(MAC, FIRST);
  poly1305Blocks(MAC, aad, aadLength >> 4);
  authenticatePart(aad, aadLength);
}

/** Takes in what is left of the ciphertext after `hashed` bytes, and the lengths; writes the tag. */
function finish(aadLength: u32, data: usize, length: u32, hashed: u32, tag: usize): void {
  poly1305Blocks(MAC, data + hashed, (length - hashed) >> 4);
  authenticatePart(data, length);
  store<u64>(BLOCK, aadLength);
  store<u64>(BLOCK, length, 8);
  poly1305Blocks(MAC, BLOCK, 1);
  poly1305Finish(MAC, tag);
}

/** The last block, if not whole, of `length` bytes, padded with zeros. */
function authenticatePart(data: usize, length: u32): void {
  const part = length & 15;
  if (part === 0) return;
  v128.store(BLOCK, loadPart(data + (length - part), part));
  poly1305Blocks(MAC, BLOCK, 1);
}
