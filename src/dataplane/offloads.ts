/** The offloads that a worker uses: which there are, as bits for the core and as words for the status. */
import type { DeviceOffloads } from '../io/offloads.js';
import { socketOffloads } from '../io/offloads.js';
import { OFFLOAD_HEADER, OFFLOAD_RECEIVE, OFFLOAD_SEND, OFFLOAD_TCP, OFFLOAD_UDP } from '../packet/abi.js';

/** Offloads in use: packets of up to 64 KiB from and to the device; datagrams sent and received many at a time. */
export interface Offloads {
  tcp: boolean;
  udp: boolean;
  send: boolean;
  receive: boolean;
}

/** A TUN descriptor, and what the device was opened with; without that there is nothing in front of a packet. */
export interface Tun {
  fd: number;
  offloads?: DeviceOffloads;
}

/** The OFFLOAD_ bits for a worker of this device. */
export function offloadBits(tun: Tun): number {
  const { send, receive } = socketOffloads();
  return (
    (tun.offloads?.header === true ? OFFLOAD_HEADER : 0) |
    (tun.offloads?.tcp === true ? OFFLOAD_TCP : 0) |
    (tun.offloads?.udp === true ? OFFLOAD_UDP : 0) |
    (send ? OFFLOAD_SEND : 0) |
    (receive ? OFFLOAD_RECEIVE : 0)
  );
}

export function describeOffloads(bits: number): Offloads {
  return {
    tcp: (bits & OFFLOAD_TCP) !== 0,
    udp: (bits & OFFLOAD_UDP) !== 0,
    send: (bits & OFFLOAD_SEND) !== 0,
    receive: (bits & OFFLOAD_RECEIVE) !== 0,
  };
}
