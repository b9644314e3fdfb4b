/**
 * Smoothed round trip and its variance (RFC 6298 section 2), in milliseconds. The lower bound of 1 s that TCP
 * puts on the timeout is left to the caller: probes are frequent and small.
 */
const ALPHA = 1 / 8;
const BETA = 1 / 4;

export class RoundTripEstimator {
  #smoothed: number | undefined;
  #variance = 0;

  sample(roundTripMs: number): void {
    if (this.#smoothed === undefined) {
      this.#smoothed = roundTripMs;
      this.#variance = roundTripMs / 2;
      return;
    }
    this.#variance = (1 - BETA) * this.#variance + BETA * Math.abs(this.#smoothed - roundTripMs);
    this.#smoothed = (1 - ALPHA) * this.#smoothed + ALPHA * roundTripMs;
  }

  /** SRTT, or undefined before the first sample. */
  get smoothedMs(): number | undefined {
    return this.#smoothed;
  }

  get varianceMs(): number {
    return this.#variance;
  }
}
