/** struct sockaddr_in and sockaddr_in6. */

import { addressBytes, addressText, hostAndPort } from '../address.js';
import { VpnrError } from '../errors.js';
import type { Endpoint } from '../ike/api.js';
import type { NativeMemory } from './libc.js';

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
/** u16 family, u16 port, 4 bytes address, 8 bytes zero. */
const SOCKADDR_IN = 16;
/** u16 family, u16 port, u32 flow label, 16 bytes address, u32 scope. */
const SOCKADDR_IN6 = 28;
/** Bytes of a path, with its terminating zero. */
const UNIX_PATH = 108;
/** Room for either. */
export const SOCKADDR_MAX = 32;

/** "192.0.2.1:4500" or "[2001:db8::1]:4500", for messages. */
export function formatEndpoint({ address, port }: Endpoint): string {
  return hostAndPort(address, port);
}

export function addressFamily(address: string): typeof AF_INET | typeof AF_INET6 {
  return addressBytes(address).length === 4 ? AF_INET : AF_INET6;
}

/** The structure for `endpoint`. */
export function sockaddrBytes({ address, port }: Endpoint): Uint8Array {
  const host = addressBytes(address);
  const bytes = new Uint8Array(host.length === 4 ? SOCKADDR_IN : SOCKADDR_IN6);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, host.length === 4 ? AF_INET : AF_INET6, true);
  view.setUint16(2, port);
  bytes.set(host, host.length === 4 ? 4 : 8);
  return bytes;
}

/** Writes `endpoint` at `offset`; returns the structure's size. */
export function writeSockaddr(memory: NativeMemory, offset: number, endpoint: Endpoint): number {
  const bytes = sockaddrBytes(endpoint);
  memory.bytes.set(bytes, offset);
  return bytes.length;
}

/** The endpoint that the kernel, or the packet core, wrote at `offset`. */
export function readSockaddr(view: DataView, offset: number): Endpoint {
  const family = view.getUint16(offset, true);
  const [start, size] = family === AF_INET ? [4, 4] : [8, 16];
  const address = new Uint8Array(view.buffer, view.byteOffset + offset + start, size);
  return { address: addressText(address), port: view.getUint16(offset + 2) };
}

/** struct sockaddr_un: u16 family, then a path, or a zero byte and a name in the abstract name space ("@NAME"). */
export function unixAddress(name: string): Uint8Array {
  const path = new TextEncoder().encode(name);
  if (path.length === 0 || path.length >= UNIX_PATH)
    throw new VpnrError('SYSTEM_CALL', `"${name}" cannot be the name of a socket`);
  const abstract = name.startsWith('@');
  if (abstract) path[0] = 0;
  // A path ends with a zero byte, an abstract name with its last one.
  const bytes = new Uint8Array(2 + path.length + (abstract ? 0 : 1));
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, true);
  bytes.set(path, 2);
  return bytes;
}
