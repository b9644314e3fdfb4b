// The IKE header (RFC 7296 section 3.1) and messages as a whole.
import { Reader, Writer } from './bytes.js';
import { HEADER_SIZE, HeaderFlag, VERSION } from './constants.js';
import { emitPayloads, firstPayloadType, type Payload, parsePayloads } from './payloads/payload.js';
import { IkeSyntaxError } from './syntax.js';

export interface Header {
  initiatorSpi: bigint;
  /** 0 in the first message of an IKE SA. */
  responderSpi: bigint;
  /** An `ExchangeType`, or a number that this implementation does not know. */
  exchange: number;
  /** The sender is the original initiator of the IKE SA. */
  initiator: boolean;
  response: boolean;
  messageId: number;
}

export interface Message extends Header {
  payloads: Payload[];
}

/** The header of a datagram, with the type of the first payload. */
export interface ParsedHeader extends Header {
  firstPayload: number;
}

const FLAGS_OFFSET = 19;
const LENGTH_OFFSET = 24;

/**
 * Reads the header alone: whom the datagram is for. Throws `IkeSyntaxError`, with `reason` `version` for another
 * major version. A higher minor version is accepted (section 2.5).
 */
export function parseHeader(datagram: Uint8Array): ParsedHeader {
  const reader = new Reader(datagram, 'header');
  const initiatorSpi = reader.u64();
  const responderSpi = reader.u64();
  const firstPayload = reader.u8();
  const version = reader.u8();
  if (version >> 4 !== VERSION >> 4) {
    throw new IkeSyntaxError(`major version ${version >> 4}, expected ${VERSION >> 4}`, 'version');
  }
  const exchange = reader.u8();
  const flags = reader.u8();
  const messageId = reader.u32();
  const length = reader.u32();
  if (length !== datagram.length) reader.fail(`length ${length} in a datagram of ${datagram.length}`);
  return {
    initiatorSpi,
    responderSpi,
    firstPayload,
    exchange,
    initiator: (flags & HeaderFlag.INITIATOR) !== 0,
    response: (flags & HeaderFlag.RESPONSE) !== 0,
    messageId,
  };
}

/** Whether a message of ours is a response. */
export function isResponse(datagram: Uint8Array): boolean {
  return ((datagram[FLAGS_OFFSET] ?? 0) & HeaderFlag.RESPONSE) !== 0;
}

/** Parses a message; an Encrypted payload in it stays sealed (see crypto/protected.ts). Throws `IkeSyntaxError`. */
export function parseMessage(datagram: Uint8Array): Message {
  const { firstPayload, ...header } = parseHeader(datagram);
  return { ...header, payloads: parsePayloads(datagram, firstPayload, HEADER_SIZE) };
}

export function emitMessage(message: Message): Uint8Array {
  const writer = new Writer();
  emitHeader(writer, message, firstPayloadType(message.payloads), 0);
  emitPayloads(writer, message.payloads);
  const datagram = writer.finish();
  new DataView(datagram.buffer).setUint32(LENGTH_OFFSET, datagram.length);
  return datagram;
}

export function emitHeader(writer: Writer, header: Header, firstPayload: number, length: number): void {
  const flags = (header.initiator ? HeaderFlag.INITIATOR : 0) | (header.response ? HeaderFlag.RESPONSE : 0);
  writer.u64(header.initiatorSpi).u64(header.responderSpi);
  writer.u8(firstPayload).u8(VERSION).u8(header.exchange).u8(flags);
  writer.u32(header.messageId).u32(length);
}
