/**
 * The control plane's view of the data plane: one worker thread that moves packets in batches between the TUN
 * device and UDP sockets. Calls return at once; the worker carries them out in the order of the calls.
 */

import type { VpnrError } from '../errors.js';
import type { ChildSa, Endpoint } from '../ike/api.js';
import type { FlowRule } from '../packet/core.js';
import type { Secret } from '../secret.js';
import type { Offloads, Tun } from './offloads.js';

export type { FlowRule } from '../packet/core.js';

export type RelayMode = 'clear' | 'sealed' | 'ipip';

/** What both ends of a session do against losses when its path fails. */
export interface FailoverSettings {
  /**
   * Bounds on what is kept of the packets sent lately, to be sent again if the other end lacks them; `bytes` 0: nothing is
   * kept. It needs a relay session, in another mode than ipip. The relay keeps what it sends to us, within bounds of its own.
   */
  replay: { bytes: number; ageMs: number };
  /** Flows that take the second path too, at most RULES_MAX rules; empty: all. */
  duplicate: readonly FlowRule[];
}

/**
 * How to go on when the active path changes. `failed`: what was on its way is lost, so packets from the device wait until it
 * has been sent again, at least a round trip of the new path and at most a second. `alive`: what is on its way will arrive
 * over the path of before; packets take the new path at once, and what was lost nevertheless is sent again a little later.
 */
export type ActivationKind = 'failed' | 'alive';

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
  /** RELAY_KEY bytes each, RELAY_SEALED_KEY in sealed mode. Never bound before: sequence numbers begin anew. */
  sendKey: Secret;
  receiveKey: Secret;
  /**
   * It is the session that is bound, whose relay was started anew: what that of before has not delivered, of what is kept, is sent again
   * before anything new. `received`: what it had received when it ended, as `RelayDataPlane.halt` says; absent: it told
   * nothing, and what was sent before `relayGone` is taken for delivered.
   */
  resumed?: { received: Uint8Array | undefined };
}

export interface ClientEvents {
  /** An IKE message from a path's gateway, without the non-ESP marker. */
  ike(path: number, datagram: Uint8Array): void;
  /**
   * A probe came back. `heardMsAgo`: when it passed the relay, that long ago the relay had last received an authentic packet of
   * ours over the session's active path; much more than the interval of probes and traffic means that our packets on that path
   * are lost, whatever comes back over it.
   */
  probeReply(path: number, id: number, roundTripMs: number, heardMsAgo: number): void;
  /**
   * The relay says over `path`, which is not the active one, that for `silentMs` it has sent us packets over the active path and
   * heard nothing from us over it. Said at most every 100 ms; authentic, but a hint: one of the two directions may be in order.
   */
  suspected(path: number, silentMs: number): void;
  /**
   * A change of the active path that was to lose nothing is over: what the relay lacked is being sent again. `ms`: since
   * `activate`. Not `answered`: the relay did not answer in time, and all that it has not acknowledged is sent again.
   */
  switched(path: number, epoch: number, ms: number, answered: boolean): void;
  /** The relay is about to stop. */
  drain(): void;
  /**
   * Packets of applications move: told within a millisecond when they begin to, and then every 50 ms while they do. `sent` and
   * `received` so far, modulo 2^32; probes, keepalives and the relay's control connection are no traffic.
   */
  traffic(sent: number, received: number): void;
  /**
   * The kernel reported an error for a path's socket, by its errno name: "ECONNREFUSED" or "EHOSTUNREACH" for an ICMP
   * error, "ENETUNREACH" for a missing route. At most ten a second; a hint only, as anyone can forge ICMP.
   */
  pathError(path: number, code: string): void;
  /** The worker failed: nothing moves any more, and commands have no effect. `stop` is still to be called. */
  failed(error: VpnrError): void;
}

export interface ClientDataPlane {
  /** Uses the TUN descriptor until `stop` has resolved; the caller closes it. Resolves once packets can move. */
  start(tun: Tun, events: ClientEvents): Promise<void>;
  /** A fresh inbound SPI whose low bits are its place in the core's table. Throws ASSOCIATIONS_FULL. */
  allocateSpi(): number;
  releaseSpi(spi: number): void;
  /**
   * Opens a connected UDP socket to the gateway, from `local` or what the kernel chooses. The caller keeps a route to
   * the gateway outside the tunnel. NAT keepalives (RFC 3948 section 4) are sent until it is closed.
   */
  openPath(path: number, gateway: Endpoint, local?: Endpoint): { local: Endpoint };
  /**
   * Goes on with an open path from a new socket, as `openPath` makes it: the old one may be bound to an address that is
   * gone. Throws SYSTEM_CALL when there is no way to the gateway; the path then stays as it was.
   */
  movePath(path: number, gateway: Endpoint, local?: Endpoint): { local: Endpoint };
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
  /** The relay's IPv4 address as soon as it is known, so that control traffic passes before there is a session. */
  setRelay(relay: Endpoint): void;
  bindRelay(binding: RelayBinding): void;
  /** Whether the relay has ended, as far as its control connection tells: it delivers nothing from now on. */
  relayGone(gone: boolean): void;
  /** What is kept and doubled from now on; what was kept before is forgotten. At first nothing is kept. */
  setFailover(settings: FailoverSettings): void;
  /**
   * Sends device packets over this path from now on, under this path epoch (u16). Undefined: drop them. The relay is told at
   * once. If something is kept and the epoch is newer than the one before, nothing of it is lost (see ActivationKind), and each
   * packet is sent again once, or twice if that was lost as well; otherwise packets just take the new path. If it was the second path, there is no second
   * path afterwards.
   */
  activate(path: number | undefined, epoch: number, kind?: ActivationKind): void;
  /**
   * Sends packets of the flows in `duplicate` over this path as well, from when the relay has confirmed it, with the same
   * numbers, so that the first copy counts; the relay does the same. Undefined: over the active path only. The relay is told
   * at once, and again with every probe over the path, so a path that is probed is confirmed sooner or later.
   */
  setSecondPath(path: number | undefined): void;
  /** Sends a relay probe over the path. */
  probe(path: number, id: number): void;
  /** Counters by name, as in `counterIndices`; a snapshot. */
  counters(): Record<string, number>;
  /** Those in use. */
  offloads(): Offloads;
  /** Ends the worker and closes the paths. */
  stop(): Promise<void>;
}

