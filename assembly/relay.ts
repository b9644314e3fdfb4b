/**
 * The relay protocol's data packets and IP in IP (RFC 2003), built in front of a packet and checked in place.
 *
 * Header, in network order but for the tag: u8 version << 4 | type, u8 flags (zero, ignored), u16 path epoch,
 * u32 session index, u64 sequence number, u64 tag. The tag is SipHash-2-4 over the header without the tag and the
 * first 24 bytes of the payload: an inner IPv4 header and the ports behind it, so nobody without the key can
 * speak for an address, replay, or move a session. The rest of the payload has its own checksums, and the lines
 * behind the gateways are trusted with it.
 */
import {
  DROP_RELAY_SHORT,
  DROP_RELAY_TAG,
  DROP_RELAY_VERSION,
  RELAY_HEADER,
  RELAY_VERSION,
} from '../src/packet/abi';
import { checksum } from './checksum';
import {
  IPV4_CHECKSUM,
  IPV4_DESTINATION,
  IPV4_DF,
  IPV4_FRAGMENT,
  IPV4_HEADER,
  IPV4_IDENTIFICATION,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
  IPV4_TOTAL_LENGTH,
  IPV4_TTL,
  ipVersion,
  ipv4HeaderLength,
  ipv4IsFragment,
  load16,
  PROTOCOL_IPIP,
  PROTOCOL_UDP,
  store16,
} from './ip';
import { sipHash24 } from './siphash';

export const UDP_HEADER: u32 = 8;
const UDP_CHECKSUM: usize = 6;
const EPOCH: usize = 2;
const SESSION: usize = 4;
const SEQUENCE: usize = 8;
const TAG: usize = 16;
/** Payload bytes under the tag. */
const TAGGED_PAYLOAD: u32 = 24;
const OUTER_TTL: u32 = 64;
/** All of the traffic class but the two bits of explicit congestion notification. */
const DSCP: u32 = 0xfc;

/** Where the header's fields slide to while they are hashed: up to the payload. */
const SLID: usize = 8;

/** What relayEncapsulate adds: IPv4, UDP and relay header. */
export const RELAY_OVERHEAD: u32 = IPV4_HEADER + UDP_HEADER + RELAY_HEADER;

// --- Accessors of a header that has RELAY_HEADER bytes --------------------------------------------------------

export function relayType(h: usize): u32 {
  return <u32>load<u8>(h) & 15;
}

export function relayEpoch(h: usize): u32 {
  return load16(h + EPOCH);
}

export function relaySession(h: usize): u32 {
  return bswap<u32>(load<u32>(h, SESSION));
}

export function relaySequence(h: usize): u64 {
  return bswap<u64>(load<u64>(h, SEQUENCE));
}

/** Whether epoch `a` is newer than `b`: RFC 1982 serial numbers of 16 bits. Those 32,768 apart are not. */
export function epochIsNewer(a: u32, b: u32): bool {
  return <i16>(a - b) > 0;
}

// --- Relay header ---------------------------------------------------------------------------------------------

/**
 * Puts a relay header in front of the `length` bytes of payload at `p` and returns its address, p - RELAY_HEADER.
 * `key`: 16 bytes.
 */
export function relayHeader(
  p: usize,
  length: u32,
  type: u32,
  sessionIndex: u32,
  epoch: u32,
  sequence: u64,
  key: usize,
): usize {
  const h = p - RELAY_HEADER;
  store<u16>(h, <u16>((RELAY_VERSION << 4) | type));
  store16(h + EPOCH, epoch);
  store<u32>(h, bswap<u32>(sessionIndex), SESSION);
  store<u64>(h, bswap<u64>(sequence), SEQUENCE);
  store<u64>(h, tagOf(h, length, key), TAG);
  return h;
}

/**
 * Checks the relay packet of `length` bytes at `h` under `key`. Returns its type (from 0 to 15, known or not), or
 * a negative DROP_RELAY_ counter. The caller has chosen the key by the session index.
 */
export function relayVerify(h: usize, length: u32, key: usize): i32 {
  if (length < <u32>RELAY_HEADER) return -DROP_RELAY_SHORT;
  if (<u32>load<u8>(h) >> 4 !== RELAY_VERSION) return -DROP_RELAY_VERSION;
  const tag = load<u64>(h, TAG);
  const expected = tagOf(h, length - RELAY_HEADER, key);
  store<u64>(h, tag, TAG);
  // One comparison of 64 bits: its time does not depend on how much of the tag is right.
  return tag === expected ? <i32>relayType(h) : -DROP_RELAY_TAG;
}

