/** Repetitions of a request that are answered as they come. Datagrams get lost, and few are lost more often. */
const FREE = 3;
/** Between the answers after those; each time twice as long as before. */
const FIRST_GAP_MS = 1000;

/**
 * How often the response to a request is sent again to whoever has not authenticated itself: a stranger that forges the source of
 * repetitions is not to make us send on and on, where the response is longer than the request even more than it sends.
 */
export class Repetitions {
  #free = FREE;
  #gapMs = FIRST_GAP_MS;
  #answeredAt = 0;

  /** Whether one more repetition is answered. */
  allows(now: number): boolean {
    if (this.#free > 0) {
      this.#free -= 1;
    } else {
      if (now - this.#answeredAt < this.#gapMs) return false;
      this.#gapMs *= 2;
    }
    this.#answeredAt = now;
    return true;
  }
}
