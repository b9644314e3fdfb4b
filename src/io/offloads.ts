/**
 * What the kernel does for many packets in one call: packets of up to 64 KiB from and to the TUN device, which somebody
 * cuts up or joins only where that has to be, and datagrams of equal size that are sent and received together. Each can be
 * missing, for a kernel's age or a device's kind: everything works without, at the cost of more calls.
 */
import { check, close, getsockopt, ioctl, NativeMemory, O_CLOEXEC, setsockopt, socket } from './libc.js';
import { AF_INET } from './sockaddr.js';

export interface DeviceOffloads {
  /** Each packet has a struct virtio_net_hdr in front, whatever else is there. */
  header: boolean;
  /** The device takes and gives super-packets of TCP, and of UDP. */
  tcp: boolean;
  udp: boolean;
}

export interface SocketOffloads {
  /** UDP_SEGMENT. */
  send: boolean;
  /** UDP_GRO. */
  receive: boolean;
}

export const NO_DEVICE_OFFLOADS: DeviceOffloads = { header: false, tcp: false, udp: false };

/** They are used unless VPNR_OFFLOADS=off is in the environment. */
export function offloadsWanted(): boolean {
  return process.env.VPNR_OFFLOADS !== 'off';
}

const TUNSETOFFLOAD = 0x400454d0;
const TUN_F_CSUM = 0x01;
const TUN_F_TSO4 = 0x02;
const TUN_F_TSO6 = 0x04;
const TUN_F_USO4 = 0x20;
const TUN_F_USO6 = 0x40;

/** Asks the device, opened with IFF_VNET_HDR, for all that the kernel has. */
export function setDeviceOffloads(fd: number): DeviceOffloads {
  const tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  if (ioctl(fd, TUNSETOFFLOAD, tcp | TUN_F_USO4 | TUN_F_USO6) >= 0)
    return { header: true, tcp: true, udp: true };
  // USO came with Linux 6.2.
  if (ioctl(fd, TUNSETOFFLOAD, tcp) >= 0) return { header: true, tcp: true, udp: false };
  return { header: true, tcp: false, udp: false };
}

const SOCK_DGRAM = 2;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const UDP_GRO = 104;

const argument = new NativeMemory(8);

/** Receives datagrams of equal size together, if the kernel can; whether it can. */
export function setReceiveOffload(fd: number): boolean {
  argument.view.setInt32(0, 1, true);
  return setsockopt(fd, SOL_UDP, UDP_GRO, argument.address, 4) >= 0;
}

/** What this kernel has. */
export function socketOffloads(): SocketOffloads {
  if (!offloadsWanted()) return { send: false, receive: false };
  const fd = check(socket(AF_INET, SOCK_DGRAM | O_CLOEXEC, 0), 'socket');
  try {
    argument.view.setInt32(4, 4, true);
    const send = getsockopt(fd, SOL_UDP, UDP_SEGMENT, argument.address, argument.address + 4) >= 0;
    return { send, receive: setReceiveOffload(fd) };
  } finally {
    close(fd);
  }
}
