/** What a gateway is given, and what it tells. */

import type { GatewayDataPlane } from '../dataplane/api.js';
import type { Offloads } from '../dataplane/offloads.js';
import type { ErrorCode, VpnrError } from '../errors.js';
import type { Endpoint, EspSuite, IkeProposal, Lifetimes } from '../ike/api.js';
import type { FailureLimits } from '../service/failures.js';
import type { AddressPool } from '../service/pool.js';
import type { ReloadEvent } from '../service/reload.js';
import type { Roster } from '../service/roster.js';
import type { HalfOpenLimits } from './half-open.js';

export interface GatewayServerOptions {
  identity: string;
  /** Identities and their pre-shared keys; stays the caller's. */
  clients: Roster;
  pool: AddressPool;
  /** What clients may reach, in CIDR notation. */
  networks: readonly string[];
  /** Name servers that they are told of, and the domains that these know. */
  dns?: { servers: readonly string[]; search: readonly string[] };
  /** The socket's address, as clients see it where there is no NAT. */
  local: Endpoint;
  plane: GatewayDataPlane;
  ike: readonly IkeProposal[];
  esp: readonly EspSuite[];
  lifetimes: Lifetimes;
  /** A client that has been silent for so long is asked whether it is there. */
  silenceMs: number;
  onEvent(event: GatewayEvent): void;
  limits?: Partial<HalfOpenLimits & FailureLimits>;
  /** Monotonic milliseconds. */
  now(): number;
  random(size: number): Uint8Array;
}

export type LeaveReason =
  /** The client deleted its session. */
  | 'deleted'
  /** It did not answer any more. */
  | 'silent'
  /** It, or another with its identity, connected anew. */
  | 'replaced'
  /** The gateway ended it. */
  | 'stopped'
  /** It is no client any more, or has another key now. */
  | 'removed'
  | 'failed';

export type GatewayEvent =
  | { type: 'listening'; address: string; port: number; identity: string; pool: string }
  | { type: 'client-connected'; client: string; address: string; from: string }
  /** The client's address in the outer network changed: a NAT, or the client itself, moved. */
  | { type: 'client-moved'; client: string; address: string; from: string }
  | { type: 'client-left'; client: string; address: string; reason: LeaveReason; message: string }
  /** Someone who said to be `client` was not let in, or got no tunnel. */
  | { type: 'client-refused'; client: string; from: string; code: ErrorCode; message: string }
  /** Initiators have to show cookies now, because so many IKE SAs are half-open; or they have not to any more. */
  | { type: 'cookies'; required: boolean; halfOpen: number }
  | ReloadEvent
  | { type: 'failed'; error: VpnrError };

export interface ClientStatus {
  client: string;
  /** The virtual address. */
  address: string | null;
  from: string;
  connectedMs: number;
  /** Since it was heard last, to within a second. */
  idleMs: number;
  /** Times that keys were renewed, by either side. */
  rekeys: { ike: number; child: number };
}

export interface GatewayStatus {
  clients: ClientStatus[];
  /** Its clients were asked to go elsewhere, and nobody new is taken. */
  draining: boolean;
  halfOpen: number;
  cookies: boolean;
  /** Since the start: failed authentications, half-open IKE SAs given up, IKE messages that belonged to nothing. */
  refused: { authentications: number; halfOpen: number; messages: number };
  counters: Record<string, number>;
  offloads: Offloads;
}