export interface RelaySession {
  index: number;
  mode: RelayMode;
  lease: string;
  /** RELAY_KEY bytes each, RELAY_SEALED_KEY in sealed mode, wiped once installed. Never installed before. */
  sendKey: Secret;
  receiveKey: Secret;
}

/**
 * Bounds on what a relay keeps, for clients that ask for it, of the packets that it sent them lately: bytes in all and for one
 * session, and age. Without bounds nothing is kept.
 */
export interface ReplayBounds {
  bytes: number;
  sessionBytes: number;
  ageMs: number;
}

export interface RelayEvents {
  /** An authentic packet moved the session to another path. */
  sessionMoved(index: number, path: Endpoint, epoch: number): void;
  failed(error: VpnrError): void;
}

export interface SessionActivity {
  /** Authentic packets received since it was installed. */
  received: number;
  /** Where the client is reached, once it has been heard. */
  path?: Endpoint;
  epoch: number;
}

export interface RelayDataPlane {
  /**
   * Opens the data socket on `listen`, an IPv4 address; throws ADDRESS_IN_USE, NOT_ROOT or SYSTEM_CALL. `pool` is in
   * CIDR notation. The TUN descriptor is used until `stop` has resolved; the caller closes it. Resolves once packets
   * can move, with the data socket's address (the kernel chooses a `listen` port of 0).
   */
  start(
    options: {
      tun: Tun;
      listen: Endpoint;
      ipip: boolean;
      pool: string;
      maxSegment: number;
      replay?: ReplayBounds;
    },
    events: RelayEvents,
  ): Promise<{ local: Endpoint }>;
  /**
   * Replaces a session of the same index: sequence numbers, epoch and path start anew. Wipes the keys. Throws INTERNAL
   * if another session has its place in the table (SESSION_INDEX_MASK) or its lease, or the lease is not in the pool.
   */
  installSession(session: RelaySession): void;
  removeSession(index: number): void;
  /** Tells every session's client that the relay is about to stop (DRAIN). */
  drain(): void;
  /** What is known of each of the given sessions that is installed; for expiry. */
  activity(indices: readonly number[]): Promise<Map<number, SessionActivity>>;
  /**
   * Moves no packet any more. What each of these sessions has received, the last word on it: a probe's body (assembly/receive_state.ts)
   * without the zeros at its end, RELAY_PROBE_BODY bytes at least.
   */
  halt(indices: readonly number[]): Promise<Map<number, Uint8Array>>;
  counters(): Record<string, number>;
  /** Those in use. */
  offloads(): Offloads;
  stop(): Promise<void>;
}

export interface GatewayPlaneEvents {
  /** An IKE message, without the non-ESP marker, and where it came from. */
  ike(from: Endpoint, datagram: Uint8Array): void;
  /** A peer's newest authentic packet came from another address than those before (RFC 7296 section 2.23). */
  peerMoved(peer: number, remote: Endpoint): void;
  failed(error: VpnrError): void;
}

/** A gateway's end of all its tunnels. A peer is a client with a virtual address. */
export interface GatewayDataPlane {
  /**
   * Opens the socket for IKE and ESP on `listen`; throws ADDRESS_IN_USE, NOT_ROOT or SYSTEM_CALL. `pool` is an IPv4
   * prefix in CIDR notation. The TUN descriptor is used until `stop` has resolved; the caller closes it. Resolves once
   * packets can move, with the socket's address (the kernel chooses a `listen` port of 0).
   */
  start(
    options: { tun: Tun; listen: Endpoint; pool: string; maxSegment: number },
    events: GatewayPlaneEvents,
  ): Promise<{ local: Endpoint }>;
  /** As the client's. There are SA_MAX of them for all peers together: throws ASSOCIATIONS_FULL. */
  allocateSpi(): number;
  releaseSpi(spi: number): void;
  sendIke(to: Endpoint, datagram: Uint8Array): void;
  /** A peer with this virtual address, of the pool and nobody else's, reached at `remote` until it is heard elsewhere. */
  addPeer(address: string, remote: Endpoint): number;
  /** It was heard elsewhere by other means than ESP. */
  movePeer(peer: number, remote: Endpoint): void;
  /** Removes its children too. */
  removePeer(peer: number): void;
  /** Installs both directions, and sends on it from now on unless `receiveOnly`. Wipes the keys. */
  installChild(peer: number, child: ChildSa, receiveOnly?: boolean): void;
  sendOnChild(peer: number, inboundSpi: number): void;
  /** Frees the SPI too. */
  removeChild(inboundSpi: number): void;
  /** Authentic packets received from each peer since it was added. */
  activity(): Promise<Map<number, number>>;
  counters(): Record<string, number>;
  /** Those in use. */
  offloads(): Offloads;
  stop(): Promise<void>;
}
