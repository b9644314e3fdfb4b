// ESP with the combined-mode ciphers (RFC 4303, RFC 4106, RFC 7634), slow and readable.
import { gcm } from '@noble/ciphers/aes.js';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { concat } from '../support/bytes.js';

export type Suite = 'chacha20poly1305' | 'aes256gcm16' | 'aes128gcm16';

export const SUITES: readonly Suite[] = ['chacha20poly1305', 'aes256gcm16', 'aes128gcm16'];

export interface EspSa {
  suite: Suite;
  spi: number;
  /** Key, then 4 bytes of salt. */
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
  /** 8 bytes; the sequence number if absent. */
  iv?: Uint8Array;
  /** Padding and pad length, instead of the shortest right ones. */
  padding?: Uint8Array;
}

export const IPV4 = 4;
export const IPV6 = 41;
export const DUMMY = 59;

export const keyLength = (suite: Suite): number => (suite === 'aes128gcm16' ? 20 : 36);

/** The ESP packet that carries a payload. */
export function sealEsp(sa: EspSa, content: EspContent, options: EspOptions = {}): Uint8Array {
  const shortest = (4 - ((content.payload.length + 2) % 4)) % 4;
  const padding = options.padding ?? paddingOf(shortest);
  const iv = options.iv ?? bigEndian(content.sequence, 8);
  const plaintext = concat(content.payload, padding, Uint8Array.of(content.nextHeader));
  return concat(
    bigEndian(BigInt(sa.spi), 4),
    bigEndian(content.sequence & 0xffff_ffffn, 4),
    iv,
    cipher(sa, iv, content.sequence).encrypt(plaintext),
  );
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
  const plaintext = cipher(sa, packet.slice(8, 16), sequence).decrypt(packet.slice(16));
  const [length = 0, nextHeader = 0] = plaintext.subarray(-2);
  const payload = plaintext.slice(0, plaintext.length - 2 - length);
  plaintext.subarray(payload.length, -2).forEach((byte, i) => {
    if (byte !== i + 1) throw new Error('padding');
  });
  return { sequence, payload, nextHeader };
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
