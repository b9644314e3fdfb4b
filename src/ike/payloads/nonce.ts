// Nonce payload, RFC 7296 section 3.9.
import type { Reader, Writer } from '../bytes.js';

export interface NoncePayload {
  type: 'Nonce';
  /** 16 to 256 bytes. */
  data: Uint8Array;
}

const MIN_NONCE_SIZE = 16;
const MAX_NONCE_SIZE = 256;

export function parseNonce(reader: Reader): NoncePayload {
  const size = reader.remaining;
  if (size < MIN_NONCE_SIZE || size > MAX_NONCE_SIZE) reader.fail(`${size} bytes of nonce`);
  return { type: 'Nonce', data: reader.rest() };
}

export function emitNonce(writer: Writer, { data }: NoncePayload): void {
  writer.bytes(data);
}
