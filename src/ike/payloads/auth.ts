// Authentication payload, RFC 7296 section 3.8.
import type { Reader, Writer } from '../bytes.js';

export interface AuthPayload {
  type: 'AUTH';
  method: number;
  data: Uint8Array;
}

export function parseAuth(reader: Reader): AuthPayload {
  const method = reader.u8();
  reader.skip(3);
  return { type: 'AUTH', method, data: reader.rest() };
}

export function emitAuth(writer: Writer, { method, data }: AuthPayload): void {
  writer.u8(method).u24(0).bytes(data);
}
