/**
 * How many of a path's probes are lost, and what that says about a run of missing answers: three in a row mean
 * nothing on a path that loses every third packet.
 */

/** The newest sample's share once there are as many as this: some three seconds of probes at 25 ms. */
const WINDOW = 128;
/** How improbable a run of losses must be, by chance alone, to be taken for a failure: one in many hours. */
const CHANCE = 1e-8;
/** A path that loses nearly everything need not be proved dead: it is left for its losses. */
const LONGEST_RUN = 16;

export interface LossTally {
  samples: number;
  lost: number;
}

export class LossEstimator {
  #rate = 0;
  #samples = 0;
  #kept = { rate: 0, samples: 0 };
  readonly #tally = { samples: 0, lost: 0 };

  sample(lost: boolean): void {
    this.#samples++;
    this.#tally.samples++;
    if (lost) this.#tally.lost++;
    this.#rate += ((lost ? 1 : 0) - this.#rate) / Math.min(this.#samples, WINDOW);
  }

  /** Keeps what is measured until now. */
  keep(): void {
    this.#kept = { rate: this.#rate, samples: this.#samples };
  }

  /** Forgets what was measured since. */
  restore(): void {
    this.#rate = this.#kept.rate;
    this.#samples = this.#kept.samples;
  }

  /** Share of the probes that were lost, from 0 to 1. */
  get rate(): number {
    return this.#rate;
  }

  get samples(): number {
    return this.#samples;
  }

  /** All there ever were, what was forgotten among them: two of these tell what was lost between. */
  get tally(): LossTally {
    return { ...this.#tally };
  }

  /** How long a run of losses must be (at least `misses`) to be more than chance at the measured rate. */
  runBeyondChance(misses: number): number {
    // A few samples are no measure: at first one early loss would be a rate of 100 %.
    if (this.#rate <= 0 || this.#samples < WINDOW / 4) return misses;
    const run = this.#rate >= 1 ? LONGEST_RUN : Math.ceil(Math.log(CHANCE) / Math.log(this.#rate));
    return Math.max(misses, Math.min(run, LONGEST_RUN));
  }
}
