// The ciphers of the packet core and the two implementations that they are compared with.
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { gcm } from '@noble/ciphers/aes.js';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import {
  AEAD_CONTEXT_SIZE,
  OK,
  SUITE_AES_128_GCM,
  SUITE_AES_256_GCM,
  SUITE_CHACHA20_POLY1305,
} from '../../src/packet/abi.js';
import { PacketCore } from '../../src/packet/core.js';

export interface Suite {
  name: 'chacha20-poly1305' | 'aes-128-gcm' | 'aes-256-gcm';
  code: number;
  keyBytes: number;
}

export const SUITES: readonly Suite[] = [
  { name: 'chacha20-poly1305', code: SUITE_CHACHA20_POLY1305, keyBytes: 32 },
  { name: 'aes-128-gcm', code: SUITE_AES_128_GCM, keyBytes: 16 },
  { name: 'aes-256-gcm', code: SUITE_AES_256_GCM, keyBytes: 32 },
];

export const TAG = 16;
export const SALT = 4;

// Far above the core's own tables.
const BASE = 0x8000000;
const KEY = BASE;
const IV = BASE + 64;
const CONTEXT = BASE + 4096;
/** Bytes in front of and behind what a call may change. */
const GUARD = 512;
/** Bytes from the guard in front of a message to the end of the one behind the longest. */
const SURROUNDINGS = 0x8000;
const AAD = CONTEXT + 2 * AEAD_CONTEXT_SIZE;
const DATA = AAD + 0x20000;

/** One suite of the packet core, keyed. Nonces have 12 bytes; a sealed message is ciphertext and tag. */
export class CoreAead {
  readonly core: PacketCore;
  readonly suite: Suite;
  /** Where the last message is or was. */
  readonly data = DATA;
  readonly context = CONTEXT;

  constructor(suite: Suite, core = new PacketCore()) {
    this.core = core;
    this.suite = suite;
  }

  /** A nonce's first 4 bytes belong to the key in ESP; the others come with the packet. */
  install(key: Uint8Array, nonce: Uint8Array): void {
    if (key.length !== this.suite.keyBytes) throw new RangeError(`key of ${key.length} bytes`);
    const { bytes: memory, exports } = this.core;
    memory.set(key, KEY);
    memory.set(nonce.subarray(0, SALT), KEY + key.length);
    if (exports.aeadInstall(this.suite.code, CONTEXT, KEY) !== OK) throw new Error('unknown suite');
    memory.fill(0, KEY, KEY + 64);
  }

  wipe(): void {
    this.core.exports.aeadWipe(CONTEXT);
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const { bytes: memory, exports } = this.core;
    this.#place(nonce, aad, plaintext);
    exports.aeadSeal(this.suite.code, CONTEXT, IV, AAD, aad.length, DATA, plaintext.length);
    exports.aeadFinish();
    this.#checkGuards(aad, plaintext.length + TAG);
    return memory.slice(DATA, DATA + plaintext.length + TAG);
  }

  /** The plaintext, or undefined if the tag is wrong; what is in place of the data then can be seen in memory. */
  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
    const { bytes: memory, exports } = this.core;
    const length = sealed.length - TAG;
    this.#place(nonce, aad, sealed);
    const ok = exports.aeadOpen(this.suite.code, CONTEXT, IV, AAD, aad.length, DATA, length);
    this.#checkGuards(aad, sealed.length);
    if (Buffer.compare(memory.subarray(DATA + length, DATA + sealed.length), sealed.subarray(length)) !== 0) {
      throw new Error('aeadOpen changed the tag');
    }
    return ok === 0 ? undefined : memory.slice(DATA, DATA + length);
  }

  #place(nonce: Uint8Array, aad: Uint8Array, message: Uint8Array): void {
    const { bytes: memory } = this.core;
    memory.set(nonce.subarray(SALT), IV);
    memory.fill(0xa5, AAD - 16, AAD + aad.length + 16);
    memory.set(aad, AAD);
    memory.fill(0x5a, DATA - GUARD, DATA + message.length + TAG + GUARD);
    memory.set(message, DATA);
  }

  #checkGuards(aad: Uint8Array, length: number): void {
    const { bytes: memory } = this.core;
    const isGuard = (byte: number): boolean => byte === 0x5a;
    if (
      !memory.subarray(DATA - GUARD, DATA).every(isGuard) ||
      !memory.subarray(DATA + length, DATA + length + GUARD).every(isGuard) ||
      Buffer.compare(memory.subarray(AAD, AAD + aad.length), aad) !== 0
    ) {
      throw new Error('a byte outside the data and the tag was changed');
    }
  }

  /** Everything that a call may have written to: the core's static data, and the surroundings of the message. */
  *writable(): Generator<Buffer> {
    const { bytes: memory, exports } = this.core;
    yield Buffer.from(memory.buffer, 0, exports.staticEnd.value);
    yield Buffer.from(memory.buffer, DATA - GUARD, SURROUNDINGS);
  }

  /** Whether all the memory that is neither written to here nor by a call as described is still zero. */
  restIsZero(): boolean {
    const { bytes: memory, exports } = this.core;
    const zeros = Buffer.alloc(1 << 20);
    const isZero = (from: number, to: number): boolean => {
      for (let at = from; at < to; at += zeros.length) {
        const length = Math.min(zeros.length, to - at);
        if (zeros.compare(memory, at, at + length, 0, length) !== 0) return false;
      }
      return true;
    };
    return isZero(exports.staticEnd.value, BASE) && isZero(DATA - GUARD + SURROUNDINGS, memory.length);
  }
}

/** The readable reference. */
export function nobleAead(suite: Suite, key: Uint8Array, nonce: Uint8Array, aad: Uint8Array) {
  return suite.name === 'chacha20-poly1305' ? chacha20poly1305(key, nonce, aad) : gcm(key, nonce, aad);
}

/** The platform's implementation. */
export function nodeSeal(
  suite: Suite,
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  // The cast only picks an overload: all three suites are AEADs.
  const cipher = createCipheriv(suite.name as 'aes-128-gcm', key, nonce, { authTagLength: TAG });
  cipher.setAAD(aad, { plaintextLength: plaintext.length });
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** What decryption gives for a sealed message whose tag nobody looks at. */
export function nodeDecrypt(
  suite: Suite,
  key: Uint8Array,
  nonce: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array {
  const cipher = createDecipheriv(suite.name as 'aes-128-gcm', key, nonce, { authTagLength: TAG });
  return cipher.update(ciphertext);
}

/** Opens with the platform's implementation; throws if the tag is wrong. */
export function nodeOpen(
  suite: Suite,
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array {
  const cipher = createDecipheriv(suite.name as 'aes-128-gcm', key, nonce, { authTagLength: TAG });
  cipher.setAAD(aad, { plaintextLength: sealed.length - TAG });
  cipher.setAuthTag(sealed.subarray(sealed.length - TAG));
  return Buffer.concat([cipher.update(sealed.subarray(0, sealed.length - TAG)), cipher.final()]);
}
