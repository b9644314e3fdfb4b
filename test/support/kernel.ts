// What the kernel does with the core's message arrays, followed pointer by pointer: recvmmsg and sendmmsg without
// sockets.
import { addressBytes, addressText } from '../../src/address.js';
import {
  BIG_RX_SLOTS,
  BIG_SLOT_SIZE,
  CONTROL_SIZE,
  MMSG_FLAGS,
  MMSG_LENGTH,
  MMSG_SIZE,
  MSG_TRUNC,
  RX_CONTROLS,
  RX_MMSG,
  SLOT_HEADROOM,
  TX_MMSG,
} from '../../src/packet/abi.js';
import type { PacketCore } from '../../src/packet/core.js';

export interface Datagram {
  bytes: Uint8Array;
  /** Address (IPv6 in brackets) and port of the peer: sender of a received datagram, receiver of a sent one. */
  peer: string;
}

/** Where the kernel takes linear memory to be; any address will do. */
export const BASE = 0x7f12_3456_7000n;

const AF_INET = 2;
const AF_INET6 = 10;
/** Sizes of sockaddr_in and sockaddr_in6. */
const SIZES = new Map([
  [AF_INET, 16],
  [AF_INET6, 28],
]);

/** A sockaddr_in or sockaddr_in6. */
export function sockaddr(peer: string): Uint8Array {
  const end = peer.lastIndexOf(':');
  const address = addressBytes(peer.slice(0, end).replace(/^\[|\]$/g, ''));
  const family = address.length === 4 ? AF_INET : AF_INET6;
  const bytes = new Uint8Array(SIZES.get(family) ?? 0);
  new DataView(bytes.buffer).setUint16(0, family, true);
  new DataView(bytes.buffer).setUint16(2, Number(peer.slice(end + 1)));
  bytes.set(address, family === AF_INET ? 4 : 8);
  return bytes;
}

/** The other way round. */
export function peerOf(name: Uint8Array): string {
  const view = new DataView(name.buffer, name.byteOffset, 16);
  const port = view.getUint16(2);
  switch (view.getUint16(0, true)) {
    case AF_INET:
      return `${addressText(name.slice(4, 8))}:${port}`;
    case AF_INET6:
      return `[${addressText(name.slice(8, 24))}]:${port}`;
    default:
      throw new Error(`family ${view.getUint16(0, true)}`);
  }
}

function pointer(core: PacketCore, at: number): number {
  return Number(core.view.getBigUint64(at, true) - BASE);
}

/** recvmmsg: puts the datagrams where the headers of RX_MMSG point. A message that is too long is cut and marked. */
export function deliver(core: PacketCore, datagrams: readonly Datagram[]): void {
  datagrams.forEach(({ bytes, peer }, i) => {
    const message = RX_MMSG + i * MMSG_SIZE;
    const iov = pointer(core, message + 16);
    const room = Number(core.view.getBigUint64(iov + 8, true));
    const name = sockaddr(peer).subarray(0, core.view.getUint32(message + 8, true));
    core.bytes.set(bytes.subarray(0, room), pointer(core, iov));
    core.bytes.set(name, pointer(core, message));
    core.view.setUint32(message + 8, name.length, true);
    core.view.setUint32(message + MMSG_FLAGS, bytes.length > room ? MSG_TRUNC : 0, true);
    core.view.setUint32(message + MMSG_LENGTH, Math.min(bytes.length, room), true);
  });
}

const SOL_UDP = 17;
const UDP_GRO = 104;

/**
 * recvmmsg with UDP_GRO: `whole` in slot `i`, in datagrams of `size` bytes, as the control message says; undefined: there is
 * none.
 */
export function deliverTogether(
  { bytes, view }: PacketCore,
  i: number,
  whole: Uint8Array,
  size: number | undefined,
): void {
  const message = RX_MMSG + i * MMSG_SIZE;
  bytes.set(whole, BIG_RX_SLOTS + i * BIG_SLOT_SIZE + SLOT_HEADROOM);
  view.setUint32(message + MMSG_FLAGS, 0, true);
  view.setUint32(message + MMSG_LENGTH, whole.length, true);
  view.setBigUint64(message + 40, size === undefined ? 0n : BigInt(CONTROL_SIZE), true);
  if (size === undefined) return;
  const control = RX_CONTROLS + i * CONTROL_SIZE;
  view.setBigUint64(control, 20n, true);
  view.setUint32(control + 8, SOL_UDP, true);
  view.setUint32(control + 12, UDP_GRO, true);
  view.setUint32(control + 16, size, true);
}

/** sendmmsg: what `count` messages of an array say. */
export function collect(core: PacketCore, count: number, list = TX_MMSG): Datagram[] {
  return Array.from({ length: count }, (_, i) => {
    const message = list + i * MMSG_SIZE;
    const iov = pointer(core, message + 16);
    if (core.view.getBigUint64(message + 24, true) !== 1n) throw new Error('not one iovec');
    const nameSize = core.view.getUint32(message + 8, true);
    const data = pointer(core, iov);
    const length = Number(core.view.getBigUint64(iov + 8, true));
    const name = pointer(core, message);
    if (nameSize !== SIZES.get(core.view.getUint16(name, true))) throw new Error('size of the sockaddr');
    return {
      bytes: core.bytes.slice(data, data + length),
      peer: peerOf(core.bytes.subarray(name, name + nameSize)),
    };
  });
}
