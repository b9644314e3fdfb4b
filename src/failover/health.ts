/**
 * Judging one path by its probes: when to send the next one, which are overdue, and when the path has failed.
 *
 * A probe is missed when its answer is not there after SRTT + max(floor, 4 RTTVAR); from the first miss on probes
 * follow each other quickly, so that losses by chance are soon told from silence. The path has failed when as many in
 * a row are missed as chance does not explain, and the first of them left so long ago that no jump in delay explains
 * it. Any answer, even a late one, starts the count anew. Data that arrives does not: it proves one direction only.
 * Times are milliseconds of one monotonic clock.
 */
import { LossEstimator, type LossTally } from './loss.js';
import { RoundTripEstimator } from './round-trip.js';
import type { ProbeTiming } from './timing.js';

/** A clock that is this late was not running (a busy machine, a suspended laptop): answers may be waiting unread. */
const LATE_TICK_MS = 20;
/** An overdue answer is waited for so long before its probe counts as lost, as a measure of the path's quality. */
const LOST_AFTER_MS = 200;
const MAX_OUTSTANDING = 512;
/** Misses that confirm an ICMP error. */
const ACCUSED_MISSES = 2;
/** Pause before the next ICMP error is heeded, after one that proved wrong: doubled each time. */
const FIRST_DISTRUST_MS = 1000;
const LONGEST_DISTRUST_MS = 60_000;
/** Packets came back so recently that silence after the next ones sent tells something. */
const CONVERSATION_MS = 1000;

/** Misses so soon after the traffic has come are given more time: what is sent again at once fills the queues before a probe. */
const BURST_FOR_MS = 300;
const BURST_MS = 100;

interface Outstanding {
  id: number;
  sentAt: number;
  deadline: number;
  /** It counted as missed, or cannot any more as a later one was answered. */
  judged: boolean;
  answered: boolean;
}

export class PathHealth {
  readonly #timing: ProbeTiming;
  readonly #roundTrip = new RoundTripEstimator();
  readonly #loss = new LossEstimator();
  /** Oldest first; answered ones, too, while what became of an older one is open. */
  #outstanding: Outstanding[] = [];
  #nextId = 1;
  #intervalMs: number;
  #lastSent = Number.NEGATIVE_INFINITY;
  #nextSend: number;
  #tickedAt = Number.NEGATIVE_INFINITY;
  #lastHeard: number;
  #answeredSince = Number.NEGATIVE_INFINITY;
  #proven = false;
  #settleUntil: number;
  /** The run of misses since the last answer, when it was noticed, and when its first probe left. */
  #missed = 0;
  #suspectAt: number | undefined;
  #missedSince = 0;
  #accusedAt: number | undefined;
  #distrustMs = FIRST_DISTRUST_MS;
  #heedAgainAt = Number.NEGATIVE_INFINITY;
  #carriesSince = Number.NEGATIVE_INFINITY;
  #sent = 0;
  #received = 0;
  #lastReceived = Number.NEGATIVE_INFINITY;
  /** When `traffic` was told last; and when it was told before data last came. */
  #toldAt = Number.NEGATIVE_INFINITY;
  #receivedAfter = Number.NEGATIVE_INFINITY;
  /** Since when packets of a conversation were sent and none came back. */
  #unansweredSince: number | undefined;
  #starving = false;

  /** `settleUntil`: before its first answer the path does not fail earlier. */
  constructor(timing: ProbeTiming, now: number, settleUntil: number) {
    this.#timing = timing;
    this.#intervalMs = timing.intervalMs;
    this.#nextSend = now;
    this.#lastHeard = now;
    this.#settleUntil = settleUntil;
  }

  /** Probes follow each other at this interval from now on (sooner while one is overdue). */
  pace(intervalMs: number): void {
    this.#intervalMs = intervalMs;
    this.#schedule();
  }

  /** Sends the next probe at once. */
  probeNow(now: number): void {
    this.#nextSend = Math.min(this.#nextSend, now);
  }

