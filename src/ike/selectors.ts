// Traffic selectors as ranges of addresses: RFC 7296 sections 2.9 and 3.13.1.

import { addressBytes, addressNumber, addressText, numberAddress, tryAddressBytes } from '../address.js';
import { VpnrError } from '../errors.js';
import type { TrafficSelector } from './api.js';

const ANY_PROTOCOL = 0;
const LAST_PORT = 65535;

/** As many as a Traffic Selector payload can count. */
export const MAX_SELECTORS = 255;

function addressSize(family: 4 | 6): 4 | 16 {
  return family === 4 ? 4 : 16;
}

/** All addresses of a family, with every protocol and port. */
export function anySelector(family: 4 | 6): TrafficSelector {
  return cidrSelector(family === 4 ? '0.0.0.0/0' : '::/0');
}

/** `10.0.0.0/8`, or a single address. Host bits may be set; they are ignored. Throws CONFIG_INVALID. */
export function cidrSelector(cidr: string): TrafficSelector {
  const { address, prefix } = parseCidr(cidr);
  const family = address.length === 4 ? 4 : 6;
  const size = addressSize(family);
  const hostMask = (1n << BigInt(size * 8 - prefix)) - 1n;
  const first = addressNumber(address) & ~hostMask;
  return rangeSelector(family, first, first | hostMask);
}

function rangeSelector(family: 4 | 6, first: bigint, last: bigint): TrafficSelector {
  const size = addressSize(family);
  return {
    family,
    protocol: ANY_PROTOCOL,
    firstPort: 0,
    lastPort: LAST_PORT,
    first: addressText(numberAddress(first, size)),
    last: addressText(numberAddress(last, size)),
  };
}

/** Address bytes and prefix length; a missing prefix means a single address. Throws CONFIG_INVALID. */
export function parseCidr(cidr: string): { address: Uint8Array; prefix: number } {
  const slash = cidr.indexOf('/');
  const address = tryAddressBytes(slash < 0 ? cidr : cidr.slice(0, slash));
  const length = slash < 0 ? undefined : cidr.slice(slash + 1);
  const bits = (address?.length ?? 0) * 8;
  const prefix = length === undefined ? bits : Number(length);
  if (address === undefined || (length !== undefined && !/^\d{1,3}$/.test(length)) || prefix > bits) {
    throw new VpnrError('CONFIG_INVALID', `"${cidr}" is neither an address nor a network in CIDR notation`);
  }
  return { address, prefix };
}

/** What both selectors allow, or undefined when that is nothing. */
export function intersectSelectors(a: TrafficSelector, b: TrafficSelector): TrafficSelector | undefined {
  if (a.family !== b.family) return undefined;
  if (a.protocol !== b.protocol && a.protocol !== ANY_PROTOCOL && b.protocol !== ANY_PROTOCOL)
    return undefined;
  const firstPort = Math.max(a.firstPort, b.firstPort);
  const lastPort = Math.min(a.lastPort, b.lastPort);
  const first = larger(a.first, b.first);
  const last = smaller(a.last, b.last);
  if (firstPort > lastPort || number(first) > number(last)) return undefined;
  return { family: a.family, protocol: a.protocol || b.protocol, firstPort, lastPort, first, last };
}

/** Whether everything that `inner` allows is allowed by `outer`. */
export function containsSelector(outer: TrafficSelector, inner: TrafficSelector): boolean {
  return (
    outer.family === inner.family &&
    (outer.protocol === ANY_PROTOCOL || outer.protocol === inner.protocol) &&
    outer.firstPort <= inner.firstPort &&
    inner.lastPort <= outer.lastPort &&
    number(outer.first) <= number(inner.first) &&
    number(inner.last) <= number(outer.last)
  );
}

/** Whether each of `answer` lies inside one of `offered`: what a responder may answer to an initiator. */
export function isSubset(answer: readonly TrafficSelector[], offered: readonly TrafficSelector[]): boolean {
  return answer.every(inner => offered.some(outer => containsSelector(outer, inner)));
}

/**
 * A responder's narrowing: what of the offered selectors policy allows, without selectors inside of others; at most
 * `limit` of them, for narrowing further is allowed.
 */
export function narrowSelectors(
  offered: readonly TrafficSelector[],
  allowed: readonly TrafficSelector[],
  limit = MAX_SELECTORS,
): TrafficSelector[] {
  const narrowed: TrafficSelector[] = [];
  for (const one of offered) {
    for (const other of allowed) {
      const common = intersectSelectors(one, other);
      if (common === undefined || narrowed.some(outer => containsSelector(outer, common))) continue;
      if (narrowed.length === limit) return narrowed;
      narrowed.push(common);
    }
  }
  return narrowed;
}

function number(address: string): bigint {
  return addressNumber(addressBytes(address));
}

function larger(a: string, b: string): string {
  return number(a) > number(b) ? a : b;
}

function smaller(a: string, b: string): string {
  return number(a) < number(b) ? a : b;
}