/**
 * The tag of the header at `h` and the `length` bytes of payload behind it. The tag's own place is written to:
 * for the time of hashing the fields before it slide up over it, so that all that is tagged is in one piece.
 */
function tagOf(h: usize, length: u32, key: usize): u64 {
  const fields = v128.load(h);
  v128.store(h + SLID, fields);
  const tag = sipHash24(key, h + SLID, <u32>TAG + min(length, TAGGED_PAYLOAD));
  v128.store(h, fields);
  return tag;
}

// --- Outer headers --------------------------------------------------------------------------------------------

/**
 * Puts relay header, UDP and IPv4 header in front of the `length` bytes of payload at `p`. Returns the new start,
 * p - RELAY_OVERHEAD. Addresses as they lie in memory, ports in host order, `key` 16 bytes.
 *
 * The UDP checksum is zero, "none", as RFC 768 allows for IPv4: ESP protects all up to the gateway, the tag what
 * decides about the packet's handling, and what is inside has checksums of its own. A checksum would be one more pass
 * over each packet for little. The packet may be fragmented behind the gateway (DF clear, identification from the
 * sequence number): a line with a smaller MTU there costs speed rather than the connection.
 */
export function relayEncapsulate(
  p: usize,
  length: u32,
  type: u32,
  sessionIndex: u32,
  epoch: u32,
  sequence: u64,
  key: usize,
  outerSource: u32,
  outerDestination: u32,
  sourcePort: u32,
  destinationPort: u32,
): usize {
  const h = relayHeader(p, length, type, sessionIndex, epoch, sequence, key);
  const udp = h - UDP_HEADER;
  const udpLength = UDP_HEADER + RELAY_HEADER + length;
  store16(udp, sourcePort);
  store16(udp + 2, destinationPort);
  store16(udp + 4, udpLength);
  store<u16>(udp, 0, UDP_CHECKSUM);
  return ipv4Header(udp, udpLength, PROTOCOL_UDP, 0, <u32>sequence, 0, outerSource, outerDestination);
}

/**
 * Puts the IPv4 header of RFC 2003 in front of the IPv4 packet of `length` bytes at `p`. Returns the new start,
 * p - 20. Addresses as they lie in memory. The inner packet's differentiated services class and "don't fragment"
 * are copied (section 3.1); the congestion bits stay clear, so that the path does not mark what the other end would
 * not carry over (RFC 6040 section 4.1, compatibility mode).
 */
export function ipipEncapsulate(p: usize, length: u32, source: u32, destination: u32): usize {
  const tos = <u32>load<u8>(p, 1) & DSCP;
  const identification = load16(p + IPV4_IDENTIFICATION);
  const fragment = load16(p + IPV4_FRAGMENT) & IPV4_DF;
  return ipv4Header(p, length, PROTOCOL_IPIP, tos, identification, fragment, source, destination);
}

/**
 * Offset of the packet inside the IP-in-IP packet at `p`, which has passed `checkPacket`; zero if it is none or a
 * fragment of one.
 */
export function ipipDecapsulate(p: usize): u32 {
  if (ipVersion(p) !== 4 || load<u8>(p, IPV4_PROTOCOL) !== PROTOCOL_IPIP || ipv4IsFragment(p)) return 0;
  return ipv4HeaderLength(p);
}

function ipv4Header(
  p: usize,
  length: u32,
  protocol: u32,
  tos: u32,
  identification: u32,
  fragment: u32,
  source: u32,
  destination: u32,
): usize {
  const ip = p - IPV4_HEADER;
  store<u16>(ip, <u16>(0x45 | (tos << 8)));
  store16(ip + IPV4_TOTAL_LENGTH, IPV4_HEADER + length);
  store16(ip + IPV4_IDENTIFICATION, identification);
  store16(ip + IPV4_FRAGMENT, fragment);
  store<u16>(ip, <u16>(OUTER_TTL | (protocol << 8)), IPV4_TTL);
  store<u16>(ip, 0, IPV4_CHECKSUM);
  store<u32>(ip, source, IPV4_SOURCE);
  store<u32>(ip, destination, IPV4_DESTINATION);
  store<u16>(ip, <u16>checksum(ip, IPV4_HEADER), IPV4_CHECKSUM);
  return ip;
}
