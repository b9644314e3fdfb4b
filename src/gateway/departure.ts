/** The clients that are to leave, from the request until they have or their time is over. */
import type { Drained } from '../service/drained.js';

/** Clients need a few round trips to go elsewhere, and time for what is still on its way. */
const PATIENCE_MS = 20_000;

export class Departure {
  readonly #awaited: Set<string>;
  readonly #total: number;
  readonly #deadline: number;
  #resolve: (drained: Drained) => void = () => {};
  readonly done: Promise<Drained>;

  constructor(clients: Iterable<string>, now: number) {
    this.#awaited = new Set(clients);
    this.#total = this.#awaited.size;
    this.#deadline = now + PATIENCE_MS;
    this.done = new Promise(resolve => {
      this.#resolve = resolve;
    });
    this.tick(now);
  }

  left(client: string, now: number): void {
    this.#awaited.delete(client);
    this.tick(now);
  }

  tick(now: number): void {
    const left = this.#awaited.size;
    if (left === 0 || now >= this.#deadline) this.#resolve({ moved: this.#total - left, left });
  }
}
