// AEAD_CHACHA20_POLY1305 (RFC 8439, section 2.8) as ESP uses it (RFC 7634, section 2): nonce = salt || IV.

import { xorBytes } from './bytes';
import { CHACHA20_GROUP, chacha20Xor } from './chacha20';
import { poly1305Blocks, poly1305Finish, poly1305Start } from './poly1305';

// A context: 32 bytes key, 4 bytes salt.
const KEY_BYTES = 32;
const SALT: usize = 32;

/** Keystream of the group that holds the one-time key and the first 192 bytes, and of the last, partial one. */
const KEYSTREAM = memory.data(256, 16);
const MAC = memory.data(80, 16);
/** The last, partial block of what is authenticated, padded with zeros; then the block of lengths; then a tag. */
const BLOCK = memory.data(16, 16);

/** Bytes of the first group that are keystream for the data: its first block gives the one-time key. */
const FIRST: u32 = CHACHA20_GROUP - 64;

export function chacha20Poly1305Install(context: usize, key: usize): void {
  memory.copy(context, key, KEY_BYTES + 4);
}

export function chacha20Poly1305Seal(
  context: usize,
  iv: usize,
  aad: usize,
  aadLength: u32,
  data: usize,
  length: u32,
): void {
  startFirstGroup(context, iv);
  encrypt(context, iv, data, length);
  authenticate(aad, aadLength, data, length, data + length);
}

export function chacha20Poly1305Open(
  context: usize,
  iv: usize,
  aad: usize,
  aadLength: u32,
  data: usize,
  length: u32,
): bool {
  startFirstGroup(context, iv);
  authenticate(aad, aadLength, data, length, BLOCK);
  const difference = v128.xor(v128.load(BLOCK), v128.load(data + length));
  v128.store(BLOCK, i64x2.splat(0));
  if (v128.any_true(difference)) {
    memory.fill(KEYSTREAM, 0, CHACHA20_GROUP);
    return false;
  }
  encrypt(context, iv, data, length);
  return true;
}

/** Makes blocks 0 to 3 of the keystream, of which the first is the one-time key (RFC 8439, section 2.6). */
function startFirstGroup(context: usize, iv: usize): void {
  keystreamGroup(context, iv, 0);
  poly1305Start(MAC, KEYSTREAM);
}

function keystreamGroup(context: usize, iv: usize, counter: u32): void {
  memory.fill(KEYSTREAM, 0, CHACHA20_GROUP);
  group(context, iv, counter, KEYSTREAM);
}

function group(context: usize, iv: usize, counter: u32, data: usize): void {
  chacha20Xor(context, load<u32>(context + SALT), load<u32>(iv), load<u32>(iv, 4), counter, data);
}

function encrypt(context: usize, iv: usize, data: usize, length: u32): void {
  xorBytes(data, KEYSTREAM + 64, min(length, FIRST));
  let counter: u32 = 4;
  let done = FIRST;
  for (; done + CHACHA20_GROUP <= length; done += CHACHA20_GROUP) {
    group(context, iv, counter, data + done);
    counter += 4;
  }
  if (done < length) {
    keystreamGroup(context, iv, counter);
    xorBytes(data + done, KEYSTREAM, length - done);
  }
  memory.fill(KEYSTREAM, 0, CHACHA20_GROUP);
}

function authenticate(aad: usize, aadLength: u32, data: usize, length: u32, tag: usize): void {
  padded(aad, aadLength);
  padded(data, length);
  store<u64>(BLOCK, aadLength);
  store<u64>(BLOCK, length, 8);
  poly1305Blocks(MAC, BLOCK, 1);
  poly1305Finish(MAC, tag);
}

function padded(data: usize, length: u32): void {
  poly1305Blocks(MAC, data, length >> 4);
  const rest = length & 15;
  if (rest === 0) return;
  v128.store(BLOCK, i64x2.splat(0));
  memory.copy(BLOCK, data + (length - rest), rest);
  poly1305Blocks(MAC, BLOCK, 1);
}
