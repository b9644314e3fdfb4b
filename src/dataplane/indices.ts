/** Places in the core's tables of security associations. The main thread gives them out, the core fills them. */
import { randomInt } from 'node:crypto';
import { VpnrError } from '../errors.js';
import { SA_INDEX_MASK, SA_MAX } from '../packet/abi.js';

const INDEX_BITS = Math.log2(SA_MAX);

/** Numbers below a limit, each given out once until it is given back. */
export class IndexPool {
  readonly #what: string;
  readonly #limit: number;
  /** Those that are free. The one given back last waits longest. */
  readonly #free: number[];

  /** `what`: is counted, for the error. */
  constructor(limit = SA_MAX, what = 'security associations') {
    this.#limit = limit;
    this.#what = what;
    this.#free = Array.from({ length: limit }, (_, index) => index);
  }

  /** Throws ASSOCIATIONS_FULL when all are taken: the core never sees a number that is not its table's. */
  take(): number {
    const index = this.#free.shift();
    if (index === undefined) {
      throw new VpnrError('ASSOCIATIONS_FULL', `there is no room for more than ${this.#limit} ${this.#what}`);
    }
    return index;
  }

  giveBack(index: number): void {
    this.#free.push(index);
  }
}

/** Inbound SPIs: unpredictable, with a place in the core's table as the low bits. */
export class SpiPool {
  readonly #indices = new IndexPool();
  readonly #taken = new Set<number>();

  allocate(): number {
    // The high bits are never all zero, so that the SPI is above the reserved ones (RFC 4303 section 2.1).
    const spi = randomInt(1, 2 ** (32 - INDEX_BITS)) * SA_MAX + this.#indices.take();
    this.#taken.add(spi);
    return spi;
  }

  has(spi: number): boolean {
    return this.#taken.has(spi);
  }

  /** Frees an SPI. One that is not taken is ignored. */
  release(spi: number): void {
    if (this.#taken.delete(spi)) this.#indices.giveBack(spi & SA_INDEX_MASK);
  }
}
