/** IP addresses as bytes in network order, as text and as numbers. */
import { isIPv4, isIPv6 } from 'node:net';
import { VpnrError } from './errors.js';

/** Addresses in network order: 4 bytes for IPv4, 16 for IPv6. Undefined if `text` is neither, or has a zone. */
export function tryAddressBytes(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number);
  if (isIPv6(text) && !text.includes('%')) return parseIpv6(text);
  return undefined;
}

/** Like `tryAddressBytes`; throws CONFIG_INVALID for anything but an address. */
export function addressBytes(text: string): Uint8Array {
  const bytes = tryAddressBytes(text);
  if (bytes === undefined) throw new VpnrError('CONFIG_INVALID', `"${text}" is not an IP address`);
  return bytes;
}

/** An IPv4 address as a number, its first byte the highest; throws CONFIG_INVALID for anything else. */
export function ipv4Number(text: string): number {
  const bytes = addressBytes(text);
  if (bytes.length !== 4) throw new VpnrError('CONFIG_INVALID', `"${text}" is not an IPv4 address`);
  return new DataView(bytes.buffer).getUint32(0);
}

/** The address as an unsigned number of 32 or 128 bits, its first byte the highest. */
export function addressNumber(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value;
}

/** The inverse of `addressNumber` for an address of `size` bytes. */
export function numberAddress(value: bigint, size: 4 | 16): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let index = size - 1, rest = value; index >= 0; index--, rest >>= 8n)
    bytes[index] = Number(rest & 0xffn);
  return bytes;
}

/** The text form of 4 or 16 bytes; IPv6 as RFC 5952 recommends. Throws RangeError for another length. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) throw new RangeError(`an address has 4 or 16 bytes, not ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(i * 2));
  const run = longestZeroRun(groups);
  const text = (part: readonly number[]) => part.map(group => group.toString(16)).join(':');
  if (run.length < 2) return text(groups);
  return `${text(groups.slice(0, run.start))}::${text(groups.slice(run.start + run.length))}`;
}

/** `host:port`, with brackets around an IPv6 address. */
export function hostAndPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** `text` is a valid IPv6 address without a zone. */
function parseIpv6(text: string): Uint8Array {
  const [head = '', tail] = text.split('::');
  const left = groupBytes(head);
  const right = tail === undefined ? [] : groupBytes(tail);
  const bytes = new Uint8Array(16);
  bytes.set(left);
  bytes.set(right, 16 - right.length);
  return bytes;
}

/** The bytes of groups of hexadecimal digits; the last one may be an IPv4 address in dotted form. */
function groupBytes(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap(group => {
    if (group.includes('.')) return group.split('.').map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

/** The first of the longest runs of zero groups. */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  groups.forEach((group, i) => {
    length = group === 0 ? length + 1 : 0;
    if (length > best.length) best = { start: i - length + 1, length };
  });
  return best;
}