  /** The answer to probe `id` (unknown ids count as a sign of life all the same: they were sent once). */
  reply(id: number, roundTripMs: number, now: number): void {
    this.#roundTrip.sample(roundTripMs);
    const probe = this.#outstanding.find(probe => probe.id === id && !probe.answered);
    if (probe !== undefined) {
      probe.answered = true;
      probe.judged = true;
      this.#answeredSince = Math.max(this.#answeredSince, probe.sentAt);
    }
    // Those sent before this one are late or lost; the path's life is no longer in question.
    for (const earlier of this.#outstanding) if (earlier.id < id) earlier.judged = true;
    this.#settle(now);
    this.#proven = true;
    this.#lastHeard = now;
    // The next one is not as urgent any more.
    if (this.suspect) this.#nextSend = Math.max(this.#nextSend, this.#lastSent + this.#intervalMs);
    this.#clearSuspicion();
    if (this.#accusedAt !== undefined && probe !== undefined && probe.sentAt >= this.#accusedAt)
      this.#acquit(now);
  }

  /**
   * Packets sent over the path and authentic ones received so far. Returns whether any moved since the last call.
   * Data sent and nothing back, where something used to come: a probe at once, and fewer misses are enough.
   */
  traffic(sent: number, received: number, now: number): boolean {
    const moved = sent !== this.#sent || received !== this.#received;
    if (received !== this.#received) {
      this.#lastReceived = now;
      this.#receivedAfter = this.#toldAt;
      this.#unansweredSince = undefined;
    } else if (sent !== this.#sent && now - this.#lastReceived < CONVERSATION_MS) {
      this.#unansweredSince ??= now;
    }
    this.#sent = sent;
    this.#received = received;
    this.#toldAt = now;
    this.#judgeSilence(now);
    return moved;
  }

  /** The traffic comes to this path. */
  carry(now: number): void {
    this.#carriesSince = now;
  }

  /** An ICMP error says that the path is dead. Anyone can send one, so the path is asked at once instead. */
  accuse(now: number): void {
    if (this.#accusedAt !== undefined || now < this.#heedAgainAt) return;
    this.#accusedAt = now;
    this.probeNow(now);
  }

  /** Ids of the probes to send now; `early`: also one that is due within a quarter of its interval. */
  tick(now: number, early = false): number[] {
    this.#excuse(now);
    this.#tickedAt = now;
    this.#judgeSilence(now);
    for (const probe of this.#outstanding) {
      if (!probe.judged && probe.deadline <= now) this.#miss(probe, now);
    }
    this.#settle(now);
    this.#schedule();
    if (now < this.#nextSend - (early ? this.#intervalMs / 4 : 0)) return [];
    const id = this.#nextId++;
    this.#outstanding.push({
      id,
      sentAt: now,
      deadline: now + this.timeoutMs,
      judged: false,
      answered: false,
    });
    this.#lastSent = now;
    this.#nextSend = Number.POSITIVE_INFINITY;
    this.#schedule();
    return [id];
  }

  nextTimer(): number {
    let next = this.#nextSend;
    for (const probe of this.#outstanding) if (!probe.judged) next = Math.min(next, probe.deadline);
    if (this.suspect && this.#missed >= this.#neededMisses) {
      const failsAt = this.#failsAt();
      if (failsAt > this.#tickedAt) next = Math.min(next, failsAt);
    }
    return next;
  }

  /** Some probe is overdue, and nothing was heard since. */
  get suspect(): boolean {
    return this.#suspectAt !== undefined;
  }

  /** When it became suspect. */
  get suspectAt(): number | undefined {
    return this.#suspectAt;
  }

  /** When the first missed probe left. */
  get missedSince(): number {
    return this.#missedSince;
  }

  failed(now: number): boolean {
    if (this.#missed < this.#neededMisses) return false;
    return now >= this.#failsAt();
  }

  /** Forgets all outstanding probes: their answers say nothing any more. The next one leaves at once. */
  restart(now: number): void {
    this.#outstanding = [];
    this.#clearSuspicion();
    this.#accusedAt = undefined;
    this.#lastHeard = now;
    this.#nextSend = now;
  }

  /** It has failed: what is lost from now on is no measure of what comes after that. */
  keepLosses(): void {
    this.#loss.keep();
  }

  /** It lives again, with the measure of before. */
  restoreLosses(): void {
    this.#outstanding = [];
    this.#loss.restore();
  }

  /** When the last answer came (or the path began). */
  get lastHeard(): number {
    return this.#lastHeard;
  }

  /** When the newest probe left that was answered. */
  get answeredSince(): number {
    return this.#answeredSince;
  }

  /** Probes missed since the last answer. */
  get missed(): number {
    return this.#missed;
  }

  /** Data came after this. */
  get receivedAfter(): number {
    return this.#receivedAfter;
  }

  /** An answer ever came. */
  get proven(): boolean {
    return this.#proven;
  }

  get smoothedRoundTripMs(): number | undefined {
    return this.#roundTrip.smoothedMs;
  }

  get lossRate(): number {
    return this.#loss.rate;
  }

  get lossSamples(): number {
    return this.#loss.samples;
  }

  get lossTally(): LossTally {
    return this.#loss.tally;
  }

  /** How long an answer is waited for. */
  get timeoutMs(): number {
    const { timeoutFloorMs, timeoutCeilingMs } = this.#timing;
    const { smoothedMs, varianceMs } = this.#roundTrip;
    if (smoothedMs === undefined) return timeoutCeilingMs;
    return this.#bounded(smoothedMs + Math.max(timeoutFloorMs, 4 * varianceMs));
  }

  /** Time during which the clock did not run is not held against the path. */
  #excuse(now: number): void {
    const late = now - this.nextTimer();
    if (late <= LATE_TICK_MS) return;
    for (const probe of this.#outstanding) probe.deadline += late;
    this.#missedSince += late;
  }

  #miss(probe: Outstanding, now: number): void {
    probe.judged = true;
    if (this.#missed === 0) {
      this.#suspectAt = now;
      this.#missedSince = probe.sentAt;
    }
    this.#missed++;
  }

  /** Counts in the order in which they left: answers come sooner than a probe is given up, and would make a path seem better. */
  #settle(now: number): void {
    for (let oldest = this.#outstanding[0]; oldest !== undefined; oldest = this.#outstanding[0]) {
      const waited = now - oldest.deadline >= LOST_AFTER_MS || this.#outstanding.length > MAX_OUTSTANDING;
      if (!oldest.answered && !waited) return;
      this.#loss.sample(!oldest.answered);
      this.#outstanding.shift();
    }
  }

  #schedule(): void {
    const { intervalMs, confirmIntervalMs } = this.#timing;
    let interval = this.#intervalMs;
    if (this.suspect || this.#accusedAt !== undefined) {
      // A path that stays silent is asked ever more rarely, but not more rarely than a healthy one.
      const silentMs = this.#lastSent - this.#lastHeard;
      const quick =
        this.#missed > this.#loss.runBeyondChance(this.#timing.misses) ? intervalMs : confirmIntervalMs;
      interval = Math.min(interval, Math.max(quick, silentMs / 10));
    }
    const next = this.#lastSent + interval;
    if (next < this.#nextSend) this.#nextSend = next;
  }

  #clearSuspicion(): void {
    this.#missed = 0;
    this.#suspectAt = undefined;
    this.#unansweredSince = undefined;
    this.#starving = false;
  }

  #acquit(now: number): void {
    this.#accusedAt = undefined;
    this.#heedAgainAt = now + this.#distrustMs;
    this.#distrustMs = Math.min(2 * this.#distrustMs, LONGEST_DISTRUST_MS);
  }

  #judgeSilence(now: number): void {
    const since = this.#unansweredSince;
    this.#starving = since !== undefined && now - since >= this.timeoutMs;
    if (this.#starving && since !== undefined && this.#lastSent < since) this.probeNow(now);
  }

  get #neededMisses(): number {
    if (this.#accusedAt !== undefined) return Math.min(ACCUSED_MISSES, this.#timing.misses);
    const needed = this.#loss.runBeyondChance(this.#timing.misses);
    return this.#starving ? Math.max(1, needed - 1) : needed;
  }

  #failsAt(): number {
    if (!this.#proven) return this.#settleUntil;
    if (this.#accusedAt !== undefined) return this.#missedSince;
    const { smoothedMs = 0, varianceMs } = this.#roundTrip;
    const burst = this.#missedSince - this.#carriesSince < BURST_FOR_MS ? BURST_MS : 0;
    return this.#missedSince + this.#bounded(smoothedMs + 4 * varianceMs + this.#timing.jumpMs + burst);
  }

  /** By the ceiling, or where the round trip itself is near it by twice that. */
  #bounded(waitMs: number): number {
    return Math.min(waitMs, Math.max(this.#timing.timeoutCeilingMs, 2 * (this.smoothedRoundTripMs ?? 0)));
  }
}
