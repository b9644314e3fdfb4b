/** The times of the failover policy, in milliseconds. */

/**
 * When paths are probed and when silence is a failure. What it costs in wake-ups per second (each probe sends one
 * packet and receives one): `1000 / intervalMs` while traffic flows (40 by default), plus `1000 / standbyIntervalMs`
 * for all standby paths together; without traffic at first `1000 / idleIntervalMs` (1), and after some minutes
 * `1000 / idleMaxMs` (one in 15 s) for all paths together.
 */
export interface ProbeTiming {
  /** Between probes of the active path while traffic flows. */
  intervalMs: number;
  /** Between probes of a path on which one is overdue: what may be lost by chance is asked again soon. */
  confirmIntervalMs: number;
  /** Between probes of the other paths while traffic flows. */
  standbyIntervalMs: number;
  /** Between probes of any path when no traffic flows: at first, and after a long time. */
  idleIntervalMs: number;
  idleMaxMs: number;
  /** How long traffic counts as flowing after its last packet. */
  idleAfterMs: number;
  /** Consecutive probes that must be missed. */
  misses: number;
  /** A probe is missed after SRTT + max(this, 4 RTTVAR). */
  timeoutFloorMs: number;
  /** At most so, or twice the round trip if that is more; also while there is no measured round trip. */
  timeoutCeilingMs: number;
  /** A failure is declared no sooner than SRTT + 4 RTTVAR + this after the first missed probe left: delay may jump. */
  jumpMs: number;
}

export interface FailoverTiming {
  probe: ProbeTiming;
  /** How long one gateway may take to connect; doubled after a failure. */
  attemptMs: number;
  /** At the start, between the first attempts with one gateway and the next. */
  staggerMs: number;
  /** `cold`, while no tunnel is up: the next gateway is tried as well when the one before has not connected for so long. */
  raceMs: number;
  /** Back-off of one gateway after a failed attempt: doubled each time, a random quarter taken off. */
  backoffFirstMs: number;
  backoffMaxMs: number;
  /** The same bound while another gateway carries the traffic. */
  backoffSpareMs: number;
  /** How long a new path may take until its first answer: the relay may have to learn of us first. */
  settleMs: number;
  /** How long probes may stay unanswered when the relay itself is known to be away. */
  relayGraceMs: number;
  /**
   * A tunnel whose gateway is silent for this long is built anew: `rebuildMs` while another path lives, else later, but soon when the
   * machine has slept.
   */
  rebuildMs: number;
  rebuildAloneMs: number;
  rebuildAwakeMs: number;
  /** How long the tunnel to a gateway that is about to stop is kept for what is on its way, once the traffic is elsewhere. */
  retireMs: number;
  /** A failure this long ago no longer counts against a gateway when the next one is chosen. */
  forgetMs: number;
  /** A failure this long ago no longer counts for hold-down. */
  flapWindowMs: number;
  /** A gateway must be good for this long before traffic returns to it unforced; Infinity: never. */
  failbackMs: number;
  /** The same after failures that are not forgotten: doubled for each but the first, up to this. */
  holdDownMaxMs: number;
  /** At most so many unforced moves within the window. */
  moves: number;
  movesWindowMs: number;
  /** `prefer: latency` moves to a path faster by this share of the round trip and this many ms, for so long. */
  latencyShare: number;
  latencyMarginMs: number;
  latencyForMs: number;
  /** Share of lost probes at which a cleaner path is looked for, for `examineMs` in every `examineEveryMs`. */
  lossy: number;
  examineMs: number;
  examineEveryMs: number;
}
