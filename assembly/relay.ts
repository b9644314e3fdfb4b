/**
 * The relay protocol's data packets and IP in IP (RFC 2003), built in front of a packet and checked in place.
 *
 * Header, in network order: u8 version << 4 | type, u8 flags (of probes: RELAY_FLAG_ constants; else zero and ignored),
 * u16 path epoch, u32 session index, u64 sequence number. What follows depends on the session's mode:
 *
 *   clear, ipip: u64 tag (little endian), payload. The tag is SipHash-2-4 over the header and the payload, of which in DATA the
 *     first 24 bytes count: an inner IPv4 header and the ports behind it, so nobody without the key can speak for an address, replay,
 *     or move a session. The rest of a packet has its own checksums, and the lines behind the gateways are trusted
 *     with it.
 *   sealed: payload, 16 bytes tag. The payload, of every type, is encrypted and all is authenticated by
 *     AEAD_CHACHA20_POLY1305 (RFC 8439 section 2.8), the 16 bytes of the header being the associated data: 8 bytes more
 *     than in clear mode. The nonce is built as for ESP (RFC 7634 section 2): 4 bytes of salt, which come with the key,
 *     and the sequence number as it stands in the header.
 *
 * No nonce is used for two packets under one key:
 *   - each direction of a session has a key of its own, from the TLS exporter of one control connection, which gives
 *     a session keys once (src/relay/keys.ts), under another label than the keys of the other modes;
 *   - a key and its sequence numbers begin and end together: clientBind and relaySessionInstall set the one and start
 *     the others at 1, and both are wiped together. A session that keeps its keys on a new control connection is neither
 *     bound nor installed again, so its numbers go on;
 *   - neither is ever written to a disk to go on with: a client or relay that was restarted gets fresh keys, and what is kept for a relay
 *     that was restarted is made anew with them (client_rebind.ts);
 *   - the number is used up before the packet is built, and 64 bits do not run out.
 * So a packet sent again, or over two paths, is sent byte for byte as it was, its path epoch included: the epoch is
 * associated data, and another one under the same number would be a second message under the same nonce. What is sent
 * again after a switch therefore carries the epoch of before, which moves nothing.
 */
