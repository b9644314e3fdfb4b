/**
 * Judging one path by its probes: when to send the next one, which are overdue, and when the path has failed.
 *
 * A probe is missed when its answer is not there after the smoothed timeout; any answer, even a late one, proves
 * that the path lives and starts the count anew. Times are milliseconds of one monotonic clock.
 */
import { RoundTripEstimator } from './round-trip.js';

export interface ProbeTiming {
  /** Between probes while traffic flows. */
  intervalMs: number;
  /** Between probes otherwise. */
  idleIntervalMs: number;
  /** How long traffic counts as flowing after its last packet. */
  idleAfterMs: number;
  /** Consecutive probes that must be missed. */
  misses: number;
  /** Bounds of the time after which a probe counts as missed. */
  timeoutFloorMs: number;
  timeoutCeilingMs: number;
}

/** A clock that is this late was not running (a busy machine, a suspended laptop): answers may be waiting unread. */
const LATE_TICK_MS = 20;

interface Outstanding {
  id: number;
  deadline: number;
}

export class PathProbes {
  readonly #timing: ProbeTiming;
  readonly #roundTrip = new RoundTripEstimator();
  /** Oldest first; deadlines need not ascend, as the timeout changes. Bounded: older ones than MAX are forgotten. */
  #outstanding: Outstanding[] = [];
  #nextId = 1;
  #nextSend: number;
  #lastTraffic = Number.NEGATIVE_INFINITY;
  #missed = 0;
  #lastHeard: number;
  static readonly #MAX_OUTSTANDING = 512;

  constructor(timing: ProbeTiming, now: number) {
    this.#timing = timing;
    this.#nextSend = now;
    this.#lastHeard = now;
  }

  /** Packets move: probe at the short interval. */
  traffic(now: number): void {
    this.#lastTraffic = now;
    this.#nextSend = Math.min(this.#nextSend, now + this.#timing.intervalMs);
  }

  /** The answer to probe `id` (unknown ids count as a sign of life all the same: they were sent once). */
  reply(id: number, roundTripMs: number, now: number): void {
    this.#roundTrip.sample(roundTripMs);
    this.#outstanding = this.#outstanding.filter(probe => probe.id > id);
    this.#missed = 0;
    this.#lastHeard = now;
  }

  /** Ids of the probes to send now. */
  tick(now: number): number[] {
    const due = this.nextTimer();
    const late = now - due;
    if (late > LATE_TICK_MS) for (const probe of this.#outstanding) probe.deadline += late;
    const waiting = this.#outstanding.filter(probe => probe.deadline > now);
    this.#missed += this.#outstanding.length - waiting.length;
    this.#outstanding = waiting;
    if (now < this.#nextSend) return [];
    const id = this.#nextId++;
    const timeout = this.#roundTrip.timeoutMs(this.#timing.timeoutFloorMs, this.#timing.timeoutCeilingMs);
    this.#outstanding.push({ id, deadline: now + timeout });
    if (this.#outstanding.length > PathProbes.#MAX_OUTSTANDING) this.#outstanding.shift();
    this.#nextSend = now + this.#interval(now);
    return [id];
  }

  nextTimer(): number {
    let next = this.#nextSend;
    for (const probe of this.#outstanding) next = Math.min(next, probe.deadline);
    return next;
  }

  /** Suspect: some probe is overdue, so the next ones follow at the short interval. */
  get suspect(): boolean {
    return this.#missed > 0;
  }

  get failed(): boolean {
    return this.#missed >= this.#timing.misses;
  }

  /** Forgets all outstanding probes: their answers say nothing any more. */
  restart(now: number): void {
    this.#outstanding = [];
    this.#missed = 0;
    this.#lastHeard = now;
    this.#nextSend = now;
  }

  /** When the last answer came (or the path began). */
  get lastHeard(): number {
    return this.#lastHeard;
  }

  get smoothedRoundTripMs(): number | undefined {
    return this.#roundTrip.smoothedMs;
  }

  #interval(now: number): number {
    const busy = this.suspect || now - this.#lastTraffic < this.#timing.idleAfterMs;
    return busy ? this.#timing.intervalMs : this.#timing.idleIntervalMs;
  }
}
