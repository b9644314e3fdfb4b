// Messages inside an Encrypted payload, RFC 7296 section 3.14, for AEADs with RFC 5282.
//
// Opening, in this order: find the Encrypted payload by generic headers alone; verify and decrypt; remove the padding;
// parse what was inside.

import { Writer } from '../bytes.js';
import { GENERIC_HEADER_SIZE, HEADER_SIZE, PayloadType } from '../constants.js';
import { emitHeader, type Header, type Message, parseHeader } from '../message.js';
import {
  emitPayloads,
  firstPayloadType,
  type Payload,
  parsePayloads,
  walkPayloads,
} from '../payloads/payload.js';
import { IkeSyntaxError } from '../syntax.js';
import type { OpeningKey, SealedLayout, SealingKey } from './sealing.js';

const PAD_LENGTH_SIZE = 1;

/** Bytes of payloads that fit into a datagram, sealed, with `fieldsSize` bytes of fields; below 0 when there is no room. */
export function innerRoom(
  { ivSize, blockSize, icvSize }: SealedLayout,
  datagramSize: number,
  fieldsSize = 0,
): number {
  const room = datagramSize - HEADER_SIZE - GENERIC_HEADER_SIZE - fieldsSize - ivSize - icvSize;
  return room - (room % blockSize) - PAD_LENGTH_SIZE;
}

/** The content with its padding (of zeros) and Pad Length: whole blocks. */
function padded(inner: Uint8Array, blockSize: number): Uint8Array {
  const size = Math.ceil((inner.length + PAD_LENGTH_SIZE) / blockSize) * blockSize;
  const plaintext = new Uint8Array(size);
  plaintext.set(inner);
  plaintext[size - 1] = size - inner.length - PAD_LENGTH_SIZE;
  return plaintext;
}

/** The datagram that carries the message with all of its payloads encrypted. */
export function sealMessage(message: Message, key: SealingKey): Uint8Array {
  const inner = emitInner(message.payloads);
  return sealInner(
    message,
    PayloadType.SK,
    firstPayloadType(message.payloads),
    new Uint8Array(0),
    inner,
    key,
  );
}

export function emitInner(payloads: readonly Payload[]): Uint8Array {
  const writer = new Writer();
  emitPayloads(writer, payloads);
  return writer.finish();
}

/**
 * A datagram with one sealed payload of type SK or SKF. `fields` stand between its generic header and the IV: the
 * fragment numbers of an SKF. All in front of the IV is authenticated (RFC 7296 section 3.14, RFC 5282 section 5.1, RFC 7383
 * section 2.5).
 */
export function sealInner(
  header: Header,
  type: number,
  firstInner: number,
  fields: Uint8Array,
  inner: Uint8Array,
  key: SealingKey,
): Uint8Array {
  const { ivSize, blockSize, icvSize } = key.layout;
  const plaintext = padded(inner, blockSize);
  const payloadSize = GENERIC_HEADER_SIZE + fields.length + ivSize + plaintext.length + icvSize;
  if (payloadSize > 0xffff) throw new RangeError(`an Encrypted payload of ${payloadSize} bytes`);
  const writer = new Writer(HEADER_SIZE + payloadSize);
  emitHeader(writer, header, type, HEADER_SIZE + payloadSize);
  writer.u8(firstInner).u8(0).u16(payloadSize).bytes(fields);
  return writer.bytes(key.seal(writer.finish(), plaintext)).finish();
}

/**
 * The message in a datagram with an Encrypted payload, verified. Payloads outside of the Encrypted payload are left out:
 * they belong to no exchange that is protected. Throws `IkeSyntaxError`, which says whether the checksum was right.
 */
export function openMessage(datagram: Uint8Array, key: OpeningKey): Message {
  const { firstPayload, ...header } = parseHeader(datagram);
  const last = walkPayloads(datagram, firstPayload, HEADER_SIZE).at(-1);
  if (last?.type !== PayloadType.SK) throw new IkeSyntaxError('no Encrypted payload');
  const plaintext = key.open(datagram.subarray(0, last.start), datagram.subarray(last.start, last.end));
  return { ...header, payloads: parseInner(removePadding(plaintext), last.next) };
}

/** The plaintext without its padding, whose content may be anything. */
export function removePadding(plaintext: Uint8Array): Uint8Array {
  const padLength = plaintext.at(-1);
  const size = plaintext.length - PAD_LENGTH_SIZE - (padLength ?? 0);
  if (padLength === undefined || size < 0)
    throw new IkeSyntaxError('padding longer than the payload', 'malformed', true);
  return plaintext.subarray(0, size);
}

/** Parses what was inside of an Encrypted payload. Errors are the peer's own doing: `authenticated` is true. */
export function parseInner(inner: Uint8Array, firstInner: number): Payload[] {
  try {
    const payloads = parsePayloads(inner, firstInner);
    if (payloads.some(({ type }) => type === 'SK' || type === 'SKF')) {
      throw new IkeSyntaxError('an Encrypted payload inside of another');
    }
    return payloads;
  } catch (error) {
    if (error instanceof IkeSyntaxError) throw new IkeSyntaxError(error.message, error.reason, true);
    throw error;
  }
}
