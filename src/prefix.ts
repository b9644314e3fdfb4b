/** IP addresses and prefixes (CIDR notation) as numbers. */
import { addressBytes, addressNumber, addressText, numberAddress } from './address.js';
import { VpnrError } from './errors.js';

export interface Address {
  family: 4 | 6;
  /** As an unsigned integer, the first byte of the address being the highest. */
  value: bigint;
}

/** A range of addresses that share their first `length` bits. The other bits of `value` are zero. */
export interface Prefix extends Address {
  length: number;
}

function addressBits(family: 4 | 6): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** Throws CONFIG_INVALID for anything but an IPv4 or IPv6 address. */
export function parseAddress(text: string): Address {
  const bytes = addressBytes(text);
  return { family: bytes.length === 4 ? 4 : 6, value: addressNumber(bytes) };
}

/** The address in text form; IPv6 as RFC 5952 section 4 recommends. */
export function formatAddress({ family, value }: Address): string {
  return addressText(numberAddress(value, family === 4 ? 4 : 16));
}

/**
 * Reads `10.0.0.0/8`; an address alone is a prefix of full length. Bits behind the prefix are cleared, so an
 * interface's `10.1.2.3/8` gives its network. Throws CONFIG_INVALID.
 */
export function parsePrefix(text: string): Prefix {
  const slash = text.indexOf('/');
  const { family, value } = parseAddress(slash < 0 ? text : text.slice(0, slash));
  const bits = addressBits(family);
  const digits = slash < 0 ? String(bits) : text.slice(slash + 1);
  const length = Number(digits);
  if (!/^\d{1,3}$/.test(digits) || length > bits) {
    throw new VpnrError('CONFIG_INVALID', `"${text}" is not a prefix: its length must be 0 to ${bits}`);
  }
  const host = BigInt(bits - length);
  return { family, value: (value >> host) << host, length };
}

export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix)}/${prefix.length}`;
}

/** Whether all of `inner` (an address is a prefix of full length) lies in `outer`. */
export function contains(outer: Prefix, inner: Address | Prefix): boolean {
  if (outer.family !== inner.family) return false;
  if ('length' in inner && inner.length < outer.length) return false;
  const host = BigInt(addressBits(outer.family) - outer.length);
  return inner.value >> host === outer.value >> host;
}

export function samePrefix(a: Prefix, b: Prefix): boolean {
  return a.family === b.family && a.length === b.length && a.value === b.value;
}

/** The prefix as two halves. It must not be a single address. */
export function halves({ family, value, length }: Prefix): [Prefix, Prefix] {
  const upper = 1n << BigInt(addressBits(family) - length - 1);
  return [
    { family, value, length: length + 1 },
    { family, value: value | upper, length: length + 1 },
  ];
}
