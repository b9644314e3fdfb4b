// Authenticated encryption of payloads: RFC 5282 for AES-GCM, RFC 7634 for ChaCha20-Poly1305. Both take a nonce of
// 4 bytes salt, from the key material, and 8 bytes IV, which stands in front of the ciphertext.
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { concat, u64Bytes } from '../bytes.js';
import type { Protection } from './sealing.js';

const SALT_SIZE = 4;
const IV_SIZE = 8;
const ICV_SIZE = 16;

/** One key's use of a cipher, with nonce and associated data: ciphertext with the checksum behind it, and back. */
interface Aead {
  encrypt(plaintext: Uint8Array): Uint8Array;
  /** Throws if the checksum is wrong. */
  decrypt(sealed: Uint8Array): Uint8Array;
}

type AeadOf = (key: Uint8Array, nonce: Uint8Array, associated: Uint8Array) => Aead;

export const CHACHA20_POLY1305 = protection(chacha20poly1305);
export const AES_256_GCM = protection(aesGcm('aes-256-gcm'));
export const AES_128_GCM = protection(aesGcm('aes-128-gcm'));

/** The keys are a key and its salt. The IV is the count itself: there are no two under one key. */
function protection(aeadOf: AeadOf): Protection {
  const make = (keys: Uint8Array, iv: Uint8Array, associated: Uint8Array) => {
    const keySize = keys.length - SALT_SIZE;
    return aeadOf(keys.subarray(0, keySize), concat(keys.subarray(keySize), iv), associated);
  };
  return {
    ivSize: IV_SIZE,
    blockSize: 1,
    icvSize: ICV_SIZE,
    seal(keys, count, associated, plaintext) {
      const iv = u64Bytes(count);
      return concat(iv, make(keys, iv, associated).encrypt(plaintext));
    },
    open(keys, associated, sealed) {
      return make(keys, sealed.subarray(0, IV_SIZE), associated).decrypt(sealed.subarray(IV_SIZE));
    },
  };
}

/** The platform's AES: in portable JavaScript it would need tables that are indexed by secrets. */
function aesGcm(name: 'aes-128-gcm' | 'aes-256-gcm'): AeadOf {
  const options = { authTagLength: ICV_SIZE };
  return (key, nonce, associated) => ({
    encrypt(plaintext) {
      const cipher = createCipheriv(name, key, nonce, options).setAAD(associated);
      return concat(cipher.update(plaintext), cipher.final(), cipher.getAuthTag());
    },
    decrypt(sealed) {
      const end = sealed.length - ICV_SIZE;
      const decipher = createDecipheriv(name, key, nonce, options).setAAD(associated);
      decipher.setAuthTag(sealed.subarray(end));
      return concat(decipher.update(sealed.subarray(0, end)), decipher.final());
    },
  });
}
