/** The packets that all implementations seal and open: one batch of them, all of one size. */
import { randomBytes } from 'node:crypto';
import { BATCH } from '../../packet/abi.js';

export const CRYPTO_SUITES = [
  'chacha20poly1305',
  'aes128gcm16',
  'aes256gcm16',
  'aes256-sha256',
  'aes128-sha256',
] as const;

export type CryptoSuite = (typeof CRYPTO_SUITES)[number];

export const TAG_BYTES = 16;
export const SALT_BYTES = 4;
/** SPI and sequence number: what ESP authenticates besides the packet. */
export const HEADER_BYTES = 8;
export const SPI = 0x1001;
const NEXT_IPV4 = 4;

export interface Keys {
  suite: CryptoSuite;
  /** The cipher's. */
  key: Uint8Array;
  /** AEADs: 4 bytes of each nonce. AES-CBC: the HMAC's key, 32 bytes. */
  salt: Uint8Array;
}

export interface Packet {
  /** SPI and sequence number, in network order. */
  header: Uint8Array;
  /** As it stands in the packet: 8 bytes, with AES-CBC 16. */
  iv: Uint8Array;
  /** Of an AEAD: salt and IV. */
  nonce: Uint8Array;
  plaintext: Uint8Array;
  /** What is encrypted: the plaintext; with AES-CBC ESP's padding, pad length and next header too (RFC 4303, 2.4). */
  padded: Uint8Array;
}

export const isCbc = (suite: CryptoSuite) => suite.endsWith('-sha256');

export function makeKeys(suite: CryptoSuite): Keys {
  const bits = suite.includes('128') ? 128 : 256;
  return { suite, key: randomBytes(bits / 8), salt: randomBytes(isCbc(suite) ? 32 : SALT_BYTES) };
}

/** Packets with the sequence numbers from 1 on, and these IVs. */
export function makePackets({ suite, salt }: Keys, size: number, ivs: readonly Uint8Array[]): Packet[] {
  return ivs.map((iv, index) => {
    const sequence = index + 1;
    const plaintext = randomBytes(size);
    plaintext[0] = 0x45;
    const header = new Uint8Array(HEADER_BYTES);
    new DataView(header.buffer).setUint32(0, SPI);
    new DataView(header.buffer).setUint32(4, sequence);
    const nonce = Uint8Array.from([...salt, ...iv]);
    return { header, iv, nonce, plaintext, padded: isCbc(suite) ? padToBlocks(plaintext) : plaintext };
  });
}

/** With an AEAD the IV is the sequence number (RFC 7634, section 2; RFC 4106, section 3.1). */
export function aeadIvs(): Uint8Array[] {
  return Array.from({ length: BATCH }, (_, index) => {
    const iv = new Uint8Array(8);
    new DataView(iv.buffer).setBigUint64(0, BigInt(index + 1));
    return iv;
  });
}

function padToBlocks(plaintext: Uint8Array): Uint8Array {
  const padding = (30 - (plaintext.length % 16)) % 16;
  const padded = new Uint8Array(plaintext.length + padding + 2);
  padded.set(plaintext);
  for (let i = 1; i <= padding; i++) padded[plaintext.length + i - 1] = i;
  padded.set([padding, NEXT_IPV4], padded.length - 2);
  return padded;
}
