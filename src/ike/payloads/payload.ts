// A payload of any type, and the generic header that all of them have (RFC 7296 section 3.2).
import { Reader, type Writer } from '../bytes.js';
import { GENERIC_HEADER_SIZE, PayloadType } from '../constants.js';
import { IkeSyntaxError } from '../syntax.js';
import { type AuthPayload, emitAuth, parseAuth } from './auth.js';
import { type CertPayload, emitCert, parseCert } from './cert.js';
import { type CpPayload, emitCp, parseCp } from './cp.js';
import { type DeletePayload, emitDelete, parseDelete } from './delete.js';
import { emitId, type IdPayload, parseId } from './id.js';
import { emitKe, type KePayload, parseKe } from './ke.js';
import { emitNonce, type NoncePayload, parseNonce } from './nonce.js';
import { emitNotify, type NotifyPayload, parseNotify } from './notify.js';
import {
  type EapPayload,
  emitOpaque,
  parseEap,
  parseUnknown,
  parseVendor,
  type UnknownPayload,
  type VendorPayload,
} from './opaque.js';
import { emitSa, parseSa, type SaPayload } from './sa.js';
import { emitSk, emitSkf, parseSk, parseSkf, type SkfPayload, type SkPayload } from './sk.js';
import { emitTs, parseTs, type TsPayload } from './ts.js';

export type Payload =
  | SaPayload
  | KePayload
  | IdPayload
  | CertPayload
  | AuthPayload
  | NoncePayload
  | NotifyPayload
  | DeletePayload
  | VendorPayload
  | TsPayload
  | SkPayload
  | SkfPayload
  | CpPayload
  | EapPayload
  | UnknownPayload;

/** Bound on the work that one message can cause. */
export const MAX_PAYLOADS = 128;

const CRITICAL = 0x80;

/** The member of `Payload` for a type: `TsPayload` for `TSi`. */
export type PayloadOf<T extends Payload['type'], P extends Payload = Payload> = P extends Payload
  ? T extends P['type']
    ? P
    : never
  : never;

/** The first payload of this type, with its own fields. */
export function findPayload<T extends Payload['type']>(
  payloads: readonly Payload[],
  type: T,
): PayloadOf<T> | undefined {
  return payloads.find((payload): payload is PayloadOf<T> => payload.type === type);
}

/** The first Notify payload with this type. */
export function findNotify(payloads: readonly Payload[], notify: number): NotifyPayload | undefined {
  return payloads.find(
    (payload): payload is NotifyPayload => payload.type === 'N' && payload.notify === notify,
  );
}

export function payloadTypeOf(payload: Payload): number {
  switch (payload.type) {
    case 'unknown':
      return payload.payloadType;
    case 'Nonce':
      return PayloadType.NONCE;
    default:
      return PayloadType[payload.type];
  }
}

export interface GenericHeader {
  type: number;
  critical: boolean;
  next: number;
  /** Where the payload's own bytes are. */
  start: number;
  end: number;
}

/**
 * Walks the generic headers in `bytes` from `offset` on, the first being of type `first`, up to the end of the chain.
 * An Encrypted or Encrypted Fragment payload is the last whatever its next payload field says, which is the type of
 * the first payload inside. The chain must fill `bytes` exactly.
 */
export function walkPayloads(bytes: Uint8Array, first: number, offset: number): GenericHeader[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headers: GenericHeader[] = [];
  let type = first;
  let at = offset;
  while (type !== PayloadType.NONE) {
    if (headers.length === MAX_PAYLOADS)
      throw new IkeSyntaxError(`more than ${MAX_PAYLOADS} payloads`, 'limit');
    if (bytes.length - at < GENERIC_HEADER_SIZE)
      throw new IkeSyntaxError(`payload ${type}: cut off at ${at}`);
    const end = at + view.getUint16(at + 2);
    const start = at + GENERIC_HEADER_SIZE;
    if (end < start || end > bytes.length) throw new IkeSyntaxError(`payload ${type} at ${at}: wrong length`);
    const next = view.getUint8(at);
    headers.push({ type, critical: (view.getUint8(at + 1) & CRITICAL) !== 0, next, start, end });
    at = end;
    type = type === PayloadType.SK || type === PayloadType.SKF ? PayloadType.NONE : next;
  }
  if (at !== bytes.length) throw new IkeSyntaxError(`${bytes.length - at} bytes after the last payload`);
  return headers;
}

