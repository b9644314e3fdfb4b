/** CLOCK_MONOTONIC: one time for all threads of the process. */

/**
 * What `performance.now()`, which begins with the thread, is behind that clock: both are the same one of libuv's. What passes
 * between two readings makes it seem less, so that the largest of some is the best.
 */
const BEHIND = Math.max(
  ...Array.from({ length: 8 }, () => Number(process.hrtime.bigint()) / 1e6 - performance.now()),
);

/** Milliseconds with a fraction. Makes no object, unlike `process.hrtime()`. */
export function monotonicMs(): number {
  return performance.now() + BEHIND;
}

export function monotonicNs(): bigint {
  return process.hrtime.bigint();
}
