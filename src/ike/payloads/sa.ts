// Security Association payload, RFC 7296 section 3.3.
import type { Reader, Writer } from '../bytes.js';
import { TransformAttributeType } from '../constants.js';

export interface TransformAttribute {
  type: number;
  /** A number in the short form (AF bit set), bytes in the long form. */
  value: number | Uint8Array;
}

export interface Transform {
  type: number;
  id: number;
  /** In bits, for ciphers with several key lengths. */
  keyLength?: number;
  /** Attributes other than Key Length. A transform that has one must not be chosen (section 3.3.6). */
  unknownAttributes?: TransformAttribute[];
}

export interface Proposal {
  number: number;
  protocol: number;
  /** Empty in the initial IKE exchange, 8 bytes when rekeying an IKE SA, 4 bytes for ESP. */
  spi: Uint8Array;
  transforms: Transform[];
}

export interface SaPayload {
  type: 'SA';
  proposals: Proposal[];
}

/** Bounds on the work that one SA payload can cause; no known peer comes near them. */
export const MAX_PROPOSALS = 64;
export const MAX_TRANSFORMS = 128;

const MORE_PROPOSALS = 2;
const MORE_TRANSFORMS = 3;
const LAST = 0;
const ATTRIBUTE_FORMAT_SHORT = 0x8000;

const PROPOSAL_HEADER_SIZE = 8;
const TRANSFORM_HEADER_SIZE = 8;

export function parseSa(reader: Reader): SaPayload {
  const proposals: Proposal[] = [];
  let last = false;
  while (!last) {
    if (proposals.length === MAX_PROPOSALS) reader.fail(`more than ${MAX_PROPOSALS} proposals`);
    last = parseLast(reader, MORE_PROPOSALS);
    reader.skip(1);
    proposals.push(parseProposal(reader.part(reader.u16() - 4, 'proposal')));
  }
  reader.end();
  return { type: 'SA', proposals };
}

function parseProposal(reader: Reader): Proposal {
  const number = reader.u8();
  const protocol = reader.u8();
  const spiSize = reader.u8();
  const count = reader.u8();
  if (count > MAX_TRANSFORMS) reader.fail(`more than ${MAX_TRANSFORMS} transforms`);
  const spi = reader.bytes(spiSize);
  const transforms: Transform[] = [];
  for (let index = 0; index < count; index++) {
    if (parseLast(reader, MORE_TRANSFORMS) !== (index === count - 1))
      reader.fail('wrong number of transforms');
    reader.skip(1);
    transforms.push(parseTransform(reader.part(reader.u16() - 4, 'transform')));
  }
  reader.end();
  return { number, protocol, spi, transforms };
}

function parseTransform(reader: Reader): Transform {
  const type = reader.u8();
  reader.skip(1);
  const transform: Transform = { type, id: reader.u16() };
  while (reader.remaining > 0) {
    const attribute = parseAttribute(reader);
    if (attribute.type === TransformAttributeType.KEY_LENGTH && typeof attribute.value === 'number') {
      if (transform.keyLength !== undefined) reader.fail('two key lengths');
      transform.keyLength = attribute.value;
    } else {
      transform.unknownAttributes ??= [];
      transform.unknownAttributes.push(attribute);
    }
  }
  return transform;
}

function parseAttribute(reader: Reader): TransformAttribute {
  const head = reader.u16();
  const type = head & ~ATTRIBUTE_FORMAT_SHORT;
  const second = reader.u16();
  return { type, value: (head & ATTRIBUTE_FORMAT_SHORT) === 0 ? reader.bytes(second) : second };
}

/** The "Last Substruc" field: 0 on the last one, `more` on the others. */
function parseLast(reader: Reader, more: number): boolean {
  const value = reader.u8();
  if (value !== LAST && value !== more) reader.fail(`"last substructure" is ${value}`);
  return value === LAST;
}

export function emitSa(writer: Writer, payload: SaPayload): void {
  for (const [index, proposal] of payload.proposals.entries()) {
    const start = writer.length;
    writer
      .u8(index === payload.proposals.length - 1 ? LAST : MORE_PROPOSALS)
      .u8(0)
      .u16(PROPOSAL_HEADER_SIZE);
    writer.u8(proposal.number).u8(proposal.protocol).u8(proposal.spi.length).u8(proposal.transforms.length);
    writer.bytes(proposal.spi);
    emitTransforms(writer, proposal.transforms);
    writer.setU16(start + 2, writer.length - start);
  }
}

function emitTransforms(writer: Writer, transforms: readonly Transform[]): void {
  for (const [index, { type, id, keyLength, unknownAttributes = [] }] of transforms.entries()) {
    const start = writer.length;
    writer
      .u8(index === transforms.length - 1 ? LAST : MORE_TRANSFORMS)
      .u8(0)
      .u16(TRANSFORM_HEADER_SIZE);
    writer.u8(type).u8(0).u16(id);
    if (keyLength !== undefined) {
      emitAttribute(writer, { type: TransformAttributeType.KEY_LENGTH, value: keyLength });
    }
    for (const attribute of unknownAttributes) emitAttribute(writer, attribute);
    writer.setU16(start + 2, writer.length - start);
  }
}

function emitAttribute(writer: Writer, { type, value }: TransformAttribute): void {
  if (typeof value === 'number') writer.u16(type | ATTRIBUTE_FORMAT_SHORT).u16(value);
  else writer.u16(type).u16(value.length).bytes(value);
}
