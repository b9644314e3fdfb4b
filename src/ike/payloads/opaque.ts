// Payloads whose body is passed on as it is: Vendor ID (RFC 7296 section 3.12), EAP (3.16) and unknown ones (2.5).
import type { Reader, Writer } from '../bytes.js';

export interface VendorPayload {
  type: 'V';
  data: Uint8Array;
}

export interface EapPayload {
  type: 'EAP';
  /** A whole EAP message (RFC 3748). */
  data: Uint8Array;
}

export interface UnknownPayload {
  type: 'unknown';
  payloadType: number;
  /** The sender wants the whole message refused with UNSUPPORTED_CRITICAL_PAYLOAD if this is not understood. */
  critical: boolean;
  data: Uint8Array;
}

export function parseVendor(reader: Reader): VendorPayload {
  return { type: 'V', data: reader.rest() };
}

export function parseEap(reader: Reader): EapPayload {
  return { type: 'EAP', data: reader.rest() };
}

export function parseUnknown(reader: Reader, payloadType: number, critical: boolean): UnknownPayload {
  return { type: 'unknown', payloadType, critical, data: reader.rest() };
}

export function emitOpaque(writer: Writer, { data }: VendorPayload | EapPayload | UnknownPayload): void {
  writer.bytes(data);
}
