/** Guesses at the secrets of a server's clients: how many are let through. */
import { sourceOf } from './source.js';

export interface FailureLimits {
  /** Wrong secrets within the window, from one source (`sourceOf`) for one client, before the rest of it is refused. */
  failures: number;
  failureWindowMs: number;
}

export const DEFAULT_FAILURE_LIMITS: FailureLimits = { failures: 5, failureWindowMs: 60_000 };

/** Keys that the failure counter remembers at most; the oldest goes first. */
const KEYS_MAX = 4096;

/**
 * Counts failed authentications. It counts for a source and a client together: behind a gateway that translates
 * addresses, one who guesses must not lock out the others.
 */
export class FailureLimiter {
  readonly #limits: FailureLimits;
  /** In the order of their windows. */
  readonly #failures = new Map<string, { since: number; count: number }>();

  constructor(limits: FailureLimits) {
    this.#limits = limits;
  }

  /** `client`: undefined for all names that no client has. */
  blocked(address: string, client: string | undefined, now: number): boolean {
    const entry = this.#failures.get(keyOf(address, client));
    return entry !== undefined && this.#current(entry, now) && entry.count >= this.#limits.failures;
  }

  failed(address: string, client: string | undefined, now: number): void {
    const key = keyOf(address, client);
    const entry = this.#failures.get(key);
    if (entry !== undefined && this.#current(entry, now)) {
      entry.count += 1;
      return;
    }
    this.#failures.delete(key);
    this.#failures.set(key, { since: now, count: 1 });
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > KEYS_MAX && oldest !== undefined) this.#failures.delete(oldest);
  }

  #current(entry: { since: number }, now: number): boolean {
    return now - entry.since < this.#limits.failureWindowMs;
  }
}

function keyOf(address: string, client: string | undefined): string {
  const source = sourceOf(address);
  return client === undefined ? source : `${source} ${client}`;
}
