// ESP (RFC 4303) with the combined-mode ciphers (RFC 4106, RFC 7634) and with AES-CBC and HMAC-SHA2-256-128 (RFC 3602,
// RFC 4868), slow and readable.
import { createCipheriv, createHmac } from 'node:crypto';
import { cbc, gcm } from '@noble/ciphers/aes.js';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { concat } from '../support/bytes.js';

export type Suite = 'chacha20poly1305' | 'aes256gcm16' | 'aes128gcm16' | 'aes256-sha256' | 'aes128-sha256';

export const SUITES: readonly Suite[] = [
  'chacha20poly1305',
  'aes256gcm16',
  'aes128gcm16',
  'aes256-sha256',
  'aes128-sha256',
];

export interface EspSa {
  suite: Suite;
  spi: number;
  /** Key, then 4 bytes of salt; or the keys for encryption and integrity. */
  key: Uint8Array;
  esn?: boolean;
}

export interface EspContent {
  /** All 64 bits, with or without extended sequence numbers. */
  sequence: bigint;
  payload: Uint8Array;
  nextHeader: number;
}

export interface EspOptions {
  /** 8 bytes, with AES-CBC 16; if absent the sequence number, with AES-CBC encrypted. */
  iv?: Uint8Array;
  /** Padding and pad length, instead of the shortest right ones. */
  padding?: Uint8Array;
}

export const IPV4 = 4;
export const IPV6 = 41;
export const DUMMY = 59;

const HMAC_KEY = 32;
const ICV = 16;

const isCbc = (suite: Suite): boolean => suite.endsWith('-sha256');
const aesKeyLength = (suite: Suite): number => (suite.startsWith('aes128') ? 16 : 32);

export const keyLength = (suite: Suite): number => aesKeyLength(suite) + (isCbc(suite) ? HMAC_KEY : 4);

/** The ESP packet that carries a payload. */
export function sealEsp(sa: EspSa, content: EspContent, options: EspOptions = {}): Uint8Array {
  const block = isCbc(sa.suite) ? 16 : 4;
  const shortest = (block - ((content.payload.length + 2) % block)) % block;
  const padding = options.padding ?? paddingOf(shortest);
  const iv = options.iv ?? (isCbc(sa.suite) ? cbcIv(sa, content.sequence) : bigEndian(content.sequence, 8));
  const plaintext = concat(content.payload, padding, Uint8Array.of(content.nextHeader));
  const head = concat(bigEndian(BigInt(sa.spi), 4), bigEndian(content.sequence & 0xffff_ffffn, 4), iv);
  if (!isCbc(sa.suite)) return concat(head, cipher(sa, iv, content.sequence).encrypt(plaintext));
  const packet = concat(head, blockCipher(sa, iv).encrypt(plaintext));
  return concat(packet, icvOf(sa, packet, content.sequence));
}

/** `length` bytes of padding, 1, 2, 3 and so on, and the pad length. */
export function paddingOf(length: number): Uint8Array {
  return Uint8Array.from({ length: length + 1 }, (_, i) => (i === length ? length : i + 1));
}

/** What an ESP packet carries. `high`: the sequence number's upper half. Throws if anything is wrong with it. */
export function openEsp(sa: EspSa, packet: Uint8Array, high = 0n): EspContent {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  if (view.getUint32(0) !== sa.spi) throw new Error('SPI');
  if (packet.length % 4 !== 0) throw new Error('alignment');
  const sequence = (high << 32n) | BigInt(view.getUint32(4));
  const plaintext = isCbc(sa.suite) ? openCbc(sa, packet, sequence) : openAead(sa, packet, sequence);
  const [length = 0, nextHeader = 0] = plaintext.subarray(-2);
  const payload = plaintext.slice(0, plaintext.length - 2 - length);
  plaintext.subarray(payload.length, -2).forEach((byte, i) => {
    if (byte !== i + 1) throw new Error('padding');
  });
  return { sequence, payload, nextHeader };
}

function openAead(sa: EspSa, packet: Uint8Array, sequence: bigint): Uint8Array {
  return cipher(sa, packet.slice(8, 16), sequence).decrypt(packet.slice(16));
}

function openCbc(sa: EspSa, packet: Uint8Array, sequence: bigint): Uint8Array {
  const icv = packet.slice(-ICV);
  const authenticated = packet.slice(0, -ICV);
  if (Buffer.compare(icv, icvOf(sa, authenticated, sequence)) !== 0) throw new Error('ICV');
  return blockCipher(sa, packet.slice(8, 24)).decrypt(authenticated.slice(24));
}

function blockCipher(sa: EspSa, iv: Uint8Array) {
  return cbc(sa.key.slice(0, aesKeyLength(sa.suite)), iv, { disablePadding: true });
}

/** As the packet core makes it (assembly/aescbc.ts). */
function cbcIv(sa: EspSa, sequence: bigint): Uint8Array {
  const length = aesKeyLength(sa.suite);
  const derived = [1, 2].map(number =>
    createHmac('sha256', sa.key.slice(0, length)).update(`vpnr AES-CBC IV${number}`).digest().subarray(0, 16),
  );
  const cipher = createCipheriv(`aes-${length * 8}-ecb`, concat(...derived).subarray(0, length), null);
  return Uint8Array.from(cipher.update(bigEndian(sequence, 16)));
}

/** RFC 4303 section 2.2.1: with extended sequence numbers the upper half comes last. */
function icvOf(sa: EspSa, authenticated: Uint8Array, sequence: bigint): Uint8Array {
  const hmac = createHmac('sha256', sa.key.slice(-HMAC_KEY)).update(authenticated);
  if (sa.esn === true) hmac.update(bigEndian(sequence >> 32n, 4));
  return Uint8Array.from(hmac.digest().subarray(0, ICV));
}

function cipher(sa: EspSa, iv: Uint8Array, sequence: bigint) {
  const key = sa.key.slice(0, -4);
  const nonce = concat(sa.key.slice(-4), iv);
  const number = sa.esn === true ? bigEndian(sequence, 8) : bigEndian(sequence & 0xffff_ffffn, 4);
  const aad = concat(bigEndian(BigInt(sa.spi), 4), number);
  return sa.suite === 'chacha20poly1305' ? chacha20poly1305(key, nonce, aad) : gcm(key, nonce, aad);
}

function bigEndian(value: bigint, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => Number((value >> BigInt(8 * (length - 1 - i))) & 0xffn));
}
