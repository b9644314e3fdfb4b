import { monotonicMs } from '../io/clock.js';

/** The time, and who wakes at a time. A test has one of its own. */
export interface Clock {
  /** Monotonic milliseconds, with a fraction. */
  now(): number;
  /** Calls `ring` once, in `ms` milliseconds, unless the function returned is called before. */
  after(ms: number, ring: () => void): () => void;
}

export const systemClock: Clock = {
  now: monotonicMs,
  after(ms, ring) {
    const timer = setTimeout(ring, ms);
    return () => clearTimeout(timer);
  },
};