import {
  DROP_RELAY_SHORT,
  DROP_RELAY_TAG,
  DROP_RELAY_VERSION,
  RELAY_DATA,
  RELAY_HEADER,
  RELAY_MODE_SEALED,
  RELAY_SEALED_HEADER,
  RELAY_SEALED_TAG,
  RELAY_VERSION,
} from '../src/packet/abi';
import { chacha20Poly1305Finish, chacha20Poly1305Open, chacha20Poly1305Seal } from './chacha20poly1305';
import { fold } from './checksum';
import {
  IPV4_DESTINATION,
  IPV4_DF,
  IPV4_FRAGMENT,
  IPV4_HEADER,
  IPV4_IDENTIFICATION,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
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
const FLAGS: usize = 1;
const EPOCH: usize = 2;
const SESSION: usize = 4;
const SEQUENCE: usize = 8;
const TAG: usize = 16;
/** Payload bytes of DATA under the tag. */
const TAGGED_PAYLOAD: u32 = 24;
const OUTER_TTL: u32 = 64;
/** All of the traffic class but the two bits of explicit congestion notification. */
const DSCP: u32 = 0xfc;

/** Where the header's fields slide to while they are hashed: up to the payload. */
const SLID: usize = 8;

// --- Accessors of a header, whatever the mode -----------------------------------------------------------------

export function relayType(h: usize): u32 {
  return <u32>load<u8>(h) & 15;
}

export function relayFlags(h: usize): u32 {
  return load<u8>(h, FLAGS);
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

// --- Relay packets --------------------------------------------------------------------------------------------

/** Bytes in front of the payload. */
export function relayHead(mode: u32): u32 {
  return mode === RELAY_MODE_SEALED ? RELAY_SEALED_HEADER : RELAY_HEADER;
}

/** Bytes behind it. */
export function relayTail(mode: u32): u32 {
  return mode === RELAY_MODE_SEALED ? RELAY_SEALED_TAG : 0;
}

/**
 * Makes a relay packet of the `length` bytes of payload at `p`, with relayHead bytes in front and relayTail behind.
 * Returns its address. `type`: with flags, if there are any, as a second byte. `key`: RELAY_KEY bytes, or RELAY_SEALED_KEY in sealed mode, in which the payload is encrypted in
 * place and no sequence number may ever come twice with a key.
 */
export function relayProtect(
  mode: u32,
  p: usize,
  length: u32,
  type: u32,
  sessionIndex: u32,
  epoch: u32,
  sequence: u64,
  key: usize,
): usize {
  const h = p - relayHead(mode);
  store<u16>(h, <u16>((RELAY_VERSION << 4) | type));
  store16(h + EPOCH, epoch);
  store<u32>(h, bswap<u32>(sessionIndex), SESSION);
  store<u64>(h, bswap<u64>(sequence), SEQUENCE);
  if (mode === RELAY_MODE_SEALED) {
    chacha20Poly1305Seal(key, h + SEQUENCE, h, RELAY_SEALED_HEADER, p, length);
    // The whole packet is kept, copied or sealed once more next.
    chacha20Poly1305Finish();
  } else {
    store<u64>(h, tagOf(h, length, key), TAG);
  }
  return h;
}

/**
 * Checks the relay packet of `length` bytes at `h` under `key`, and in sealed mode decrypts its payload in place. Returns
 * its type (from 0 to 15, known or not), or a negative DROP_RELAY_ counter; nothing of a sealed payload is in memory then.
 * The caller has chosen mode and key by the session index, and knows by the duplicate filter that the packet is new: what
 * costs little comes first.
 */
export function relayOpen(mode: u32, h: usize, length: u32, key: usize): i32 {
  const around = relayHead(mode) + relayTail(mode);
  if (length < around) return -DROP_RELAY_SHORT;
  if (<u32>load<u8>(h) >> 4 !== RELAY_VERSION) return -DROP_RELAY_VERSION;
  const payload = length - around;
  const isAuthentic =
    mode === RELAY_MODE_SEALED
      ? chacha20Poly1305Open(key, h + SEQUENCE, h, RELAY_SEALED_HEADER, h + RELAY_SEALED_HEADER, payload)
      : isTagged(h, payload, key);
  return isAuthentic ? <i32>relayType(h) : -DROP_RELAY_TAG;
}

/** Whether the header at `h`, with `length` bytes of payload behind it, has the right tag. */
function isTagged(h: usize, length: u32, key: usize): bool {
  const tag = load<u64>(h, TAG);
  const expected = tagOf(h, length, key);
  store<u64>(h, tag, TAG);
  // One comparison of 64 bits: its time does not depend on how much of the tag is right.
  return tag === expected;
}

/**
 * The tag of the header at `h` and the `length` bytes of payload behind it. The tag's own place is written to:
 * for the time of hashing the fields before it slide up over it, so that all that is tagged is in one piece.
 */
function tagOf(h: usize, length: u32, key: usize): u64 {
  const tagged = relayType(h) === RELAY_DATA ? min(length, TAGGED_PAYLOAD) : length;
  const fields = v128.load(h);
  v128.store(h + SLID, fields);
  const tag = sipHash24(key, h + SLID, <u32>TAG + tagged);
  v128.store(h, fields);
  return tag;
}

// --- Outer headers --------------------------------------------------------------------------------------------

/**
 * Puts UDP and IPv4 header in front of the relay packet of `length` bytes at `h`. Returns the new start. Addresses as they
 * lie in memory, ports in host order.
 *
 * The UDP checksum is zero, "none", as RFC 768 allows for IPv4: ESP protects all up to the gateway, the tag what
 * decides about the packet's handling, and what is inside has checksums of its own. A checksum would be one more pass
 * over each packet for little. The packet may be fragmented behind the gateway (DF clear, identification from the
 * sequence number): a line with a smaller MTU there costs speed rather than the connection.
 */
export function relayWrap(
  h: usize,
  length: u32,
  outerSource: u32,
  outerDestination: u32,
  sourcePort: u32,
  destinationPort: u32,
): usize {
  const udp = h - UDP_HEADER;
  const udpLength = UDP_HEADER + length;
  store16(udp, sourcePort);
  store16(udp + 2, destinationPort);
  store16(udp + 4, udpLength);
  store<u16>(udp, 0, UDP_CHECKSUM);
  const identification = <u32>relaySequence(h);
  return ipv4Header(udp, udpLength, PROTOCOL_UDP, 0, identification, 0, outerSource, outerDestination);
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
  // In memory order, as the checksum takes them; summed before they are stored, which is faster than to load them again.
  const first: u32 = 0x45 | (tos << 8) | ((<u32>bswap<u16>(<u16>(IPV4_HEADER + length))) << 16);
  const second: u32 = bswap<u32>((identification << 16) | fragment);
  const third: u32 = OUTER_TTL | (protocol << 8);
  const sum = fold(<u64>first + second + third + source + destination) ^ 0xffff;
  store<u32>(ip, first);
  store<u32>(ip, second, IPV4_IDENTIFICATION);
  store<u32>(ip, third | (sum << 16), IPV4_TTL);
  store<u32>(ip, source, IPV4_SOURCE);
  store<u32>(ip, destination, IPV4_DESTINATION);
  return ip;
}
