// IP packets from a description, with every checksum computed from scratch.
import { concat } from '../support/bytes.js';
import { internetChecksum } from './checksum.js';

export const ICMP = 1;
export const TCP = 6;
export const UDP = 17;
export const DCCP = 33;
export const ICMPV6 = 58;
export const SCTP = 132;
export const UDP_LITE = 136;

/** Where the transport checksum is; a protocol that is not here has none (or none of this kind). */
const CHECKSUM_AT = new Map([
  [ICMP, 2],
  [TCP, 16],
  [UDP, 6],
  [DCCP, 6],
  [ICMPV6, 2],
  [UDP_LITE, 6],
]);

export interface Extension {
  protocol: number;
  /** The whole header; its first byte (next header) is filled in. */
  bytes: Uint8Array;
}

export interface Packet {
  /** 4 or 16 bytes: they decide the version. */
  source: Uint8Array;
  destination: Uint8Array;
  /** The final destination where a routing header has hops left. */
  finalDestination?: Uint8Array;
  protocol: number;
  /** Transport header and data; the checksum is filled in. */
  transport: Uint8Array;
  /** UDP without a checksum. */
  unchecked?: boolean;
  /** IPv4 options, a multiple of four bytes. */
  options?: Uint8Array;
  /** IPv6 extension headers. */
  extensions?: readonly Extension[];
  /** Makes it the fragment with these bytes of the transport (`from` a multiple of eight). */
  fragment?: { from: number; to: number };
}

/** The packet's bytes. */
export function emit(packet: Packet): Uint8Array {
  const transport = withChecksum(packet);
  const { from, to } = packet.fragment ?? { from: 0, to: transport.length };
  const piece = transport.subarray(from, to);
  const field = (from & 0xfff8) | 0;
  const more = to < transport.length;
  return packet.source.length === 4 ? emit4(packet, piece, field, more) : emit6(packet, piece, field, more);
}

function emit4(packet: Packet, piece: Uint8Array, from: number, more: boolean): Uint8Array {
  const options = packet.options ?? new Uint8Array(0);
  const header = new Uint8Array(20 + options.length);
  const view = new DataView(header.buffer);
  view.setUint8(0, 0x40 | (header.length / 4));
  view.setUint8(1, 0xb9);
  view.setUint16(2, header.length + piece.length);
  view.setUint16(4, 0x1d0f);
  view.setUint16(6, packet.fragment === undefined ? 0x4000 : (from >> 3) | (more ? 0x2000 : 0));
  view.setUint8(8, 61);
  view.setUint8(9, packet.protocol);
  header.set(packet.source, 12);
  header.set(packet.destination, 16);
  header.set(options, 20);
  view.setUint16(10, internetChecksum(header));
  return concat(header, piece);
}

function emit6(packet: Packet, piece: Uint8Array, from: number, more: boolean): Uint8Array {
  const extensions = [...(packet.extensions ?? [])];
  if (packet.fragment !== undefined) {
    const field = from | (more ? 1 : 0);
    extensions.push({ protocol: 44, bytes: Uint8Array.of(0, 0, field >> 8, field & 0xff, 1, 2, 3, 4) });
  }
  const chain = extensions.map((extension, i) => {
    const bytes = extension.bytes.slice();
    bytes[0] = extensions[i + 1]?.protocol ?? packet.protocol;
    return bytes;
  });
  const rest = concat(...chain, piece);
  const header = new Uint8Array(40);
  const view = new DataView(header.buffer);
  view.setUint32(0, 0x6b900017);
  view.setUint16(4, rest.length);
  view.setUint8(6, extensions[0]?.protocol ?? packet.protocol);
  view.setUint8(7, 61);
  header.set(packet.source, 8);
  header.set(packet.destination, 24);
  return concat(header, rest);
}

function withChecksum(packet: Packet): Uint8Array {
  const transport = packet.transport.slice();
  const at = CHECKSUM_AT.get(packet.protocol);
  if (at === undefined) return transport;
  const view = new DataView(transport.buffer);
  view.setUint16(at, 0);
  if (packet.unchecked) return transport;
  const checksum = internetChecksum(concat(pseudoHeader(packet), transport));
  const neverZero = packet.protocol === UDP || packet.protocol === UDP_LITE;
  view.setUint16(at, checksum === 0 && neverZero ? 0xffff : checksum);
  return transport;
}

function pseudoHeader(packet: Packet): Uint8Array {
  if (packet.protocol === ICMP) return new Uint8Array(0);
  const tail = new Uint8Array(packet.source.length === 4 ? 4 : 8);
  const view = new DataView(tail.buffer);
  tail[packet.source.length === 4 ? 1 : 7] = packet.protocol;
  if (packet.source.length === 4) view.setUint16(2, packet.transport.length);
  else view.setUint32(0, packet.transport.length);
  return concat(packet.source, packet.finalDestination ?? packet.destination, tail);
}
