// Authenticated encryption of payloads: RFC 5282 for AES-GCM, RFC 7634 for ChaCha20-Poly1305. Both take a nonce of
// 4 bytes salt, from the key material, and 8 bytes IV, which stands in front of the ciphertext.
import { gcm } from '@noble/ciphers/aes.js';
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

const CIPHER: Record<IkeEncryption, typeof chacha20poly1305 | typeof gcm> = {
  chacha20poly1305,
  aes256gcm16: gcm,
  aes128gcm16: gcm,
};

function cipher(encryption: IkeEncryption, keyAndSalt: Secret, iv: Uint8Array, associated: Uint8Array) {
  const bytes = keyAndSalt.reveal();
  const keySize = bytes.length - SALT_SIZE;
  const nonce = concat(bytes.subarray(keySize), iv);
  return CIPHER[encryption](bytes.subarray(0, keySize), nonce, associated);
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
    return concat(iv, cipher(this.#encryption, this.#secret, iv, associated).encrypt(plaintext));
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
      return cipher(this.#encryption, this.#secret, iv, associated).decrypt(sealed.subarray(IV_SIZE));
    } catch {
      throw new IkeSyntaxError('the checksum of the Encrypted payload is wrong', 'integrity');
    }
  }

  wipe(): void {
    this.#secret.wipe();
    this.#wiped = true;
  }
}
