/** The addresses that a relay leases to its sessions, or a gateway assigns to its clients: the hosts of an IPv4 prefix. */
import { VpnrError } from '../errors.js';
import { formatAddress, type Prefix, parseAddress, parsePrefix } from '../prefix.js';

/** The largest pool is what the packet core's table holds; the smallest has a host besides the server itself. */
export const SHORTEST_PREFIX = 12;
export const LONGEST_PREFIX = 30;

/** Throws CONFIG_INVALID for what cannot be a pool. */
export function parsePool(text: string): Prefix {
  const pool = parsePrefix(text);
  if (pool.family !== 4 || pool.length < SHORTEST_PREFIX || pool.length > LONGEST_PREFIX) {
    throw new VpnrError('CONFIG_INVALID', `the pool ${text} cannot be used`, {
      remedy: `give an IPv4 prefix of length ${SHORTEST_PREFIX} to ${LONGEST_PREFIX}, such as 10.30.200.0/24`,
    });
  }
  return pool;
}

/** The server's own address in its pool: the first host. */
export function ownAddress(pool: Prefix): string {
  return formatAddress({ family: 4, value: pool.value + 1n });
}

export class AddressPool {
  readonly #first: number;
  readonly #last: number;
  readonly #reserved: ReadonlySet<number>;
  readonly #taken = new Set<number>();
  /** Addresses that were leased before, the longest free first, and to whom. */
  readonly #returned = new Map<number, string>();
  /** Below it, every address has been leased at least once, or is reserved. */
  #untouched: number;

  /** `reserved`: addresses that must not be leased, in or out of the pool, besides the server's own. */
  constructor(pool: Prefix, reserved: readonly string[] = []) {
    const network = Number(pool.value);
    const size = 2 ** (32 - pool.length);
    this.#first = network + 1;
    // The last address is the network's broadcast address.
    this.#last = network + size - 2;
    this.#reserved = new Set([ownAddress(pool), ...reserved].map(numberOf));
    this.#untouched = this.#first;
  }

  /**
   * An address for a new session of `client`: the one it had before, else the one it wants if nobody else had it, else
   * one that nobody had, else the one that has been free longest. Undefined when all are taken.
   */
  take(client: string, wanted?: string): string | undefined {
    const address =
      this.#returnedBy(client) ??
      this.#untouchedAt(wanted) ??
      this.#nextUntouched() ??
      this.#returned.keys().next().value;
    if (address === undefined) return undefined;
    this.#returned.delete(address);
    this.#taken.add(address);
    return textOf(address);
  }

  /** Takes this address, for a session from before a restart. False when it is not to be had. */
  claim(text: string): boolean {
    const address = numberOf(text);
    if (!this.#isLeasable(address) || this.#taken.has(address)) return false;
    this.#returned.delete(address);
    this.#taken.add(address);
    return true;
  }

  release(text: string, client: string): void {
    const address = numberOf(text);
    if (this.#taken.delete(address)) this.#returned.set(address, client);
  }

  #returnedBy(client: string): number | undefined {
    for (const [address, holder] of this.#returned) if (holder === client) return address;
    return undefined;
  }

  #isLeasable(address: number): boolean {
    return address >= this.#first && address <= this.#last && !this.#reserved.has(address);
  }

  #isUntouched(address: number): boolean {
    return this.#isLeasable(address) && !this.#taken.has(address) && !this.#returned.has(address);
  }

  #untouchedAt(text: string | undefined): number | undefined {
    const address = text === undefined ? Number.NaN : numberOf(text);
    return this.#isUntouched(address) ? address : undefined;
  }

  #nextUntouched(): number | undefined {
    for (; this.#untouched <= this.#last; this.#untouched++) {
      if (this.#isUntouched(this.#untouched)) return this.#untouched;
    }
    return undefined;
  }
}

function numberOf(text: string): number {
  const { family, value } = parseAddress(text);
  return family === 4 ? Number(value) : Number.NaN;
}

function textOf(address: number): string {
  return formatAddress({ family: 4, value: BigInt(address) });
}
