/**
 * The control plane's view of the data plane: one worker thread that moves packets in batches between the TUN
 * device and UDP sockets. Calls return at once; the worker carries them out in the order of the calls.
 */

import type { ChildSa, Endpoint } from '../ike/api.js';
import type { Secret } from '../secret.js';

export type RelayMode = 'clear' | 'ipip';

/** The client's end of a relay session. The data plane wipes the keys once it has installed them. */
export interface RelayBinding {
  mode: RelayMode;
  /** The relay as seen through the tunnels. */
  relay: Endpoint;
  /** Our UDP port inside the tunnel. */
  clientPort: number;
  sessionIndex: number;
  /** The session's stable address, as the network behind the relay sees it. */
  lease: string;
  /** SipHash keys, 16 bytes each. */
  sendKey: Secret;
  receiveKey: Secret;
}

export interface ClientEvents {
  /** An IKE message from a path's gateway, without the non-ESP marker. */
  ike(path: number, datagram: Uint8Array): void;
  /** A probe came back. */
  probeReply(path: number, id: number, roundTripMs: number): void;
  /** The relay asked us to leave it. */
  drain(): void;
  /** The kernel reported an error for a path's socket, an ICMP error for example ("ECONNREFUSED"). */
  pathError(path: number, code: string): void;
  /** The worker failed: nothing moves any more. */
  failed(error: Error): void;
}

export interface ClientDataPlane {
  /** Takes over the TUN descriptor; resolves once packets can move. */
  start(tun: { fd: number }, events: ClientEvents): Promise<void>;
  /** A fresh inbound SPI whose low bits are its place in the core's table. Throws when all are taken. */
  allocateSpi(): number;
  releaseSpi(spi: number): void;
  /** Opens a connected UDP socket to the gateway (never routed into the tunnel: see `mark`). */
  openPath(path: number, gateway: Endpoint): { local: Endpoint };
  closePath(path: number): void;
  sendIke(path: number, datagram: Uint8Array): void;
  /** Installs both directions, and sends on it from now on unless `receiveOnly`. Wipes the keys. */
  installChild(path: number, child: ChildSa, receiveOnly?: boolean): void;
  /** Sends on this installed child from now on. */
  sendOnChild(path: number, inboundSpi: number): void;
  /** Frees the SPI too. */
  removeChild(inboundSpi: number): void;
  /** The address the path's gateway assigned: inner source of what is sent there. */
  setVirtualAddress(path: number, address: string): void;
  /**
   * Addresses of the device: `device` is what applications use, translated to the path's virtual address (no
   * relay) or to the lease (relay) when it differs; `control` is the source of the relay's control connection,
   * always translated to the path's virtual address and never sent through the relay. `maxSegment` clamps TCP's MSS.
   * Without `device` (no address yet) only control traffic passes.
   */
  setAddresses(addresses: { device?: string; control?: string; maxSegment: number }): void;
  /** The relay's address as soon as it is known, so that control traffic passes before there is a session. */
  setRelay(relay: Endpoint): void;
  bindRelay(binding: RelayBinding): void;
  unbindRelay(): void;
  /** Sends device packets over this path from now on, under this path epoch (u16). Undefined: drop them. */
  activate(path: number | undefined, epoch: number): void;
  /** Sends a relay probe over the path. */
  probe(path: number, id: number): void;
  /** Counters by name, as in `counterNames`; a snapshot. */
  counters(): Record<string, number>;
  stop(): Promise<void>;
}

export interface RelaySession {
  index: number;
  mode: RelayMode;
  lease: string;
  /** SipHash keys, 16 bytes each, wiped once installed. */
  sendKey: Secret;
  receiveKey: Secret;
}

export interface RelayEvents {
  /** An authentic packet moved the session to another path. */
  sessionMoved(index: number, path: Endpoint, epoch: number): void;
  failed(error: Error): void;
}

export interface RelayDataPlane {
  /** Opens the data socket on `listen`; throws ADDRESS_IN_USE or SYSTEM_CALL. */
  start(
    options: { tun: { fd: number }; listen: Endpoint; ipip: boolean; pool: string; maxSegment: number },
    events: RelayEvents,
  ): Promise<void>;
  /** Replaces a session of the same index: sequence numbers, epoch and path start anew. */
  installSession(session: RelaySession): void;
  removeSession(index: number): void;
  /** Tells every session's client to leave (DRAIN). */
  drain(): void;
  /** Packets received by each of the given sessions so far; for expiry. */
  activity(
    indices: readonly number[],
  ): Promise<Map<number, { received: number; path?: Endpoint; epoch: number }>>;
  counters(): Record<string, number>;
  stop(): Promise<void>;
}
