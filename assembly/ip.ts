/**
 * The checked view of an IP packet (RFC 791, RFC 8200): `checkPacket` verifies version and lengths once, after
 * which the accessors cannot read outside the packet. Ports and lengths are in host order; addresses are read as
 * they lie in memory.
 */
import { ERR_LENGTH } from '../src/packet/abi';

export const PROTOCOL_HOP_BY_HOP: u32 = 0;
export const PROTOCOL_ICMP: u32 = 1;
export const PROTOCOL_IPIP: u32 = 4;
export const PROTOCOL_TCP: u32 = 6;
export const PROTOCOL_UDP: u32 = 17;
export const PROTOCOL_DCCP: u32 = 33;
export const PROTOCOL_ROUTING: u32 = 43;
export const PROTOCOL_FRAGMENT: u32 = 44;
export const PROTOCOL_AH: u32 = 51;
export const PROTOCOL_ICMPV6: u32 = 58;
export const PROTOCOL_DESTINATION_OPTIONS: u32 = 60;
export const PROTOCOL_SCTP: u32 = 132;
export const PROTOCOL_MOBILITY: u32 = 135;
export const PROTOCOL_UDP_LITE: u32 = 136;
export const PROTOCOL_HIP: u32 = 139;
export const PROTOCOL_SHIM6: u32 = 140;

export const IPV4_HEADER: u32 = 20;
export const IPV4_TOTAL_LENGTH: usize = 2;
export const IPV4_IDENTIFICATION: usize = 4;
export const IPV4_FRAGMENT: usize = 6;
export const IPV4_TTL: usize = 8;
export const IPV4_PROTOCOL: usize = 9;
export const IPV4_CHECKSUM: usize = 10;
export const IPV4_SOURCE: usize = 12;
export const IPV4_DESTINATION: usize = 16;
/** "Don't fragment", in the fragment field in host order. */
export const IPV4_DF: u32 = 0x4000;

export const IPV6_HEADER: u32 = 40;
export const IPV6_PAYLOAD_LENGTH: usize = 4;
export const IPV6_NEXT_HEADER: usize = 6;
export const IPV6_SOURCE: usize = 8;
export const IPV6_DESTINATION: usize = 24;
/** Extension headers walked before a packet is taken to have no transport header. */
const EXTENSIONS_MAX: u32 = 8;

/**
 * The total length of the packet at `p`, of which `available` bytes are there, or ERR_LENGTH. From 20 (IPv4) or
 * 40 (IPv6) to `available`; an IPv4 header with its options lies within it.
 */
export function checkPacket(p: usize, available: u32): i32 {
  if (available < IPV4_HEADER) return ERR_LENGTH;
  const version = ipVersion(p);
  if (version === 4) {
    const total = load16(p + IPV4_TOTAL_LENGTH);
    const header = ipv4HeaderLength(p);
    if (header < IPV4_HEADER || header > total || total > available) return ERR_LENGTH;
    return total;
  }
  if (version === 6) {
    if (available < IPV6_HEADER) return ERR_LENGTH;
    const total = IPV6_HEADER + load16(p + IPV6_PAYLOAD_LENGTH);
    if (total > available) return ERR_LENGTH;
    return total;
  }
  return ERR_LENGTH;
}

/** A u16 in network order. */
export function load16(p: usize): u32 {
  return bswap<u16>(load<u16>(p));
}

/** Stores a u16 in network order. */
export function store16(p: usize, value: u32): void {
  store<u16>(p, bswap<u16>(<u16>value));
}

export function ipVersion(p: usize): u32 {
  return <u32>load<u8>(p) >> 4;
}

/** In bytes, options included. */
export function ipv4HeaderLength(p: usize): u32 {
  return (<u32>load<u8>(p) & 15) << 2;
}

/** IPv4 addresses as they lie in memory: compare them with others of that kind only. */
export function ipv4Source(p: usize): u32 {
  return load<u32>(p, IPV4_SOURCE);
}

export function ipv4Destination(p: usize): u32 {
  return load<u32>(p, IPV4_DESTINATION);
}

/** Offset of this fragment in bytes; zero for a first fragment and for a whole packet. */
export function ipv4FragmentOffset(p: usize): u32 {
  return (load16(p + IPV4_FRAGMENT) & 0x1fff) << 3;
}

/** Whether the packet is a fragment, first or not. */
export function ipv4IsFragment(p: usize): bool {
  return (load16(p + IPV4_FRAGMENT) & 0x3fff) !== 0;
}

/**
 * Where the transport header is and what it is, in one u32 to be read with the three functions below. Only the
 * first `length` bytes at `p` are looked at, and a quoted packet may be cut off anywhere after its fixed header.
 */
export function locateTransport(p: usize, length: u32): u32 {
  if (ipVersion(p) === 6) return locateTransport6(p, length);
  const header = ipv4HeaderLength(p);
  const absent = ipv4FragmentOffset(p) !== 0 || header < IPV4_HEADER || header > length;
  return ((<u32>load<u8>(p, IPV4_PROTOCOL)) << 16) | (absent ? 0 : header);
}

/** Offset of the transport header (which may still be cut off), or zero if the packet does not have it. */
export function transportOffset(located: u32): u32 {
  return located & 0xffff;
}

/** Protocol number, behind all extension headers that could be walked. */
export function transportProtocol(located: u32): u32 {
  return (located >> 16) & 0xff;
}

/**
 * Whether a routing header has hops left: the pseudo-header then has the final destination in place of the one
 * in the IPv6 header (RFC 8200 section 8.1).
 */
export function transportIsRouted(located: u32): bool {
  return (located & ROUTED) !== 0;
}

const ROUTED: u32 = 0x1000000;

function locateTransport6(p: usize, length: u32): u32 {
  let next: u32 = load<u8>(p, IPV6_NEXT_HEADER);
  let offset = IPV6_HEADER;
  let routed: u32 = 0;
  for (let walked: u32 = 0; walked < EXTENSIONS_MAX; ++walked) {
    if (!isExtension(next)) return routed | (next << 16) | offset;
    // Every extension header has at least eight bytes.
    if (offset + 8 > length) break;
    const header = p + offset;
    if (next === PROTOCOL_FRAGMENT) {
      if ((load16(header + 2) & 0xfff8) !== 0) {
        return routed | ((<u32>load<u8>(header)) << 16);
      }
      offset += 8;
    } else if (next === PROTOCOL_AH) {
      // RFC 4302 section 2.2: in 32-bit words, minus 2.
      offset += (<u32>load<u8>(header, 1) + 2) << 2;
    } else {
      if (next === PROTOCOL_ROUTING && load<u8>(header, 3) !== 0) routed = ROUTED;
      offset += (<u32>load<u8>(header, 1) + 1) << 3;
    }
    if (offset > length) break;
    next = load<u8>(header);
  }
  return routed | (next << 16);
}

function isExtension(protocol: u32): bool {
  return (
    protocol === PROTOCOL_HOP_BY_HOP ||
    protocol === PROTOCOL_ROUTING ||
    protocol === PROTOCOL_FRAGMENT ||
    protocol === PROTOCOL_AH ||
    protocol === PROTOCOL_DESTINATION_OPTIONS ||
    protocol === PROTOCOL_MOBILITY ||
    protocol === PROTOCOL_HIP ||
    protocol === PROTOCOL_SHIM6
  );
}