export function parsePayloads(bytes: Uint8Array, first: number, offset = 0): Payload[] {
  return walkPayloads(bytes, first, offset).map(header => parsePayload(bytes, header));
}

function parsePayload(bytes: Uint8Array, { type, critical, next, start, end }: GenericHeader): Payload {
  const reader = new Reader(bytes.subarray(start, end), `payload ${type}`);
  switch (type) {
    case PayloadType.SA:
      return parseSa(reader);
    case PayloadType.KE:
      return parseKe(reader);
    case PayloadType.IDi:
      return parseId(reader, 'IDi');
    case PayloadType.IDr:
      return parseId(reader, 'IDr');
    case PayloadType.CERT:
      return parseCert(reader, 'CERT');
    case PayloadType.CERTREQ:
      return parseCert(reader, 'CERTREQ');
    case PayloadType.AUTH:
      return parseAuth(reader);
    case PayloadType.NONCE:
      return parseNonce(reader);
    case PayloadType.N:
      return parseNotify(reader);
    case PayloadType.D:
      return parseDelete(reader);
    case PayloadType.V:
      return parseVendor(reader);
    case PayloadType.TSi:
      return parseTs(reader, 'TSi');
    case PayloadType.TSr:
      return parseTs(reader, 'TSr');
    case PayloadType.SK:
      return parseSk(reader, next);
    case PayloadType.SKF:
      return parseSkf(reader, next);
    case PayloadType.CP:
      return parseCp(reader);
    case PayloadType.EAP:
      return parseEap(reader);
    default:
      return parseUnknown(reader, type, critical);
  }
}

/** Appends the chain of payloads; the first one's type goes into the header in front (`firstPayloadType`). */
export function emitPayloads(writer: Writer, payloads: readonly Payload[]): void {
  for (const [index, payload] of payloads.entries()) {
    const start = writer.length;
    const following = payloads[index + 1];
    writer
      .u8(nextPayload(payload, following))
      .u8(payload.type === 'unknown' && payload.critical ? CRITICAL : 0)
      .u16(0);
    emitBody(writer, payload);
    writer.setU16(start + 2, writer.length - start);
  }
}

export function firstPayloadType(payloads: readonly Payload[]): number {
  return payloads[0] === undefined ? PayloadType.NONE : payloadTypeOf(payloads[0]);
}

function nextPayload(payload: Payload, following: Payload | undefined): number {
  if (payload.type === 'SK' || payload.type === 'SKF') return payload.firstInner;
  return following === undefined ? PayloadType.NONE : payloadTypeOf(following);
}

function emitBody(writer: Writer, payload: Payload): void {
  switch (payload.type) {
    case 'SA':
      emitSa(writer, payload);
      break;
    case 'KE':
      emitKe(writer, payload);
      break;
    case 'IDi':
    case 'IDr':
      emitId(writer, payload);
      break;
    case 'CERT':
    case 'CERTREQ':
      emitCert(writer, payload);
      break;
    case 'AUTH':
      emitAuth(writer, payload);
      break;
    case 'Nonce':
      emitNonce(writer, payload);
      break;
    case 'N':
      emitNotify(writer, payload);
      break;
    case 'D':
      emitDelete(writer, payload);
      break;
    case 'TSi':
    case 'TSr':
      emitTs(writer, payload);
      break;
    case 'SK':
      emitSk(writer, payload);
      break;
    case 'SKF':
      emitSkf(writer, payload);
      break;
    case 'CP':
      emitCp(writer, payload);
      break;
    case 'V':
    case 'EAP':
    case 'unknown':
      emitOpaque(writer, payload);
      break;
  }
}
