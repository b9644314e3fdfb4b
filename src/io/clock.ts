/** CLOCK_MONOTONIC: one time for all threads of the process, unlike `performance.now()`. */

/** Milliseconds with a fraction. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

export function monotonicNs(): bigint {
  return process.hrtime.bigint();
}
