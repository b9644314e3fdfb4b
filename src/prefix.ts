/** IP addresses and prefixes (CIDR notation) as numbers. */
import { isIPv4, isIPv6 } from 'node:net';
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
  if (isIPv4(text))
    return { family: 4, value: text.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n) };
  if (isIPv6(text) && !text.includes('%')) return { family: 6, value: parseIPv6(text) };
  throw new VpnrError('CONFIG_INVALID', `"${text}" is not an IP address`);
}

/** `text` has been checked: RFC 4291 section 2.2, all three forms. */
function parseIPv6(text: string): bigint {
  const [head = '', tail] = text.split('::');
  const left = groupsOf(head);
  const right = tail === undefined ? [] : groupsOf(tail);
  const zeros = new Array<bigint>(8 - left.length - right.length).fill(0n);
  return [...left, ...zeros, ...right].reduce((sum, group) => (sum << 16n) | group, 0n);
}

function groupsOf(text: string): bigint[] {
  if (text === '') return [];
  return text.split(':').flatMap(group => {
    if (!group.includes('.')) return [BigInt(`0x${group}`)];
    const { value } = parseAddress(group);
    return [value >> 16n, value & 0xffffn];
  });
}

/** The address in text form; IPv6 as RFC 5952 section 4 recommends. */
export function formatAddress({ family, value }: Address): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map(shift => (value >> shift) & 0xffn).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => (value >> BigInt(112 - 16 * i)) & 0xffffn);
  let longest = { start: 0, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (groups[start + length] === 0n) length++;
    if (length > longest.length) longest = { start, length };
  }
  const hex = groups.map(group => group.toString(16));
  if (longest.length < 2) return hex.join(':');
  return `${hex.slice(0, longest.start).join(':')}::${hex.slice(longest.start + longest.length).join(':')}`;
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
