/** Which of the paths is best, and whether an unforced move to it is worth while. */
import type { FailoverOptions, MoveCause } from './actions.js';
import type { Damping } from './damping.js';
import type { LossTally } from './loss.js';
import { isWell, type Path } from './path.js';
import type { FailoverTiming } from './timing.js';

/** Samples of each path in an examination before losses are compared. */
const EXAMINED = 24;
/** How improbable what a path did not lose must be, had it the losses of the active one. */
const CHANCE = 1e-5;
/** Samples before the active path's loss is a measure. */
const MEASURED = 64;
/** How much cleaner the other path must be. */
const CLEANER = 4;

interface Examination {
  until: number;
  /** The samples of each path, and how many were lost, when it began. */
  before: ReadonlyMap<number, LossTally>;
}

export class Preference {
  readonly #byLatency: boolean;
  readonly #timing: FailoverTiming;
  readonly #damping: Damping;
  /** Since when a path is faster than the active one by the margin. */
  readonly #fasterSince = new Map<number, number>();
  #examination: Examination | undefined;
  #nextExamination = Number.NEGATIVE_INFINITY;

  constructor(options: FailoverOptions, damping: Damping) {
    this.#byLatency = options.prefer === 'latency';
    this.#timing = options.timing;
    this.#damping = damping;
  }

  /** Sorted, best first: without recent failure, without many losses, then the fastest or the first of the list. */
  ranked(paths: readonly Path[], now: number): Path[] {
    const never = Number.NEGATIVE_INFINITY;
    const failedAt = ({ gateway }: Path) => this.#damping.failedAt(gateway, now) ?? never;
    const lossy = ({ health }: Path) => Number(health.lossRate >= this.#timing.lossy);
    const roundTrip = ({ health }: Path) => health.smoothedRoundTripMs ?? Number.MAX_VALUE;
    return [...paths].sort(
      (a, b) =>
        Number(failedAt(a) !== never) - Number(failedAt(b) !== never) ||
        lossy(a) - lossy(b) ||
        (this.#byLatency ? roundTrip(a) - roundTrip(b) : 0) ||
        a.gateway - b.gateway,
    );
  }

  /** The other paths are probed often, to compare their losses with the active one's. */
  examining(now: number): boolean {
    return this.#examination !== undefined && now < this.#examination.until;
  }

  /** The active path loses so much that another one, which there is not, should be looked for. */
  seeks(active: Path, others: readonly Path[], busy: boolean, now: number): boolean {
    return others.length === 0 && this.#isLossy(active, busy) && this.#mayExamine(now);
  }

  /** Another traffic path: what was compared with the former one is void. */
  forget(): void {
    this.#fasterSince.clear();
    this.#examination = undefined;
    this.#nextExamination = Number.NEGATIVE_INFINITY;
  }

  /** The path to move to although the active one works. */
  better(
    active: Path,
    others: readonly Path[],
    busy: boolean,
    now: number,
  ): { path: Path; cause: MoveCause } | undefined {
    const well = others.filter(isWell);
    const move =
      this.#cleaner(active, well, busy, now) ??
      (this.#byLatency ? this.#faster(active, well, now) : this.#preferred(active, well, now));
    return move !== undefined && this.#damping.allows(now) ? move : undefined;
  }

  #preferred(active: Path, others: readonly Path[], now: number) {
    const path = others.find(
      other =>
        other.gateway < active.gateway &&
        other.health.lossRate < this.#timing.lossy / CLEANER &&
        this.#goodFor(other, this.#timing.failbackMs, now),
    );
    return path && { path, cause: 'failback' as const };
  }

  #faster(active: Path, others: readonly Path[], now: number) {
    const { latencyShare, latencyMarginMs, latencyForMs } = this.#timing;
    const mine = active.health.smoothedRoundTripMs;
    if (mine === undefined) return undefined;
    const limit = mine * (1 - latencyShare) - latencyMarginMs;
    const faster = others.filter(({ gateway, health }) => {
      const is = (health.smoothedRoundTripMs ?? Number.MAX_VALUE) < limit;
      if (!is) this.#fasterSince.delete(gateway);
      else if (!this.#fasterSince.has(gateway)) this.#fasterSince.set(gateway, now);
      return is;
    });
    const path = this.ranked(faster, now).find(
      other =>
        now - (this.#fasterSince.get(other.gateway) ?? now) >= latencyForMs &&
        other.health.lossRate < this.#timing.lossy / CLEANER &&
        this.#goodFor(other, latencyForMs, now),
    );
    return path && { path, cause: 'latency' as const };
  }

  #cleaner(active: Path, others: readonly Path[], busy: boolean, now: number) {
    const { examineMs, examineEveryMs } = this.#timing;
    if (!this.#isLossy(active, busy)) return undefined;
    if (!this.examining(now)) {
      this.#examination = undefined;
      if (others.length === 0 || !this.#mayExamine(now)) return undefined;
      this.#nextExamination = now + examineEveryMs;
      const before = new Map([active, ...others].map(({ gateway, health }) => [gateway, health.lossTally]));
      this.#examination = { until: now + examineMs, before };
    }
    const { before } = this.#examination ?? {};
    const mine = before && since(before, active);
    if (before === undefined || mine === undefined || mine.samples < EXAMINED) return undefined;
    const path = this.ranked(others, now).find(other => {
      const its = since(before, other);
      return (
        its !== undefined &&
        isCleaner(its, mine.lost / mine.samples) &&
        other.health.lossRate * CLEANER <= active.health.lossRate
      );
    });
    return path && { path, cause: 'loss' as const };
  }

  #isLossy({ health }: Path, busy: boolean): boolean {
    return health.lossRate >= this.#timing.lossy && health.lossSamples >= MEASURED && busy;
  }

  #mayExamine(now: number): boolean {
    return now >= this.#nextExamination && this.#damping.allows(now);
  }

  #goodFor({ gateway, goodSince }: Path, baseMs: number, now: number): boolean {
    return now - goodSince >= this.#damping.holdDownMs(gateway, baseMs, now);
  }
}

/** What was added to the path's tally; undefined for one that was not there. */
function since(before: ReadonlyMap<number, LossTally>, { gateway, health }: Path): LossTally | undefined {
  const then = before.get(gateway);
  const now = health.lossTally;
  return then && { samples: now.samples - then.samples, lost: now.lost - then.lost };
}

/** Whether a path loses a fraction of `rate`, or less, and not by chance. */
function isCleaner({ samples, lost }: LossTally, rate: number): boolean {
  return samples >= EXAMINED && lost * CLEANER <= rate * samples && (1 - rate) ** samples <= CHANCE;
}
