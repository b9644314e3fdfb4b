/** `node:crypto` and `@noble/ciphers`, which return new buffers and need an object for each packet. */
import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';
import { cbc, gcm } from '@noble/ciphers/aes.js';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import type { Implementation, ImplementationName, Make } from './implementation.js';
import { type CryptoSuite, HEADER_BYTES, isCbc, type Keys, type Packet, TAG_BYTES } from './packets.js';

const NAMES: Record<CryptoSuite, string> = {
  chacha20poly1305: 'chacha20-poly1305',
  aes128gcm16: 'aes-128-gcm',
  aes256gcm16: 'aes-256-gcm',
  'aes256-sha256': 'aes-256-cbc',
  'aes128-sha256': 'aes-128-cbc',
};
const CBC_IV_BYTES = 16;

/** How one packet is sealed and opened. */
interface Cipher {
  seal(packet: Packet): Uint8Array;
  open(packet: Packet, sealed: Uint8Array): Uint8Array;
}

export const node: Make = (keys, packets, sealed) =>
  returning('node', isCbc(keys.suite) ? nodeCbc(keys) : nodeAead(keys), packets, sealed);

export const noble: Make = (keys, packets, sealed) =>
  returning('noble', isCbc(keys.suite) ? nobleCbc(keys) : nobleAead(keys), packets, sealed);

function nodeAead({ suite, key }: Keys): Cipher {
  // The cast only picks an overload: all of these are AEADs.
  const name = NAMES[suite] as 'aes-256-gcm';
  const options = { authTagLength: TAG_BYTES };
  return {
    seal({ header, nonce, padded }) {
      const cipher = createCipheriv(name, key, nonce, options);
      cipher.setAAD(header, { plaintextLength: padded.length });
      return Buffer.concat([cipher.update(padded), cipher.final(), cipher.getAuthTag()]);
    },
    open({ header, nonce }, sealed) {
      const length = sealed.length - TAG_BYTES;
      const cipher = createDecipheriv(name, key, nonce, options);
      cipher.setAAD(header, { plaintextLength: length });
      cipher.setAuthTag(sealed.subarray(length));
      return Buffer.concat([cipher.update(sealed.subarray(0, length)), cipher.final()]);
    },
  };
}

function nobleAead({ suite, key }: Keys): Cipher {
  const make = suite === 'chacha20poly1305' ? chacha20poly1305 : gcm;
  return {
    seal: ({ header, nonce, padded }) => make(key, nonce, header).encrypt(padded),
    open: ({ header, nonce }, sealed) => make(key, nonce, header).decrypt(sealed),
  };
}

function nodeCbc(keys: Keys): Cipher {
  const name = NAMES[keys.suite];
  return withHmac(keys, {
    encrypt(key, iv, plaintext) {
      const cipher = createCipheriv(name, key, iv).setAutoPadding(false);
      return Buffer.concat([cipher.update(plaintext), cipher.final()]);
    },
    decrypt(key, iv, ciphertext) {
      const cipher = createDecipheriv(name, key, iv).setAutoPadding(false);
      return Buffer.concat([cipher.update(ciphertext), cipher.final()]);
    },
  });
}

function nobleCbc(keys: Keys): Cipher {
  const options = { disablePadding: true };
  return withHmac(keys, {
    encrypt: (key, iv, plaintext) => cbc(key, iv, options).encrypt(plaintext),
    decrypt: (key, iv, ciphertext) => cbc(key, iv, options).decrypt(ciphertext),
  });
}

/** Encrypt, then HMAC-SHA2-256-128 of node:crypto over the whole packet: noble's ciphers come without a hash. */
function withHmac(
  { key, salt }: Keys,
  mode: Record<'encrypt' | 'decrypt', (key: Uint8Array, iv: Uint8Array, data: Uint8Array) => Uint8Array>,
): Cipher {
  const icv = (...parts: Uint8Array[]) => {
    const hmac = createHmac('sha256', salt);
    for (const part of parts) hmac.update(part);
    return hmac.digest().subarray(0, TAG_BYTES);
  };
  return {
    seal({ header, iv, padded }) {
      const ciphertext = mode.encrypt(key, iv, padded);
      return Buffer.concat([header, iv, ciphertext, icv(header, iv, ciphertext)]);
    },
    open({ iv }, sealed) {
      const end = sealed.length - TAG_BYTES;
      if (!timingSafeEqual(icv(sealed.subarray(0, end)), sealed.subarray(end))) {
        throw new Error('an ICV is wrong');
      }
      return mode.decrypt(key, iv, sealed.subarray(HEADER_BYTES + CBC_IV_BYTES, end));
    },
  };
}

function returning(
  name: ImplementationName,
  { seal, open }: Cipher,
  packets: readonly Packet[],
  sealed: readonly Uint8Array[],
): Implementation {
  const results: Uint8Array[] = [];
  let inputs = sealed;
  const size = packets[0]?.plaintext.length;
  return {
    name,
    prepare() {
      inputs = sealed;
    },
    run(operation) {
      packets.forEach((packet, index) => {
        results[index] = operation === 'seal' ? seal(packet) : open(packet, inputs[index] as Uint8Array);
      });
    },
    result(index, operation) {
      const result = results[index] as Uint8Array;
      return operation === 'seal' ? result : result.subarray(0, size);
    },
    spoil(index) {
      inputs = sealed.map((bytes, i) => (i === index ? spoilt(bytes) : bytes));
    },
  };
}

/** With a bit changed behind header and IV. */
function spoilt(sealed: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(sealed);
  const at = copy.length - TAG_BYTES - 1;
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}
