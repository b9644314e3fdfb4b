/** What strangers may use up of a relay: connections that have not said who they are, and guesses at tokens. */

export interface AdmissionLimits {
  /** Connections of all kinds. */
  connections: number;
  /** Connections whose client is not known yet: in all, and from one address. */
  strangers: number;
  strangersPerAddress: number;
  /** Wrong tokens within the window, from one address for one client, before the rest of it is refused. */
  failures: number;
  failureWindowMs: number;
}

export const DEFAULT_LIMITS: AdmissionLimits = {
  connections: 8192,
  strangers: 256,
  strangersPerAddress: 32,
  failures: 5,
  failureWindowMs: 60_000,
};

/** One connection's place among those admitted. */
export interface Admitted {
  /** The client has proved who it is: it is no stranger any more. */
  known(): void;
  /** The connection is closed. */
  left(): void;
}

export class ConnectionGate {
  readonly #limits: AdmissionLimits;
  readonly #perAddress = new Map<string, number>();
  #connections = 0;
  #strangers = 0;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  get connections(): number {
    return this.#connections;
  }

  /** Undefined when there is no room. */
  admit(address: string): Admitted | undefined {
    const here = this.#perAddress.get(address) ?? 0;
    const { connections, strangers, strangersPerAddress } = this.#limits;
    if (this.#connections >= connections || this.#strangers >= strangers || here >= strangersPerAddress) {
      return undefined;
    }
    this.#connections += 1;
    this.#strangers += 1;
    this.#perAddress.set(address, here + 1);
    let stranger = true;
    let inside = true;
    const known = () => {
      if (stranger) this.#noStranger(address);
      stranger = false;
    };
    const left = () => {
      known();
      if (inside) this.#connections -= 1;
      inside = false;
    };
    return { known, left };
  }

  #noStranger(address: string): void {
    this.#strangers -= 1;
    const here = (this.#perAddress.get(address) ?? 1) - 1;
    if (here === 0) this.#perAddress.delete(address);
    else this.#perAddress.set(address, here);
  }
}

/** Keys that the failure counter remembers at most; the oldest goes first. */
const KEYS_MAX = 4096;

/**
 * Counts wrong tokens. It counts for an address and a client together: behind a gateway that translates
 * addresses, one who guesses must not lock out the others.
 */
export class FailureLimiter {
  readonly #limits: AdmissionLimits;
  /** In the order of their windows. */
  readonly #failures = new Map<string, { since: number; count: number }>();

  constructor(limits: AdmissionLimits) {
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
  return client === undefined ? address : `${address} ${client}`;
}
