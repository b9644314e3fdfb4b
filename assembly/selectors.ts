// Traffic selectors (RFC 4301 section 4.4.1.1, RFC 7296 section 3.13.1): whether an inner packet may use an
// association.
import { SELECTOR_SIZE } from '../src/packet/abi';
import {
  IPV4_DESTINATION,
  IPV4_SOURCE,
  IPV6_DESTINATION,
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
  transportOffset,
  transportProtocol,
} from './ip';
import { SA_LOCAL, SA_LOCAL_COUNT, SA_REMOTE, SA_REMOTE_COUNT } from './sa';

const PROTOCOL_SCTP: u32 = 132;

// A selector's fields.
const FAMILY: usize = 0;
const PROTOCOL: usize = 1;
const FIRST_PORT: usize = 2;
const LAST_PORT: usize = 4;
const FIRST: usize = 8;
const LAST: usize = 24;

/** For a port that the packet does not show. */
const NO_PORT: u32 = 0x10000;
const PORT_MAX: u32 = 0xffff;

/** Whether the checked packet of `length` bytes at `p` may be sent on the association. */
export function mayLeave(sa: usize, p: usize, length: u32): bool {
  return matches(sa, p, length, true);
}

/** Whether the checked packet of `length` bytes at `p` may come from the association. */
export function mayEnter(sa: usize, p: usize, length: u32): bool {
  return matches(sa, p, length, false);
}

function matches(sa: usize, p: usize, length: u32, leaving: bool): bool {
  const family = ipVersion(p);
  const source = p + (family === 4 ? IPV4_SOURCE : IPV6_SOURCE);
  const destination = p + (family === 4 ? IPV4_DESTINATION : IPV6_DESTINATION);
  const located = locateTransport(p, length);
  const protocol = transportProtocol(located);
  const sourcePort = portAt(p, length, located, 0);
  const destinationPort = portAt(p, length, located, 2);
  const locals = load<u32>(sa, SA_LOCAL_COUNT);
  const remotes = load<u32>(sa, SA_REMOTE_COUNT);
  if (leaving) {
    return (
      anyMatches(sa + SA_LOCAL, locals, family, protocol, source, sourcePort) &&
      anyMatches(sa + SA_REMOTE, remotes, family, protocol, destination, destinationPort)
    );
  }
  return (
    anyMatches(sa + SA_REMOTE, remotes, family, protocol, source, sourcePort) &&
    anyMatches(sa + SA_LOCAL, locals, family, protocol, destination, destinationPort)
  );
}

/** The port `at` bytes into the transport header; for ICMP its type and code, which stand for both ports. */
function portAt(p: usize, length: u32, located: u32, at: u32): u32 {
  const offset = transportOffset(located);
  if (offset === 0 || offset + 4 > length) return NO_PORT;
  const protocol = transportProtocol(located);
  if (protocol === PROTOCOL_ICMP || protocol === PROTOCOL_ICMPV6) return load16(p + offset);
  return hasPorts(protocol) ? load16(p + offset + at) : NO_PORT;
}

function hasPorts(protocol: u32): bool {
  return (
    protocol === PROTOCOL_TCP ||
    protocol === PROTOCOL_UDP ||
    protocol === PROTOCOL_SCTP ||
    protocol === PROTOCOL_DCCP ||
    protocol === PROTOCOL_UDP_LITE
  );
}

function anyMatches(list: usize, count: u32, family: u32, protocol: u32, address: usize, port: u32): bool {
  for (let i: u32 = 0; i < count; i++) {
    const selector = list + i * SELECTOR_SIZE;
    if (
      load<u8>(selector, FAMILY) === family &&
      protocolMatches(selector, protocol) &&
      portMatches(selector, port) &&
      addressMatches(selector, family, address)
    ) {
      return true;
    }
  }
  return false;
}

function protocolMatches(selector: usize, protocol: u32): bool {
  const wanted = <u32>load<u8>(selector, PROTOCOL);
  return wanted === 0 || wanted === protocol;
}

/** A packet without a port matches only ANY (0 to 65535) and OPAQUE (65535 to 0), RFC 4301 section 4.4.1.1. */
function portMatches(selector: usize, port: u32): bool {
  const first = <u32>load<u16>(selector, FIRST_PORT);
  const last = <u32>load<u16>(selector, LAST_PORT);
  if (port === NO_PORT) return (first === 0 && last === PORT_MAX) || (first === PORT_MAX && last === 0);
  return port >= first && port <= last;
}

function addressMatches(selector: usize, family: u32, address: usize): bool {
  if (family === 4) {
    const value = bswap<u32>(load<u32>(address));
    return value >= bswap<u32>(load<u32>(selector, FIRST)) && value <= bswap<u32>(load<u32>(selector, LAST));
  }
  return !isBelow(address, selector + FIRST) && !isBelow(selector + LAST, address);
}

/** Whether the IPv6 address at `a` is below the one at `b`. */
function isBelow(a: usize, b: usize): bool {
  const highA = bswap<u64>(load<u64>(a));
  const highB = bswap<u64>(load<u64>(b));
  if (highA !== highB) return highA < highB;
  return bswap<u64>(load<u64>(a, 8)) < bswap<u64>(load<u64>(b, 8));
}
