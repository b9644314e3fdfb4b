/**
 * Network address translation (RFC 3022) of a packet in place: addresses and ports, with all checksums over them
 * updated incrementally (RFC 1624), so that a packet damaged on its way stays recognisably damaged.
 *
 * Packets must have passed `checkPacket`, `length` is its result. An ICMP error quotes a packet that went the
 * other way, so its quote is rewritten in the opposite direction (RFC 3022 section 4.3, RFC 5508 section 4).
 */
import { applyDelta, applyDeltaUdp, deltaOf, fold, sumBytes } from './checksum';
import {
  IPV4_CHECKSUM,
  IPV4_DESTINATION,
  IPV4_HEADER,
  IPV4_SOURCE,
  IPV4_TOTAL_LENGTH,
  IPV6_DESTINATION,
  IPV6_HEADER,
  IPV6_PAYLOAD_LENGTH,
  IPV6_SOURCE,
  ipVersion,
  load16,
  locateTransport,
  PROTOCOL_DCCP,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  PROTOCOL_UDP_LITE,
  transportIsRouted,
  transportOffset,
  transportProtocol,
} from './ip';

const TCP_CHECKSUM: u32 = 16;
const UDP_CHECKSUM: u32 = 6;
const ICMP_CHECKSUM: u32 = 2;
const ICMP_IDENTIFIER: u32 = 4;
const ICMP_HEADER: u32 = 8;

/** Replaces the source address by the one at `newAddress` (4 or 16 bytes, of the packet's family). */
export function rewriteSource(p: usize, length: u32, newAddress: usize): void {
  rewriteAddress(p, length, newAddress, false);
}

/** Replaces the destination address by the one at `newAddress` (4 or 16 bytes, of the packet's family). */
export function rewriteDestination(p: usize, length: u32, newAddress: usize): void {
  rewriteAddress(p, length, newAddress, true);
}

/** Replaces the source port (TCP, UDP) or the identifier of an ICMP echo. `port` in host order. */
export function rewriteSourcePort(p: usize, length: u32, port: u32): void {
  rewritePort(p, length, port, false);
}

/** Replaces the destination port (TCP, UDP) or the identifier of an ICMP echo. `port` in host order. */
export function rewriteDestinationPort(p: usize, length: u32, port: u32): void {
  rewritePort(p, length, port, true);
}

function rewriteAddress(p: usize, length: u32, newAddress: usize, destination: bool): void {
  const located = locateTransport(p, length);
  const size = addressSize(p);
  const at = addressAt(p, destination);
  const delta = deltaOf(sumBytes(at, size, 0), sumBytes(newAddress, size, 0));
  // The quote is compared with the old address, so it comes first.
  if (isIcmpError(p, length, located)) {
    rewriteQuotedAddress(p, length, transportOffset(located), at, newAddress, destination);
  }
  memory.copy(at, newAddress, size);
  if (size === 4) applyDelta(p + IPV4_CHECKSUM, delta);
  if (!(destination && transportIsRouted(located))) {
    updateTransport(p, length, located, delta, true);
  }
}

function rewriteQuotedAddress(
  p: usize,
  length: u32,
  icmp: u32,
  oldAddress: usize,
  newAddress: usize,
  destination: bool,
): void {
  const quote = p + icmp + ICMP_HEADER;
  const quoted = quotedLength(p, length, icmp);
  if (quoted === 0) return;
  const size = addressSize(quote);
  const at = addressAt(quote, !destination);
  if (memory.compare(at, oldAddress, size) !== 0) return;
  const delta = deltaOf(sumBytes(at, size, 0), sumBytes(newAddress, size, 0));
  memory.copy(at, newAddress, size);
  let change: u64 = delta;
  if (size === 4) {
    const before: u32 = load<u16>(quote, IPV4_CHECKSUM);
    applyDelta(quote + IPV4_CHECKSUM, delta);
    change += deltaOf(before, load<u16>(quote, IPV4_CHECKSUM));
  }
  const located = locateTransport(quote, quoted);
  if (destination || !transportIsRouted(located)) {
    change += updateTransport(quote, quoted, located, delta, true);
  }
  applyDelta(p + icmp + ICMP_CHECKSUM, fold(change));
}

function rewritePort(p: usize, length: u32, port: u32, destination: bool): void {
  const located = locateTransport(p, length);
  if (!isIcmpError(p, length, located)) {
    replacePort(p, length, located, port, destination);
    return;
  }
  const icmp = transportOffset(located);
  const quoted = quotedLength(p, length, icmp);
  if (quoted === 0) return;
  const quote = p + icmp + ICMP_HEADER;
  const change = replacePort(quote, quoted, locateTransport(quote, quoted), port, !destination);
  if (change !== 0) applyDelta(p + icmp + ICMP_CHECKSUM, change);
}

