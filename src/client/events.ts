/** What happens to a connection, for people and programs that watch it. */
import type { FailureReason, MoveCause } from '../failover/actions.js';

export type ConnectionEvent =
  /** A gateway is asked. */
  | { event: 'connecting'; gateway: string; address: string }
  /** The gateway's tunnel is up. `ms`: since `connecting`. */
  | { event: 'tunnel-up'; gateway: string; address: string; virtualAddress: string; ms: number }
  /** A gateway could not be connected. */
  | { event: 'connect-failed'; gateway: string; code: string; message: string; ms: number }
  /** The relay gave a session. */
  | { event: 'relay-session'; gateway: string; lease: string; keys: 'fresh' | 'kept'; ms: number }
  /** The relay is about to stop: it is looked for at short intervals then. */
  | { event: 'relay-drain' }
  | { event: 'relay-lost'; gateway: string; code: string; message: string }
  /** Everything is in place: packets flow. `ms`: since the start. */
  | { event: 'connected'; gateway: string; device: string; address: string; mtu: number; ms: number }
  /** The active gateway failed. `ms`: from its last sign of life to now. */
  | { event: 'gateway-failed'; gateway: string; reason: FailureReason; ms: number }
  /** A gateway that does not carry the traffic failed. */
  | { event: 'standby-failed'; gateway: string; reason: FailureReason }
  /** The active path is silent, but so is every other one: there is nowhere to go. `ms`: as before. */
  | { event: 'stuck'; gateway: string; reason: FailureReason; ms: number }
  /** What was said of a failure was wrong: a later answer shows another reason. */
  | { event: 'blame'; gateway: string; reason: FailureReason }
  /** A gateway is about to stop, and asks its clients to go elsewhere. */
  | { event: 'drain'; gateway: string }
  /** The machine has slept for so long. */
  | { event: 'resumed'; ms: number }
  /** A gateway of which `gateway-failed`, `standby-failed` or `stuck` was said answers again. */
  | { event: 'recovered'; gateway: string }
  /**
   * Another gateway, or the same one again, carries the traffic. `ms`: since `gateway-failed`, or since the switch began
   * when there was no failure.
   */
  | { event: 'switched'; gateway: string; from: string; cause: MoveCause; ms: number }
  /** All gateways failed; the next attempt begins in `ms`. */
  | { event: 'waiting'; ms: number }
  | { event: 'address-changed'; address: string; previous: string }
  | { event: 'notice'; message: string }
  | { event: 'disconnecting'; reason: string }
  | { event: 'disconnected'; ms: number };
