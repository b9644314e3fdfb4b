/** The virtual addresses of a gateway's clients: one for each identity, however many of its sessions overlap. */
import type { AddressPool } from '../service/pool.js';

export class ClientAddresses {
  readonly #pool: AddressPool;
  /** By identity. */
  readonly #held = new Map<string, { address: string; holders: number }>();

  constructor(pool: AddressPool) {
    this.#pool = pool;
  }

  /** The identity's address, or a fresh one, for one more session. Undefined when the pool is empty. */
  hold(identity: string, wanted: string | undefined): string | undefined {
    const held = this.#held.get(identity);
    if (held !== undefined) {
      held.holders += 1;
      return held.address;
    }
    const address = this.#pool.take(identity, wanted);
    if (address !== undefined) this.#held.set(identity, { address, holders: 1 });
    return address;
  }

  /** One session less. With the last one the address goes back to the pool, which keeps it for the identity if it can. */
  release(identity: string): void {
    const held = this.#held.get(identity);
    if (held === undefined) return;
    held.holders -= 1;
    if (held.holders > 0) return;
    this.#held.delete(identity);
    this.#pool.release(held.address, identity);
  }
}
