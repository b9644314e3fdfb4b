// Key Exchange payload, RFC 7296 section 3.4.
import type { Reader, Writer } from '../bytes.js';

export interface KePayload {
  type: 'KE';
  /** Transform id of the Diffie-Hellman group. */
  group: number;
  data: Uint8Array;
}

export function parseKe(reader: Reader): KePayload {
  const group = reader.u16();
  reader.skip(2);
  return { type: 'KE', group, data: reader.rest() };
}

export function emitKe(writer: Writer, { group, data }: KePayload): void {
  writer.u16(group).u16(0).bytes(data);
}
