/** Keeps the traffic from moving to and fro: hold-down of gateways that fail often, and a budget of unforced moves. */
import type { FailoverTiming } from './timing.js';

const MAX_DOUBLINGS = 30;

export class Damping {
  readonly #timing: FailoverTiming;
  /** Times of each gateway's failures that are not forgotten, oldest first. */
  readonly #failures: number[][];
  readonly #lastFailure: number[] = [];
  /** Times of the unforced moves within the window. */
  #moves: number[] = [];

  constructor(gateways: number, timing: FailoverTiming) {
    this.#timing = timing;
    this.#failures = Array.from({ length: gateways }, () => []);
  }

  /** Its path failed. */
  failed(gateway: number, now: number): void {
    this.#recent(gateway, now).push(now);
    this.#lastFailure[gateway] = now;
  }

  /** Others are to be preferred for now. No reason for hold-down, as nothing failed under way. */
  avoid(gateway: number, now: number): void {
    this.#lastFailure[gateway] = now;
  }

  /** When it failed last, if that is not forgotten. */
  failedAt(gateway: number, now: number): number | undefined {
    const at = this.#lastFailure[gateway];
    return at !== undefined && now - at <= this.#timing.forgetMs ? at : undefined;
  }

  /** For how long a gateway must have been good before an unforced move to it, where one that never fails needs `baseMs`. */
  holdDownMs(gateway: number, baseMs: number, now: number): number {
    const doublings = Math.min(Math.max(0, this.#recent(gateway, now).length - 1), MAX_DOUBLINGS);
    return Math.max(baseMs, Math.min(baseMs * 2 ** doublings, this.#timing.holdDownMaxMs));
  }

  /** Whether one more unforced move is within the budget. */
  allows(now: number): boolean {
    this.#moves = this.#moves.filter(at => now - at < this.#timing.movesWindowMs);
    return this.#moves.length < this.#timing.moves;
  }

  /** An unforced move was made. */
  moved(now: number): void {
    this.#moves.push(now);
  }

  #recent(gateway: number, now: number): number[] {
    const failures = this.#failures[gateway] ?? [];
    while (failures[0] !== undefined && now - failures[0] > this.#timing.flapWindowMs) failures.shift();
    return failures;
  }
}
