import { type Clock, systemClock } from './clock.js';

const LONGEST_TIMEOUT_MS = 0x7fffffff;

/** One timer that follows what a machine asks for: set it as often as you like, it rings when the time has come. */
export class Alarm {
  readonly #ring: () => void;
  readonly #clock: Clock;
  #cancel: (() => void) | undefined;
  #due: number | undefined;

  constructor(ring: () => void, clock = systemClock) {
    this.#ring = ring;
    this.#clock = clock;
  }

  /** Rings at `due` (monotonic milliseconds), or never if it is undefined. */
  set(due: number | undefined): void {
    if (due === this.#due) return;
    this.clear();
    if (due === undefined) return;
    this.#due = due;
    // Rounded up: a machine that is woken early asks for the same time again.
    const wait = Math.min(Math.max(Math.ceil(due - this.#clock.now()), 0), LONGEST_TIMEOUT_MS);
    this.#cancel = this.#clock.after(wait, () => {
      this.#due = undefined;
      this.#ring();
    });
  }

  clear(): void {
    this.#cancel?.();
    this.#due = undefined;
  }
}
