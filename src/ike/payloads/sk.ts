// Encrypted payload (RFC 7296 section 3.14) and Encrypted Fragment payload (RFC 7383 section 2.5), still sealed.
// `body` is IV, ciphertext and checksum; what it means is for crypto/protected.ts to say.
import type { Reader, Writer } from '../bytes.js';

export interface SkPayload {
  type: 'SK';
  /** Type of the first payload inside, 0 when there is none. */
  firstInner: number;
  body: Uint8Array;
}

export interface SkfPayload {
  type: 'SKF';
  /** As in `SkPayload`, in fragment 1; 0 in all others. */
  firstInner: number;
  /** 1 to `total`. */
  fragment: number;
  total: number;
  body: Uint8Array;
}

export function parseSk(reader: Reader, firstInner: number): SkPayload {
  return { type: 'SK', firstInner, body: reader.rest() };
}

export function parseSkf(reader: Reader, firstInner: number): SkfPayload {
  const fragment = reader.u16();
  const total = reader.u16();
  if (fragment === 0 || fragment > total) reader.fail(`fragment ${fragment} of ${total}`);
  if (fragment > 1 && firstInner !== 0) reader.fail('a later fragment with a payload type');
  return { type: 'SKF', firstInner, fragment, total, body: reader.rest() };
}

export function emitSk(writer: Writer, { body }: SkPayload): void {
  writer.bytes(body);
}

export function emitSkf(writer: Writer, { fragment, total, body }: SkfPayload): void {
  writer.u16(fragment).u16(total).bytes(body);
}
