import type { Family, Sample } from './text.js';

/** Upper bounds in seconds: from a round trip in one town to the times in which TCP gives up. */
const BOUNDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** How often which time was observed. */
export class Histogram {
  readonly #counts = BOUNDS.map(() => 0);
  #count = 0;
  #sum = 0;

  observe(seconds: number): void {
    this.#count++;
    this.#sum += seconds;
    BOUNDS.forEach((bound, index) => {
      if (seconds <= bound) this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    });
  }

  family(name: string, help: string): Family {
    const buckets: Sample[] = BOUNDS.map((bound, index) => ({
      suffix: '_bucket',
      labels: { le: String(bound) },
      value: this.#counts[index] ?? 0,
    }));
    const samples = [
      ...buckets,
      { suffix: '_bucket', labels: { le: '+Inf' }, value: this.#count },
      { suffix: '_sum', value: this.#sum },
      { suffix: '_count', value: this.#count },
    ];
    return { name, help, type: 'histogram', samples };
  }
}
