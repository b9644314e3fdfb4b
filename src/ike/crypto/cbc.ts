// AES-CBC (RFC 3602) with HMAC-SHA2-256-128 (RFC 4868), for gateways that have no AEAD in IKE: encrypted first, then
// authenticated, header and IV included (RFC 7296 section 3.14). Both are the platform's, which takes constant time.
import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';
import { concat, u64Bytes } from '../bytes.js';
import type { Protection } from './sealing.js';

const BLOCK_SIZE = 16;
/** RFC 4868 section 2.1.1. */
export const INTEGRITY_KEY_SIZE = 32;
const ICV_SIZE = 16;
/** Shorter, with the count, than any message that the same key authenticates. */
const IV_LABEL = new TextEncoder().encode('vpnr AES-CBC IV');

export const AES_256_CBC = protection('aes-256-cbc');
export const AES_128_CBC = protection('aes-128-cbc');

/** The keys are the one for encryption and then the one for integrity. */
function protection(name: 'aes-256-cbc' | 'aes-128-cbc'): Protection {
  const split = (keys: Uint8Array): [encryption: Uint8Array, integrity: Uint8Array] => {
    const size = keys.length - INTEGRITY_KEY_SIZE;
    return [keys.subarray(0, size), keys.subarray(size)];
  };
  return {
    ivSize: BLOCK_SIZE,
    blockSize: BLOCK_SIZE,
    icvSize: ICV_SIZE,
    seal(keys, count, associated, plaintext) {
      const [encryption, integrity] = split(keys);
      // Unlike the count it cannot be foreseen, which CBC needs (RFC 3602 section 3).
      const iv = hmac(integrity, IV_LABEL, u64Bytes(count)).subarray(0, BLOCK_SIZE);
      const cipher = createCipheriv(name, encryption, iv).setAutoPadding(false);
      const encrypted = concat(iv, cipher.update(plaintext), cipher.final());
      return concat(encrypted, checksum(integrity, associated, encrypted));
    },
    open(keys, associated, sealed) {
      const [encryption, integrity] = split(keys);
      const end = sealed.length - ICV_SIZE;
      const encrypted = sealed.subarray(0, end);
      if (!timingSafeEqual(checksum(integrity, associated, encrypted), sealed.subarray(end)))
        throw new Error('the checksum is wrong');
      const iv = encrypted.subarray(0, BLOCK_SIZE);
      const decipher = createDecipheriv(name, encryption, iv).setAutoPadding(false);
      return concat(decipher.update(encrypted.subarray(BLOCK_SIZE)), decipher.final());
    },
  };
}

function checksum(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  return hmac(key, ...parts).subarray(0, ICV_SIZE);
}

function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHmac('sha256', key);
  for (const part of parts) hash.update(part);
  return hash.digest();
}
