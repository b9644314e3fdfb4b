import type { Clock } from '../../src/client/clock.js';

interface Timer {
  at: number;
  ring(): void;
}

/** Time that passes when the test says so. */
export class FakeClock implements Clock {
  readonly #timers = new Set<Timer>();
  #now = 1000;

  now(): number {
    return this.#now;
  }

  after(ms: number, ring: () => void): () => void {
    const timer = { at: this.#now + ms, ring };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Timers that are still to ring. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Rings what is due within the time, in order; after each, whatever promises it settled has its effect. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settled();
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.ring();
      await settled();
    }
    this.#now = end;
  }

  #next(end: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) if (timer.at <= end && timer.at < (next?.at ?? Infinity)) next = timer;
    return next;
  }
}

/** All that follows from settled promises has happened. */
export function settled(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}
