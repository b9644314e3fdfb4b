/** A gateway's path, from its tunnel being up until it is down. */
import type { FailureReason } from './actions.js';
import type { PathHealth } from './health.js';

export interface Path {
  readonly gateway: number;
  readonly health: PathHealth;
  /** Set when it failed, until it answers again. With a reason: known for certain, not by missed probes. */
  failure: { at: number; reason?: FailureReason } | undefined;
  /** What was told of the failure, if anything was. */
  told: FailureReason | undefined;
  /** Since when it answers without failure. */
  goodSince: number;
  /** When the gateway itself answered last, when it was asked last, and since when that has not been answered. */
  aliveAt: number;
  askedAt: number;
  unansweredSince: number | undefined;
  /** When the relay last heard us by this path, and when we learnt that. */
  heardByRelay: { at: number; learntAt: number } | undefined;
}

export function newPath(gateway: number, health: PathHealth, now: number): Path {
  return {
    gateway,
    health,
    failure: undefined,
    told: undefined,
    goodSince: now,
    // Its tunnel has just come up.
    aliveAt: now,
    askedAt: Number.NEGATIVE_INFINITY,
    unansweredSince: undefined,
    heardByRelay: undefined,
  };
}

/** Its last news are good. */
export function isWell({ failure, health }: Path): boolean {
  return failure === undefined && !health.suspect;
}
