/** What strangers may use up of a relay: connections that have not said who they are, and guesses at tokens. */
import { DEFAULT_FAILURE_LIMITS, type FailureLimits } from '../service/failures.js';
import { Pace } from '../service/pace.js';
import { sourceOf } from '../service/source.js';

export interface AdmissionLimits extends FailureLimits {
  /** Connections of all kinds. */
  connections: number;
  /** Connections whose client is not known yet: in all, and from one source (`sourceOf`). */
  strangers: number;
  strangersPerSource: number;
  /** New connections from one source: each costs a TLS handshake. */
  connectionsPerSecond: number;
}

export const DEFAULT_LIMITS: AdmissionLimits = {
  connections: 8192,
  strangers: 256,
  strangersPerSource: 32,
  connectionsPerSecond: 100,
  ...DEFAULT_FAILURE_LIMITS,
};

/** Sources whose pace is remembered at most; the one that came first goes first. */
const PACES_MAX = 4096;

/** One connection's place among those admitted. */
export interface Admitted {
  /** The client has proved who it is: it is no stranger any more. */
  known(): void;
  /** The connection is closed. */
  left(): void;
}

export class ConnectionGate {
  readonly #limits: AdmissionLimits;
  readonly #now: () => number;
  readonly #perSource = new Map<string, number>();
  readonly #paces = new Map<string, Pace>();
  #connections = 0;
  #strangers = 0;

  /** `now`: monotonic milliseconds. */
  constructor(limits: AdmissionLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  get connections(): number {
    return this.#connections;
  }

  /** Undefined when there is no room, or too many come at once. */
  admit(address: string): Admitted | undefined {
    const source = sourceOf(address);
    const here = this.#perSource.get(source) ?? 0;
    const { connections, strangers, strangersPerSource } = this.#limits;
    if (this.#connections >= connections || this.#strangers >= strangers || here >= strangersPerSource) {
      return undefined;
    }
    if (!this.#paceOf(source).allows(this.#now())) return undefined;
    this.#connections += 1;
    this.#strangers += 1;
    this.#perSource.set(source, here + 1);
    let stranger = true;
    let inside = true;
    const known = () => {
      if (stranger) this.#noStranger(source);
      stranger = false;
    };
    const left = () => {
      known();
      if (inside) this.#connections -= 1;
      inside = false;
    };
    return { known, left };
  }

  #paceOf(source: string): Pace {
    const known = this.#paces.get(source);
    if (known !== undefined) return known;
    const pace = new Pace(this.#limits.connectionsPerSecond);
    this.#paces.set(source, pace);
    const [oldest] = this.#paces.keys();
    if (this.#paces.size > PACES_MAX && oldest !== undefined) this.#paces.delete(oldest);
    return pace;
  }

  #noStranger(source: string): void {
    this.#strangers -= 1;
    const here = (this.#perSource.get(source) ?? 1) - 1;
    if (here === 0) this.#perSource.delete(source);
    else this.#perSource.set(source, here);
  }
}
