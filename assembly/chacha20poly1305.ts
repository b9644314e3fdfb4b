// AEAD_CHACHA20_POLY1305 (RFC 8439, section 2.8) as ESP uses it (RFC 7634, section 2): nonce = salt || IV.
//
// A packet's keystream comes in groups of four blocks. Block 0 of the first group gives the one-time key of Poly1305, blocks
// 1 to 3 encrypt the first 192 bytes; each further group encrypts 256 bytes and meanwhile authenticates. What the last group of
// a sealed packet has encrypted is authenticated during the first group of the next one, which has nothing else to take in.

import { copyBlocks, loadPart, wipe, xorBytes } from './bytes';
import { CHACHA20_GROUP, CHACHA20_MAC_BLOCKS, chacha20End, chacha20Group, chacha20Start } from './chacha20';
import { poly1305Blocks, poly1305Finish, poly1305Start } from './poly1305';

// A context holds 32 bytes of key and 4 of salt.
const CONTEXT_BYTES = 36;

/** Bytes that the first group encrypts, and where their keystream is in it. */
const HEAD: u32 = 192;
const HEAD_KEYSTREAM: u32 = 64;
/** Blocks that must be authenticated before the group behind the first one decrypts in place. */
const LEAD: u32 = (HEAD + CHACHA20_GROUP) / 16 - CHACHA20_MAC_BLOCKS;

/** Keystream of the first group and of the last one where it is not whole. Zero between calls. */
const FIRST = memory.data(256, 16);
const LAST = memory.data(256, 16);
/** State of Poly1305. Zero between calls, but while a tag is missing. */
const MAC = memory.data(80, 16);
/** Up to two blocks of what is authenticated that do not stand in the packet like this; a computed tag. */
const BLOCK = memory.data(32, 16);

/** Of the packet sealed last: where its tag is missing, or 0, and the blocks to authenticate before, the lengths' being the last. */
let missingTag: usize = 0;
let tailBlocks: u32 = 0;
const TAIL = memory.data(CHACHA20_GROUP + 16, 16);

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
  // At most the last group's 256 bytes are left.
  const end = data + length;
  const part = length & 15;
  const rest = length - hashed - part;
  copyBlocks(TAIL, data + hashed, rest);
  v128.store(TAIL + rest, loadPart(end - part, part));
  tailBlocks = (rest + part + 15) >> 4;
  v128.store(TAIL + (tailBlocks++ << 4), i64x2.replace_lane(i64x2.splat(aadLength), 1, length));
  missingTag = end;
  chacha20End();
  wipe(FIRST, CHACHA20_GROUP);
  wipe(LAST, CHACHA20_GROUP);
}

/** See aeadFinish. */
export function chacha20Poly1305Finish(): void {
  if (missingTag === 0) return;
  poly1305Blocks(MAC, TAIL, tailBlocks);
  poly1305Finish(MAC, missingTag);
  missingTag = 0;
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
  // The authenticator must be ahead of the cipher, which decrypts whole groups in place, by what it cannot take in meanwhile.
  // The last group, unless whole, decrypts nothing yet, so making its keystream first gives that lead.
  const blocks = length >> 4;
  const rest = length > HEAD ? (length - HEAD) & (CHACHA20_GROUP - 1) : 0;
  let hashed = min(blocks, rest > 0 ? CHACHA20_MAC_BLOCKS : LEAD);
  if (rest > 0) {
    chacha20Group(context, iv, (length + HEAD_KEYSTREAM - rest) >> 6, LAST, MAC, data, hashed);
  } else {
    poly1305Blocks(MAC, data, hashed);
  }
  let counter: u32 = 4;
  for (let done = HEAD; done + CHACHA20_GROUP <= length; done += CHACHA20_GROUP) {
    const more = min(blocks - hashed, CHACHA20_MAC_BLOCKS);
    chacha20Group(context, iv, counter, data + done, MAC, data + (hashed << 4), more);
    hashed += more;
    counter += 4;
  }
  poly1305Blocks(MAC, data + (hashed << 4), blocks - hashed);
  const part = length & 15;
  v128.store(BLOCK, loadPart(data + (length - part), part));
  v128.store(BLOCK, i64x2.replace_lane(i64x2.splat(aadLength), 1, length), 16);
  if (part === 0) poly1305Blocks(MAC, BLOCK + 16, 1);
  else poly1305Blocks(MAC, BLOCK, 2);
  poly1305Finish(MAC, BLOCK);
  const authentic = !v128.any_true(v128.xor(v128.load(BLOCK), v128.load(data + length)));
  if (authentic) {
    xorBytes(data, FIRST + HEAD_KEYSTREAM, min(length, HEAD));
    xorBytes(data + (length - rest), LAST, rest);
  } else {
    memory.fill(data, 0, length);
  }
  chacha20End();
  wipe(FIRST, CHACHA20_GROUP);
  wipe(LAST, CHACHA20_GROUP);
  wipe(BLOCK, 16);
  return authentic;
}

/**
 * Makes the first group of keystream, and meanwhile the tag that is missing. Starts the authenticator with the first 32 bytes
 * (section 2.6), and takes in the AAD.
 */
function start(context: usize, iv: usize, aad: usize, aadLength: u32): void {
  chacha20Start(context, iv);
  chacha20Group(context, iv, 0, FIRST, MAC, TAIL, missingTag === 0 ? 0 : tailBlocks);
  if (missingTag !== 0) poly1305Finish(MAC, missingTag);
  missingTag = 0;
  poly1305Start(MAC, FIRST);
  if (aadLength >= 16) poly1305Blocks(MAC, aad, aadLength >> 4);
  const part = aadLength & 15;
  if (part === 0) return;
  v128.store(BLOCK, loadPart(aad + (aadLength - part), part));
  poly1305Blocks(MAC, BLOCK, 1);
}
