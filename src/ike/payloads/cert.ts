// Certificate and Certificate Request payloads, RFC 7296 sections 3.6 and 3.7: one encoding byte, then data.
import type { Reader, Writer } from '../bytes.js';

export interface CertPayload {
  type: 'CERT' | 'CERTREQ';
  encoding: number;
  data: Uint8Array;
}

export function parseCert(reader: Reader, type: CertPayload['type']): CertPayload {
  return { type, encoding: reader.u8(), data: reader.rest() };
}

export function emitCert(writer: Writer, { encoding, data }: CertPayload): void {
  writer.u8(encoding).bytes(data);
}
