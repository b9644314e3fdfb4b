/** A second entry, not part of the packet core: the primitives that published vectors test, and benchmarks measure, on their own. */
import { aesCbcIcv } from './aescbc';
import { ghash } from './ghash';
import { poly1305Blocks, poly1305Finish, poly1305Start } from './poly1305';

export { aesEncrypt, aesExpandKey } from './aes';
export { aesCbcDecrypt, aesCbcEncrypt, aesCbcInstall } from './aescbc';
export { chacha20End, chacha20Group, chacha20Start } from './chacha20';
export { ghashInstall } from './ghash';

const STATE = memory.data(80, 16);
const BLOCK = memory.data(16, 16);

/** Poly1305 (RFC 8439, section 2.5) of a message of any length, which the AEAD construction never asks for. */
export function poly1305(key: usize, data: usize, length: u32, tag: usize): void {
  poly1305Start(STATE, key);
  poly1305Blocks(STATE, data, length >> 4);
  const part = length & 15;
  if (part > 0) {
    v128.store(BLOCK, i64x2.splat(0));
    memory.copy(BLOCK, data + (length - part), part);
    store<u8>(BLOCK + part, 1);
    // The 1 stands behind the message and not at 2^128: take away what poly1305Blocks adds there, to h3.
    store<u64>(STATE, load<u64>(STATE, 24) - 0x100000000, 24);
    poly1305Blocks(STATE, BLOCK, 1);
  }
  poly1305Finish(STATE, tag);
}

/** HMAC-SHA2-256-128 under the key of an AES-CBC context. */
export function hmacSha256(context: usize, data: usize, length: u32, tag: usize): void {
  v128.store(tag, aesCbcIcv(context, data, length, false, 0));
}

/** GHASH of data without associated data, stored at `hash`. */
export function ghashOf(key: usize, data: usize, length: u32, hash: usize): void {
  v128.store(hash, ghash(key, data, 0, data, length));
}
