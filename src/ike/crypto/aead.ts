// Authenticated encryption of payloads: RFC 5282 for AES-GCM, RFC 7634 for ChaCha20-Poly1305. Both take a nonce of
// 4 bytes salt, from the key material, and 8 bytes IV, which stands in front of the ciphertext.
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { VpnrError } from '../../errors.js';
import type { Secret } from '../../secret.js';
import type { IkeEncryption } from '../api.js';
import { concat, u64Bytes } from '../bytes.js';
import { IkeSyntaxError } from '../syntax.js';

const SALT_SIZE = 4;
const IV_SIZE = 8;
const ICV_SIZE = 16;
const END_OF_IVS = 1n << 64n;

/** Bytes that sealing adds: IV, checksum. */
export const AEAD_OVERHEAD = IV_SIZE + ICV_SIZE;

/** One key's use of a cipher, with nonce and associated data: ciphertext with the checksum behind it, and back. */
interface Aead {
  encrypt(plaintext: Uint8Array): Uint8Array;
  /** Throws if the checksum is wrong. */
  decrypt(sealed: Uint8Array): Uint8Array;
}

function aeadOf(encryption: IkeEncryption, keyAndSalt: Secret, iv: Uint8Array, associated: Uint8Array): Aead {
  const bytes = keyAndSalt.reveal();
  const keySize = bytes.length - SALT_SIZE;
  const key = bytes.subarray(0, keySize);
  const nonce = concat(bytes.subarray(keySize), iv);
  if (encryption === 'chacha20poly1305') return chacha20poly1305(key, nonce, associated);
  return aesGcm(encryption === 'aes256gcm16' ? 'aes-256-gcm' : 'aes-128-gcm', key, nonce, associated);
}

/** The platform's AES: in portable JavaScript it would need tables that are indexed by secrets. */
function aesGcm(
  name: 'aes-128-gcm' | 'aes-256-gcm',
  key: Uint8Array,
  nonce: Uint8Array,
  associated: Uint8Array,
): Aead {
  const options = { authTagLength: ICV_SIZE };
  return {
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
  };
}

/**
 * Seals what one side sends. The IV counts up, so that none is used twice under one key: there must never be two
 * sealing keys with the same secret.
 */
export class SealingKey {
  readonly #encryption: IkeEncryption;
  readonly #secret: Secret;
  #nextIv: bigint;

  /** `secret` is key and salt; this object owns it from now on. */
  constructor(encryption: IkeEncryption, secret: Secret, firstIv = 0n) {
    this.#encryption = encryption;
    this.#secret = secret;
    this.#nextIv = firstIv;
  }

  /** IV, ciphertext and checksum. */
  seal(associated: Uint8Array, plaintext: Uint8Array): Uint8Array {
    if (this.#nextIv >= END_OF_IVS) throw new VpnrError('INTERNAL', 'all IVs of an IKE SA are used up');
    const iv = u64Bytes(this.#nextIv++);
    return concat(iv, aeadOf(this.#encryption, this.#secret, iv, associated).encrypt(plaintext));
  }

  wipe(): void {
    this.#secret.wipe();
    // Nothing can be sealed with a key that is all zeros.
    this.#nextIv = END_OF_IVS;
  }
}

/** Opens what the other side sends. */
export class OpeningKey {
  readonly #encryption: IkeEncryption;
  readonly #secret: Secret;
  #wiped = false;

  /** `secret` is key and salt; this object owns it from now on. */
  constructor(encryption: IkeEncryption, secret: Secret) {
    this.#encryption = encryption;
    this.#secret = secret;
  }

  /** The plaintext of `sealed`: IV, ciphertext and checksum. Throws `IkeSyntaxError` unless the checksum is right. */
  open(associated: Uint8Array, sealed: Uint8Array): Uint8Array {
    if (sealed.length < AEAD_OVERHEAD)
      throw new IkeSyntaxError(`Encrypted payload of ${sealed.length} bytes`);
    if (this.#wiped) throw new IkeSyntaxError('the keys of this IKE SA are gone', 'integrity');
    const iv = sealed.subarray(0, IV_SIZE);
    try {
      return aeadOf(this.#encryption, this.#secret, iv, associated).decrypt(sealed.subarray(IV_SIZE));
    } catch {
      throw new IkeSyntaxError('the checksum of the Encrypted payload is wrong', 'integrity');
    }
  }

  wipe(): void {
    this.#secret.wipe();
    this.#wiped = true;
  }
}
