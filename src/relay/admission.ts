/** What strangers may use up of a relay: connections that have not said who they are, and guesses at tokens. */
import { DEFAULT_FAILURE_LIMITS, type FailureLimits } from '../service/failures.js';

export interface AdmissionLimits extends FailureLimits {
  /** Connections of all kinds. */
  connections: number;
  /** Connections whose client is not known yet: in all, and from one address. */
  strangers: number;
  strangersPerAddress: number;
}

export const DEFAULT_LIMITS: AdmissionLimits = {
  connections: 8192,
  strangers: 256,
  strangersPerAddress: 32,
  ...DEFAULT_FAILURE_LIMITS,
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
