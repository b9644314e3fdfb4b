/** What the threads post to each other. Byte arrays are transferred, so the poster's are empty afterwards. */
import type { MessagePort } from 'node:worker_threads';
import { type ErrorCode, toVpnrError, VpnrError } from '../errors.js';
import type { ChildSa, Endpoint } from '../ike/api.js';
import type {
  ActivationKind,
  FailoverSettings,
  RelayBinding,
  RelayMode,
  ReplayBounds,
  SessionActivity,
} from './api.js';

/** A child SA whose keys are ready to be transferred. */
export type ChildKeys = Omit<ChildSa, 'inboundKey' | 'outboundKey'> & {
  inboundKey: Uint8Array;
  outboundKey: Uint8Array;
};

/** The worker is to leave its loop. It closes nothing: descriptors belong to the main thread. */
export interface StopCommand {
  type: 'stop';
}

/** Of child SAs. `path`: a client's path to a gateway, or a gateway's peer. */
export type ChildCommand =
  /** `outbound`: the outbound association's place in the core's table. */
  | { type: 'install-child'; path: number; child: ChildKeys; outbound: number; send: boolean }
  | { type: 'send-on'; path: number; outbound: number }
  | { type: 'remove-child'; inboundSpi: number; outbound: number };

export type ClientCommand =
  | StopCommand
  | ChildCommand
  | { type: 'open-path'; path: number; fd: number }
  | { type: 'move-path'; path: number; fd: number }
  | { type: 'close-path'; path: number }
  | { type: 'virtual-address'; path: number; address: string }
  | { type: 'addresses'; device: string | undefined; control: string | undefined; maxSegment: number }
  | { type: 'relay'; relay: Endpoint }
  | { type: 'bind-relay'; relay: Endpoint; session: ClientSession; resumed: RelayBinding['resumed'] }
  | { type: 'relay-gone'; gone: boolean }
  | { type: 'failover'; settings: FailoverSettings }
  | { type: 'activate'; path: number | undefined; epoch: number; kind: ActivationKind }
  | { type: 'second-path'; path: number | undefined }
  | { type: 'probe'; path: number; id: number };

/** The client's end of a session. */
export interface ClientSession {
  mode: RelayMode;
  clientPort: number;
  index: number;
  lease: string;
  sendKey: Uint8Array;
  receiveKey: Uint8Array;
}

/** The relay's end of a session. */
export interface ServerSession {
  index: number;
  mode: RelayMode;
  lease: string;
  sendKey: Uint8Array;
  receiveKey: Uint8Array;
}

export type RelayCommand =
  | StopCommand
  | { type: 'install-session'; session: ServerSession }
  | { type: 'remove-session'; index: number }
  | { type: 'drain' }
  | { type: 'activity'; request: number; indices: readonly number[] }
  | { type: 'halt'; request: number; indices: readonly number[] };

export type GatewayCommand =
  | StopCommand
  | ChildCommand
  /** `address`: the virtual one. */
  | { type: 'add-peer'; peer: number; address: string; remote: Endpoint }
  | { type: 'move-peer'; peer: number; remote: Endpoint }
  | { type: 'remove-peer'; peer: number }
  | { type: 'activity'; request: number; peers: readonly number[] };

/** What is known of a session. */
export interface SessionReport extends SessionActivity {
  index: number;
}

/** An error as it can be cloned. */
export interface Failure {
  code: ErrorCode;
  message: string;
  remedy: string | undefined;
  stack: string | undefined;
}

export function describeFailure(thrown: unknown): Failure {
  const { code, message, remedy, stack } = toVpnrError(thrown);
  return { code, message, remedy, stack };
}

export function restoreFailure({ code, message, remedy, stack }: Failure): VpnrError {
  const error = new VpnrError(code, message, remedy === undefined ? {} : { remedy });
  if (stack !== undefined) error.stack = stack;
  return error;
}

/** From every worker. */
export type CommonReport = { type: 'ready' } | { type: 'failed'; failure: Failure };

export type ClientReport =
  | CommonReport
  /** The path's descriptor is not used any more. */
  | { type: 'path-closed'; fd: number }
  | { type: 'ike'; path: number; datagram: Uint8Array }
  | { type: 'probe-reply'; path: number; id: number; roundTripMs: number; heardMsAgo: number }
  | { type: 'suspected'; path: number; silentMs: number }
  | { type: 'switched'; path: number; epoch: number; ms: number; answered: boolean }
  | { type: 'drain' }
  | { type: 'traffic'; sent: number; received: number }
  | { type: 'path-error'; path: number; code: string };

export type RelayReport =
  | CommonReport
  | { type: 'session-moved'; index: number; path: Endpoint; epoch: number }
  | { type: 'activity'; request: number; activity: SessionReport[] }
  /** Pairs of a session's index and what it has received. */
  | { type: 'halted'; request: number; received: [index: number, state: Uint8Array][] };

export type GatewayReport =
  | CommonReport
  | { type: 'ike'; queue: number; from: Endpoint; datagram: Uint8Array }
  | { type: 'peer-moved'; peer: number; remote: Endpoint }
  /** Pairs of a peer and the packets received from it. */
  | { type: 'activity'; request: number; activity: [peer: number, received: number][] };

/** How a worker starts. */
export interface WorkerStart {
  role: ClientRole | RelayRole | GatewayRole;
  /** Commands come in, reports go out. */
  port: MessagePort;
  /** Of the eventfd that is signalled after a command was posted. */
  wakeFd: number;
  shared: SharedArrayBuffer;
}

export interface ClientRole {
  name: 'client';
  tunFd: number;
  /** OFFLOAD_ bits. */
  offloads: number;
}

export interface ServerSettings {
  pool: { address: string; length: number };
  maxSegment: number;
}

export interface RelayRole extends ServerSettings {
  name: 'relay';
  tunFd: number;
  /** OFFLOAD_ bits. */
  offloads: number;
  dataFd: number;
  /** For IP in IP. */
  rawFd: number | undefined;
  replay: ReplayBounds | undefined;
}

export interface GatewayRole extends ServerSettings {
  name: 'gateway';
  tunFd: number;
  /** OFFLOAD_ bits. */
  offloads: number;
  /** For IKE and ESP of all clients. */
  udpFd: number;
}
