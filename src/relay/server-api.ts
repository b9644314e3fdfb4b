/** What a relay server is given, and what it tells. */

import type { RelayDataPlane, ReplayBounds } from '../dataplane/api.js';
import type { Offloads, Tun } from '../dataplane/offloads.js';
import type { ErrorCode, VpnrError } from '../errors.js';
import type { Endpoint } from '../ike/api.js';
import type { Secret } from '../secret.js';
import type { ReloadEvent } from '../service/reload.js';
import type { Roster } from '../service/roster.js';
import type { AdmissionLimits } from './admission.js';
import type { ConnectionTiming } from './connection.js';
import type { SessionLimits } from './sessions.js';

export interface RelayServerOptions {
  listen: Endpoint;
  /** IPv4 prefix of the leases. */
  pool: string;
  /** PEM; the chain may follow the relay's own certificate. */
  certificate: string;
  /** PEM. */
  key: Secret;
  /** With their tokens; stays the caller's. */
  clients: Roster;
  stateDirectory: string;
  /** Allows `ipip`, which nothing protects (configuration: `trust_network`). */
  ipip: boolean;
  /** What is kept of the packets sent last; nothing when absent. */
  replay?: ReplayBounds;
  /** MTU for the clients' devices, when it is known. */
  mtu?: number;
  dataPlane: RelayDataPlane;
  tun: Tun;
  /** Resolves once packets find their way between the TUN device and the network: clients are let in then. */
  network?: Promise<void>;
  /** TCP's largest segment through the tunnel, in bytes. */
  maxSegment: number;
  onEvent(event: RelayEvent): void;
  limits?: Partial<SessionLimits & AdmissionLimits>;
  timing?: Partial<RelayTiming>;
  clock?: Clock;
}

export interface RelayTiming extends ConnectionTiming {
  handshakeTimeoutMs: number;
  /** How often the data plane is asked which sessions are in use. */
  sweepMs: number;
  /** How often times of last use are written down. */
  saveMs: number;
}

export const DEFAULT_TIMING: RelayTiming = {
  handshakeTimeoutMs: 10_000,
  helloTimeoutMs: 10_000,
  silenceMs: 90_000,
  sweepMs: 60_000,
  saveMs: 600_000,
};

export interface Clock {
  /** Monotonic milliseconds. */
  now(): number;
  /** Milliseconds since 1970, for what outlives the process. */
  wallClock(): number;
}

export type RelayEvent =
  | { type: 'listening'; address: string; port: number; fingerprint: string }
  | { type: 'session-opened'; client: string; lease: string; from: string }
  | { type: 'session-resumed'; client: string; lease: string; from: string; keys: 'fresh' | 'kept' }
  /** The client said goodbye; its lease is kept for it. */
  | { type: 'session-left'; client: string; lease: string }
  | { type: 'session-moved'; client: string; lease: string; path: Endpoint; epoch: number }
  /** The lease is free again. */
  | { type: 'session-ended'; client: string; lease: string }
  /** The relay is about to stop; so many clients were told. */
  | { type: 'draining'; told: number }
  | { type: 'client-refused'; client: string; from: string; code: ErrorCode; message: string }
  | ReloadEvent
  | { type: 'failed'; error: VpnrError };

export interface RelayStatus {
  /** It is about to stop, and begins no more sessions. */
  draining: boolean;
  connections: number;
  sessions: { client: string; lease: string; connected: boolean; mode: string | undefined; idleMs: number }[];
  counters: Record<string, number>;
  offloads: Offloads;
}
