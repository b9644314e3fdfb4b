import { monotonicMs } from '../io/clock.js';

const LONGEST_TIMEOUT_MS = 0x7fffffff;

/** One timer that follows what a machine asks for: set it as often as you like, it rings when the time has come. */
export class Alarm {
  readonly #ring: () => void;
  #timer: NodeJS.Timeout | undefined;
  #due: number | undefined;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** Rings at `due` (monotonic milliseconds), or never if it is undefined. */
  set(due: number | undefined): void {
    if (due === this.#due) return;
    this.clear();
    if (due === undefined) return;
    this.#due = due;
    // Rounded up: a machine that is woken early asks for the same time again.
    const wait = Math.min(Math.max(Math.ceil(due - monotonicMs()), 0), LONGEST_TIMEOUT_MS);
    this.#timer = setTimeout(() => {
      this.#due = undefined;
      this.#ring();
    }, wait);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#due = undefined;
  }
}
