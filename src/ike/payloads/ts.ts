// Traffic Selector payloads, RFC 7296 section 3.13.
import { addressBytes, addressNumber, addressText } from '../../address.js';
import type { TrafficSelector } from '../api.js';
import type { Reader, Writer } from '../bytes.js';
import { TsType } from '../constants.js';

export interface TsPayload {
  type: 'TSi' | 'TSr';
  /** Selectors of a type other than an IPv4 or IPv6 range are left out: they select nothing here. */
  selectors: TrafficSelector[];
}

const SELECTOR_HEADER_SIZE = 8;

export function parseTs(reader: Reader, type: TsPayload['type']): TsPayload {
  const count = reader.u8();
  reader.skip(3);
  const selectors: TrafficSelector[] = [];
  for (let index = 0; index < count; index++) {
    const tsType = reader.u8();
    const protocol = reader.u8();
    const selector = parseSelector(reader.part(reader.u16() - 4, 'traffic selector'), tsType, protocol);
    if (selector !== undefined) selectors.push(selector);
  }
  reader.end();
  return { type, selectors };
}

function parseSelector(reader: Reader, tsType: number, protocol: number): TrafficSelector | undefined {
  if (tsType !== TsType.IPV4_ADDR_RANGE && tsType !== TsType.IPV6_ADDR_RANGE) return undefined;
  const firstPort = reader.u16();
  const lastPort = reader.u16();
  // First above last is reserved for OPAQUE, 65535 to 0.
  const isOpaque = firstPort === 65535 && lastPort === 0;
  if (firstPort > lastPort && !isOpaque) reader.fail('ports in the wrong order');
  const size = tsType === TsType.IPV4_ADDR_RANGE ? 4 : 16;
  const first = reader.bytes(size);
  const last = reader.bytes(size);
  reader.end();
  if (addressNumber(first) > addressNumber(last)) reader.fail('addresses in the wrong order');
  return {
    family: size === 4 ? 4 : 6,
    protocol,
    firstPort,
    lastPort,
    first: addressText(first),
    last: addressText(last),
  };
}

export function emitTs(writer: Writer, { selectors }: TsPayload): void {
  writer.u8(selectors.length).u24(0);
  for (const selector of selectors) {
    const first = addressBytes(selector.first);
    writer.u8(selector.family === 4 ? TsType.IPV4_ADDR_RANGE : TsType.IPV6_ADDR_RANGE).u8(selector.protocol);
    writer
      .u16(SELECTOR_HEADER_SIZE + 2 * first.length)
      .u16(selector.firstPort)
      .u16(selector.lastPort);
    writer.bytes(first).bytes(addressBytes(selector.last));
  }
}
