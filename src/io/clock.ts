/** CLOCK_MONOTONIC: one time for all threads of the process. */

/** What `performance.now()`, which begins with the thread, is behind that clock. Both are the same clock of libuv's. */
const BEHIND = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** Milliseconds with a fraction. Makes no object, unlike `process.hrtime()`. */
export function monotonicMs(): number {
  return performance.now() + BEHIND;
}

export function monotonicNs(): bigint {
  return process.hrtime.bigint();
}
