import type { ClientDataPlane } from '../dataplane/api.js';

/** How often the counters are looked at. */
const INTERVAL_MS = 200;

/** Notices whether packets move. */
export class TrafficWatch {
  readonly #plane: ClientDataPlane;
  readonly #moved: () => void;
  #timer: NodeJS.Timeout | undefined;
  #packets = 0;

  /** `moved` is called after every interval in which packets moved. */
  constructor(plane: ClientDataPlane, moved: () => void) {
    this.#plane = plane;
    this.#moved = moved;
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), INTERVAL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { 'tx-packets': sent = 0, 'rx-packets': received = 0 } = this.#plane.counters();
    if (sent + received === this.#packets) return;
    this.#packets = sent + received;
    this.#moved();
  }
}
