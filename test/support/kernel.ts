// What the kernel does with the core's message arrays, followed pointer by pointer: recvmmsg and sendmmsg without
// sockets.
import { MMSG_FLAGS, MMSG_LENGTH, MMSG_SIZE, MSG_TRUNC, RX_MMSG, TX_MMSG } from '../../src/packet/abi.js';
import type { PacketCore } from '../../src/packet/core.js';

export interface Datagram {
  bytes: Uint8Array;
  /** Dotted address and port of the peer: sender of a received datagram, receiver of a sent one. */
  peer: string;
}

/** Where the kernel takes linear memory to be; any address will do. */
export const BASE = 0x7f12_3456_7000n;

const AF_INET = 2;

/** A sockaddr_in as a u64: family, port and address in the order of memory. */
export function sockaddr(peer: string): Uint8Array {
  const [address = '', port = '0'] = peer.split(':');
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint16(0, AF_INET, true);
  new DataView(bytes.buffer).setUint16(2, Number(port));
  bytes.set(address.split('.').map(Number), 4);
  return bytes;
}

/** The other way round. */
export function peerOf(sockaddr_in: Uint8Array): string {
  const view = new DataView(sockaddr_in.buffer, sockaddr_in.byteOffset, 16);
  if (view.getUint16(0, true) !== AF_INET) throw new Error(`family ${view.getUint16(0, true)}`);
  return `${sockaddr_in.subarray(4, 8).join('.')}:${view.getUint16(2)}`;
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
    core.view.setUint32(message + 8, 16, true);
    core.view.setUint32(message + MMSG_FLAGS, bytes.length > room ? MSG_TRUNC : 0, true);
    core.view.setUint32(message + MMSG_LENGTH, Math.min(bytes.length, room), true);
  });
}

/** sendmmsg: what `count` messages of an array say. */
export function collect(core: PacketCore, count: number, list = TX_MMSG): Datagram[] {
  return Array.from({ length: count }, (_, i) => {
    const message = list + i * MMSG_SIZE;
    const iov = pointer(core, message + 16);
    if (core.view.getBigUint64(message + 24, true) !== 1n) throw new Error('not one iovec');
    if (core.view.getUint32(message + 8, true) !== 16) throw new Error('not a sockaddr_in');
    const data = pointer(core, iov);
    const length = Number(core.view.getBigUint64(iov + 8, true));
    const name = pointer(core, message);
    return {
      bytes: core.bytes.slice(data, data + length),
      peer: peerOf(core.bytes.subarray(name, name + 16)),
    };
  });
}
