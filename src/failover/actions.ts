/** What the failover policy is told to achieve, and what it answers. Gateways are numbers, in order of preference. */
import type { FailoverTiming } from './timing.js';

/**
 * `cold`: one tunnel; the next gateway is connected after the failure. `standby`: tunnels to all are kept up, and a
 * switch changes a pointer. `replay`: the same; the relay's ends send again what was lost. `duplicate`: packets
 * take the active and a second path.
 */
export const FAILOVER_MODES = ['cold', 'standby', 'replay', 'duplicate'] as const;
export type FailoverMode = (typeof FAILOVER_MODES)[number];

export type FailureReason =
  /** Neither the path's probes nor the gateway itself are answered. */
  | 'gateway'
  /** The gateway answers, but not what is behind it: its line failed. */
  | 'path'
  /** The same, and what we send is lost; what is sent to us is lost. */
  | 'path-outbound'
  | 'path-inbound'
  /** The gateways answer, but by none of several paths does the relay. */
  | 'relay'
  /** Nobody answers: most likely our own connection to the network failed. */
  | 'network'
  /** The interface that the path leaves by went down. */
  | 'link'
  | 'closed-by-gateway'
  | 'relay-unreachable'
  | 'ike';

/** Why traffic moves. All but `start` and `failure` leave a path that works. */
export type MoveCause = 'start' | 'failure' | 'failback' | 'latency' | 'loss' | 'drain' | 'operator';

export type FailoverAction =
  /** Begin IKE with this gateway. `connected` or `connectFailed` answers. */
  | { type: 'connect'; gateway: number }
  /** Take this gateway's tunnel down, established or not. */
  /** `calledOff`: an attempt under way is not needed any more. */
  | { type: 'disconnect'; gateway: number; calledOff?: true }
  /** Send over this gateway's tunnel from now on. */
  | { type: 'activate'; gateway: number; epoch: number; cause: MoveCause }
  /** `replay`, `duplicate`: the path in use answers again after a failure: what was lost is sent again, under this epoch. */
  | { type: 'resend'; gateway: number; epoch: number }
  /** `duplicate`: copies take this gateway's tunnel from now on, or none. */
  | { type: 'second'; gateway: number | undefined }
  /** Send the path's probe with this id: to the relay, or without one a liveness check to the gateway. */
  | { type: 'probe'; gateway: number; id: number }
  /** Ask the gateway itself (IKE liveness); `gatewayAlive` answers. Not without a relay: there probes do it. */
  | { type: 'check-gateway'; gateway: number }
  /** The active path failed and is left. `silentMs`: since the last sign of life. */
  | { type: 'failed'; gateway: number; reason: FailureReason; silentMs: number }
  /** A path that was not active failed. */
  | { type: 'standby-failed'; gateway: number; reason: FailureReason }
  /** The active path is silent, but no other one answers: nothing moves. Said once. */
  | { type: 'stuck'; gateway: number; reason: FailureReason; silentMs: number }
  /** A failure that was told of is another one than it seemed: an answer came later. */
  | { type: 'blame'; gateway: number; reason: FailureReason }
  /** A path of which `failed`, `standby-failed` or `stuck` was said answers again. */
  | { type: 'recovered'; gateway: number }
  /** Every gateway was tried in vain; the next attempt begins in `waitMs` (0: it has begun). Attempts never end. */
  | { type: 'wait'; waitMs: number };

/** `failed`: its tunnel is up, but nothing comes through. */
export type GatewayState = 'down' | 'connecting' | 'standby' | 'active' | 'suspect' | 'failed';

export interface FailoverOptions {
  gateways: number;
  mode: FailoverMode;
  /** Probes go to a relay behind the gateways. */
  relay: boolean;
  prefer: 'order' | 'latency';
  timing: FailoverTiming;
}
