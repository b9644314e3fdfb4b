/** How much of a child SA's sequence numbers is used up. */

/** Half of the 32-bit numbers, so that a new SA is there long before they end (RFC 4303 section 3.3.3). */
const RENEW_AFTER = 2 ** 31;

/**
 * Lifetimes mostly end an SA sooner; at a million packets a second, or with lifetimes of a day, they do not. All packets of
 * applications count, whichever tunnel they took: an SA is renewed too soon rather than too late.
 */
export class SequenceUse {
  /** What had been sent and received when the SA was first seen at work. */
  #sent: number | undefined;
  #received = 0;
  #told = false;

  /** There is a new SA. */
  renewed(): void {
    this.#sent = undefined;
    this.#told = false;
  }

  /** `sent` and `received` so far, modulo 2^32. True, once for each SA: it is time for a new one. */
  isDue(sent: number, received: number): boolean {
    if (this.#told) return false;
    if (this.#sent === undefined) {
      this.#sent = sent;
      this.#received = received;
    }
    this.#told = Math.max((sent - this.#sent) >>> 0, (received - this.#received) >>> 0) >= RENEW_AFTER;
    return this.#told;
  }
}
