// The two directions of an IKE SA: a key that seals what one side sends, and the one that opens it.
import { VpnrError } from '../../errors.js';
import type { Secret } from '../../secret.js';
import type { IkeEncryption } from '../api.js';
import { IkeSyntaxError } from '../syntax.js';
import { AES_128_GCM, AES_256_GCM, CHACHA20_POLY1305 } from './aead.js';
import { AES_128_CBC, AES_256_CBC } from './cbc.js';

/** The fields of an Encrypted payload around its content (RFC 7296 section 3.14), in bytes. */
export interface SealedLayout {
  ivSize: number;
  /** Content, padding and Pad Length are a multiple of this. */
  blockSize: number;
  icvSize: number;
}

/** How payloads are encrypted and authenticated. `keys` are those of one direction. */
export interface Protection extends SealedLayout {
  /** IV, ciphertext and checksum. `count` is another one each time; the plaintext is whole blocks. */
  seal(keys: Uint8Array, count: bigint, associated: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** The plaintext; throws if the checksum is wrong. `sealed` has room for IV, whole blocks and checksum. */
  open(keys: Uint8Array, associated: Uint8Array, sealed: Uint8Array): Uint8Array;
}

const PROTECTIONS: Record<IkeEncryption, Protection> = {
  chacha20poly1305: CHACHA20_POLY1305,
  aes256gcm16: AES_256_GCM,
  aes128gcm16: AES_128_GCM,
  'aes256-sha256': AES_256_CBC,
  'aes128-sha256': AES_128_CBC,
};

const END_OF_IVS = 1n << 64n;

/**
 * Seals what one side sends. IVs are counted, so that none is used twice under one key: there must never be two
 * sealing keys with the same secret.
 */
export class SealingKey {
  readonly #protection: Protection;
  readonly #secret: Secret;
  #nextIv: bigint;

  /** `secret` is key and salt, or the keys for encryption and integrity; this object owns it from now on. */
  constructor(encryption: IkeEncryption, secret: Secret, firstIv = 0n) {
    this.#protection = PROTECTIONS[encryption];
    this.#secret = secret;
    this.#nextIv = firstIv;
  }

  get layout(): SealedLayout {
    return this.#protection;
  }

  /** IV, ciphertext and checksum. */
  seal(associated: Uint8Array, plaintext: Uint8Array): Uint8Array {
    if (this.#nextIv >= END_OF_IVS) throw new VpnrError('INTERNAL', 'all IVs of an IKE SA are used up');
    return this.#protection.seal(this.#secret.reveal(), this.#nextIv++, associated, plaintext);
  }

  wipe(): void {
    this.#secret.wipe();
    // Nothing can be sealed with a key that is all zeros.
    this.#nextIv = END_OF_IVS;
  }
}

/** Opens what the other side sends. */
export class OpeningKey {
  readonly #protection: Protection;
  readonly #secret: Secret;
  #wiped = false;

  /** As in `SealingKey`. */
  constructor(encryption: IkeEncryption, secret: Secret) {
    this.#protection = PROTECTIONS[encryption];
    this.#secret = secret;
  }

  /** The plaintext of `sealed`: IV, ciphertext and checksum. Throws `IkeSyntaxError` unless the checksum is right. */
  open(associated: Uint8Array, sealed: Uint8Array): Uint8Array {
    const { ivSize, blockSize, icvSize } = this.#protection;
    const size = sealed.length - ivSize - icvSize;
    if (size < 0 || size % blockSize !== 0)
      throw new IkeSyntaxError(`Encrypted payload of ${sealed.length} bytes`);
    if (this.#wiped) throw new IkeSyntaxError('the keys of this IKE SA are gone', 'integrity');
    try {
      return this.#protection.open(this.#secret.reveal(), associated, sealed);
    } catch {
      throw new IkeSyntaxError('the checksum of the Encrypted payload is wrong', 'integrity');
    }
  }

  wipe(): void {
    this.#secret.wipe();
    this.#wiped = true;
  }
}
