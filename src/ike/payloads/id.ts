// Identification payloads, RFC 7296 section 3.5.
import { addressText, tryAddressBytes } from '../../address.js';
import { type Reader, Writer } from '../bytes.js';
import { IdType } from '../constants.js';

export interface IdPayload {
  type: 'IDi' | 'IDr';
  idType: number;
  /** The three reserved bytes when a peer did not send zero: AUTH covers them as sent. */
  reserved?: number;
  data: Uint8Array;
}

export function parseId(reader: Reader, type: IdPayload['type']): IdPayload {
  const idType = reader.u8();
  const reserved = reader.u24();
  const data = reader.rest();
  return reserved === 0 ? { type, idType, data } : { type, idType, reserved, data };
}

export function emitId(writer: Writer, { idType, reserved = 0, data }: IdPayload): void {
  writer.u8(idType).u24(reserved).bytes(data);
}

/** RestOfInitIDPayload and RestOfRespIDPayload of section 2.15: the payload without its generic header. */
export function idBody(payload: IdPayload): Uint8Array {
  const writer = new Writer(4 + payload.data.length);
  emitId(writer, payload);
  return writer.finish();
}

/** In front of an identity that is to be an ID_KEY_ID. */
const KEY_ID_PREFIX = 'keyid:';

/**
 * An address becomes ID_IPV4_ADDR or ID_IPV6_ADDR, `user@host` ID_RFC822_ADDR, `keyid:TEXT` an ID_KEY_ID of the bytes of
 * TEXT, anything else ID_FQDN.
 */
export function identityPayload(type: IdPayload['type'], identity: string): IdPayload {
  if (identity.startsWith(KEY_ID_PREFIX)) {
    return {
      type,
      idType: IdType.KEY_ID,
      data: new TextEncoder().encode(identity.slice(KEY_ID_PREFIX.length)),
    };
  }
  const address = tryAddressBytes(identity);
  if (address !== undefined) {
    return { type, idType: address.length === 4 ? IdType.IPV4_ADDR : IdType.IPV6_ADDR, data: address };
  }
  const idType = identity.includes('@') ? IdType.RFC822_ADDR : IdType.FQDN;
  return { type, idType, data: new TextEncoder().encode(identity) };
}

/** Whether the payload names `identity`: type and bytes are the same; ASCII case is ignored in names. */
export function isIdentity(payload: IdPayload, identity: string): boolean {
  const wanted = identityPayload(payload.type, identity);
  if (wanted.idType !== payload.idType || wanted.data.length !== payload.data.length) return false;
  const isName = payload.idType === IdType.FQDN || payload.idType === IdType.RFC822_ADDR;
  const fold = isName ? lowerCase : (byte: number) => byte;
  return wanted.data.every((byte, index) => fold(byte) === fold(payload.data[index] as number));
}

function lowerCase(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}

/** For people: the address or name, else the type and hexadecimal bytes. Control characters never come out. */
export function identityText({ idType, data }: IdPayload): string {
  if (
    (idType === IdType.IPV4_ADDR && data.length === 4) ||
    (idType === IdType.IPV6_ADDR && data.length === 16)
  ) {
    return addressText(data);
  }
  const isName = idType === IdType.FQDN || idType === IdType.RFC822_ADDR;
  if ((isName || idType === IdType.KEY_ID) && data.every(byte => byte > 0x20 && byte < 0x7f)) {
    return (isName ? '' : KEY_ID_PREFIX) + String.fromCharCode(...data);
  }
  return `type ${idType} ${Buffer.from(data).toString('hex')}`;
}
