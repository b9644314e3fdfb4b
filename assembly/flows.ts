/** Rules that choose flows: lists of RULE_SIZE bytes each, see the ABI. */
import { RULE_ANY_DSCP, RULE_ANY_PORT, RULE_ANY_PROTOCOL, RULE_SIZE } from '../src/packet/abi';
import {
  IPV4_FRAGMENT,
  IPV4_PROTOCOL,
  ipv4HeaderLength,
  load16,
  PROTOCOL_DCCP,
  PROTOCOL_SCTP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  PROTOCOL_UDP_LITE,
} from './ip';

const TOS: usize = 1;
/** The offset in the fragment field. */
const OFFSET: u32 = 0x1fff;

/** Whether one of the `count` rules at `rules` is for the IPv4 packet of `length` bytes at `p`. Without rules all are. */
export function flowMatches(rules: usize, count: u32, p: usize, length: u32): bool {
  if (count === 0) return true;
  for (let i: u32 = 0; i < count; i++) if (matches(rules + i * RULE_SIZE, p, length)) return true;
  return false;
}

function matches(rule: usize, p: usize, length: u32): bool {
  const protocol: u32 = load<u8>(rule);
  const dscp: u32 = load<u8>(rule, 1);
  const port: u32 = load<u16>(rule, 2);
  if (protocol !== RULE_ANY_PROTOCOL && protocol !== load<u8>(p, IPV4_PROTOCOL)) return false;
  if (dscp !== RULE_ANY_DSCP && dscp !== load<u8>(p, TOS) >> 2) return false;
  return port === RULE_ANY_PORT || hasPort(p, length, port);
}

/** Fragments but the first have no ports. */
function hasPort(p: usize, length: u32, port: u32): bool {
  const protocol: u32 = load<u8>(p, IPV4_PROTOCOL);
  const ports =
    protocol === PROTOCOL_TCP ||
    protocol === PROTOCOL_UDP ||
    protocol === PROTOCOL_UDP_LITE ||
    protocol === PROTOCOL_DCCP ||
    protocol === PROTOCOL_SCTP;
  const header = ipv4HeaderLength(p);
  if (!ports || header + 4 > length || (load16(p + IPV4_FRAGMENT) & OFFSET) !== 0) return false;
  return load16(p + header) === port || load16(p + header + 2) === port;
}
