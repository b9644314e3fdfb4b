// Configuration payload, RFC 7296 section 3.15: its wire form. What the attributes mean is in ../configuration.ts.
import type { Reader, Writer } from '../bytes.js';

export interface ConfigurationAttribute {
  type: number;
  value: Uint8Array;
}

export interface CpPayload {
  type: 'CP';
  /** CFG_REQUEST, CFG_REPLY, CFG_SET or CFG_ACK. */
  cfgType: number;
  attributes: ConfigurationAttribute[];
}

/** The top bit of an attribute's type is reserved. */
const TYPE_MASK = 0x7fff;

export const MAX_ATTRIBUTES = 256;

export function parseCp(reader: Reader): CpPayload {
  const cfgType = reader.u8();
  reader.skip(3);
  const attributes: ConfigurationAttribute[] = [];
  while (reader.remaining > 0) {
    if (attributes.length === MAX_ATTRIBUTES) reader.fail(`more than ${MAX_ATTRIBUTES} attributes`);
    const type = reader.u16() & TYPE_MASK;
    attributes.push({ type, value: reader.bytes(reader.u16()) });
  }
  return { type: 'CP', cfgType, attributes };
}

export function emitCp(writer: Writer, { cfgType, attributes }: CpPayload): void {
  writer.u8(cfgType).u24(0);
  for (const { type, value } of attributes) writer.u16(type).u16(value.length).bytes(value);
}