/** Replaces a port and updates the checksum over it. Returns what both changes add to a sum over them, folded. */
function replacePort(p: usize, length: u32, located: u32, port: u32, destination: bool): u32 {
  const offset = transportOffset(located);
  const protocol = transportProtocol(located);
  if (offset === 0 || offset + ICMP_HEADER > length) return 0;
  let at = p + offset;
  if (protocol === PROTOCOL_ICMP || protocol === PROTOCOL_ICMPV6) {
    if (!isEcho(protocol, load<u8>(at))) return 0;
    at += ICMP_IDENTIFIER;
  } else if (checksumOffset(protocol) !== 0) {
    if (destination) at += 2;
  } else return 0;
  const before: u32 = load<u16>(at);
  const after: u32 = bswap<u16>(<u16>port);
  store<u16>(at, <u16>after);
  const delta = deltaOf(before, after);
  return fold(<u64>delta + <u64>updateTransport(p, length, located, delta, false));
}

/**
 * Adds `delta` to the transport checksum, if it is there. `pseudo`: the change is in the pseudo-header, which
 * ICMP for IPv4 does not have. Returns what the checksum's own change adds to a sum over it.
 */
function updateTransport(p: usize, length: u32, located: u32, delta: u32, pseudo: bool): u32 {
  const protocol = transportProtocol(located);
  const field = protocol === PROTOCOL_ICMP && pseudo ? 0 : checksumOffset(protocol);
  const offset = transportOffset(located);
  if (field === 0 || offset === 0 || offset + field + 2 > length) return 0;
  const at = p + offset + field;
  const before: u32 = load<u16>(at);
  if (protocol === PROTOCOL_UDP || protocol === PROTOCOL_UDP_LITE) applyDeltaUdp(at, delta);
  else applyDelta(at, delta);
  return deltaOf(before, load<u16>(at));
}

/** Offset of the checksum in a transport header, zero for a protocol without one that we know. */
function checksumOffset(protocol: u32): u32 {
  if (protocol === PROTOCOL_TCP) return TCP_CHECKSUM;
  if (protocol === PROTOCOL_UDP || protocol === PROTOCOL_UDP_LITE || protocol === PROTOCOL_DCCP) {
    return UDP_CHECKSUM;
  }
  if (protocol === PROTOCOL_ICMP || protocol === PROTOCOL_ICMPV6) return ICMP_CHECKSUM;
  return 0;
}

/** An ICMP message that quotes a packet: RFC 792 (and 4 source quench), RFC 4443 section 2.1. */
function isIcmpError(p: usize, length: u32, located: u32): bool {
  const offset = transportOffset(located);
  if (offset === 0 || offset + ICMP_HEADER > length) return false;
  const protocol = transportProtocol(located);
  const type: u32 = load<u8>(p + offset);
  if (protocol === PROTOCOL_ICMP) {
    return ipVersion(p) === 4 && (type === 3 || type === 4 || type === 5 || type === 11 || type === 12);
  }
  return protocol === PROTOCOL_ICMPV6 && ipVersion(p) === 6 && type >= 1 && type <= 4;
}

/** Echo request and reply. */
function isEcho(protocol: u32, type: u32): bool {
  return protocol === PROTOCOL_ICMP ? type === 8 || type === 0 : type === 128 || type === 129;
}

/**
 * Bytes of the packet quoted in the ICMP error at offset `icmp`, at least its fixed header, or zero if that is
 * not there or is of another family. What follows the quote (RFC 4884 extensions, padding) is left out.
 */
function quotedLength(p: usize, length: u32, icmp: u32): u32 {
  const quote = p + icmp + ICMP_HEADER;
  const available = length - icmp - ICMP_HEADER;
  const version = ipVersion(p);
  const header = version === 4 ? IPV4_HEADER : IPV6_HEADER;
  if (available < header || ipVersion(quote) !== version) return 0;
  const total =
    version === 4 ? load16(quote + IPV4_TOTAL_LENGTH) : IPV6_HEADER + load16(quote + IPV6_PAYLOAD_LENGTH);
  return max(header, min(available, total));
}

function addressSize(p: usize): u32 {
  return ipVersion(p) === 4 ? 4 : 16;
}

function addressAt(p: usize, destination: bool): usize {
  if (ipVersion(p) === 4) return p + (destination ? IPV4_DESTINATION : IPV4_SOURCE);
  return p + (destination ? IPV6_DESTINATION : IPV6_SOURCE);
}
