/** Whom a stranger is counted as: limits for each hold for everything that one of them can send from. */
import { addressText, tryAddressBytes } from '../address.js';

/** RFC 4291 section 2.5.5.2: ::ffff:0:0/96, IPv4 as a socket of IPv6 sees it. */
const IPV4_MAPPED_PREFIX = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);
/** Bytes of an IPv6 address that name a network (RFC 4291 section 2.5.4): who has one address of it has all of them. */
const NETWORK_SIZE = 8;

/** An IPv4 address as it is, also where it comes as an IPv4-mapped one; of an IPv6 address its /64. Anything else is itself. */
export function sourceOf(address: string): string {
  const [text = ''] = address.split('%');
  const bytes = tryAddressBytes(text);
  if (bytes === undefined) return address;
  if (bytes.length === 4) return text;
  if (IPV4_MAPPED_PREFIX.every((byte, index) => byte === bytes[index])) {
    return addressText(bytes.subarray(IPV4_MAPPED_PREFIX.length));
  }
  bytes.fill(0, NETWORK_SIZE);
  return `${addressText(bytes)}/${8 * NETWORK_SIZE}`;
}
