// The ciphers of ESP behind one interface: a key is installed once in a context, packets are sealed and opened in place.
// AES-CBC has its keys here too, but an interface of its own (aescbc.ts).

import {
  AEAD_CONTEXT_SIZE,
  ERR_SUITE,
  OK,
  SUITE_AES_128_CBC_SHA256,
  SUITE_AES_128_GCM,
  SUITE_AES_256_CBC_SHA256,
  SUITE_AES_256_GCM,
  SUITE_CHACHA20_POLY1305,
} from '../src/packet/abi';
import { aesCbcInstall } from './aescbc';
import { aesGcmInstall, aesGcmOpen, aesGcmSeal } from './aesgcm';
import {
  chacha20Poly1305Finish,
  chacha20Poly1305Install,
  chacha20Poly1305Open,
  chacha20Poly1305Seal,
} from './chacha20poly1305';

export { AEAD_CONTEXT_SIZE } from '../src/packet/abi';

/**
 * Installs a key in a context.
 *
 * @param key the cipher's key and then 4 bytes of salt, as IKE derives them (RFC 7634, section 3; RFC 4106, section 8.1);
 *   with AES-CBC the HMAC's key in place of the salt (RFC 7296, section 2.17)
 * @returns OK, or ERR_SUITE for an unknown suite
 */
export function aeadInstall(suite: i32, context: usize, key: usize): i32 {
  if (suite === SUITE_CHACHA20_POLY1305) chacha20Poly1305Install(context, key);
  else if (suite === SUITE_AES_128_GCM) aesGcmInstall(context, key, 4);
  else if (suite === SUITE_AES_256_GCM) aesGcmInstall(context, key, 8);
  else if (suite === SUITE_AES_128_CBC_SHA256) aesCbcInstall(context, key, 4);
  else if (suite === SUITE_AES_256_CBC_SHA256) aesCbcInstall(context, key, 8);
  else return ERR_SUITE;
  return OK;
}

/**
 * Encrypts `length` bytes at `data` in place. The 16-byte tag behind them may be missing until the next packet is sealed, as it
 * costs less then, or until aeadFinish.
 *
 * @param suite the one that the context was installed for, not one with AES-CBC
 * @param iv the explicit IV, 8 bytes as in the packet; it is never used twice with a context
 * @param aad `aadLength` bytes that are authenticated only
 */
export function aeadSeal(
  suite: i32,
  context: usize,
  iv: usize,
  aad: usize,
  aadLength: u32,
  data: usize,
  length: u32,
): void {
  if (suite === SUITE_CHACHA20_POLY1305) chacha20Poly1305Seal(context, iv, aad, aadLength, data, length);
  else aesGcmSeal(context, iv, aad, aadLength, data, length);
}

/** Writes the tag that may be missing in the packet sealed last: to be called behind the last one of a batch. */
export function aeadFinish(): void {
  chacha20Poly1305Finish();
}

/**
 * Decrypts the `length` bytes at `data` in place if the tag behind them is right; it is compared in constant time.
 *
 * @returns false if the tag is wrong: `data` holds zeros or is unchanged then, and nothing of the plaintext is in memory
 */
export function aeadOpen(
  suite: i32,
  context: usize,
  iv: usize,
  aad: usize,
  aadLength: u32,
  data: usize,
  length: u32,
): bool {
  if (suite === SUITE_CHACHA20_POLY1305) {
    return chacha20Poly1305Open(context, iv, aad, aadLength, data, length);
  }
  return aesGcmOpen(context, iv, aad, aadLength, data, length);
}

/** Forgets the key. */
export function aeadWipe(context: usize): void {
  memory.fill(context, 0, AEAD_CONTEXT_SIZE);
}
