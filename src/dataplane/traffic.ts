import { TRAFFIC_SENT } from '../packet/abi.js';
import type { PacketCore } from '../packet/core.js';

/** Least time between two reports. */
const INTERVAL_MS = 50;

/** Tells that packets of applications move: at once when they begin to, then every INTERVAL_MS while they do. */
export class TrafficReporter {
  readonly #report: (sent: number, received: number) => void;
  /** Sent and received so far. */
  readonly #packets: Uint32Array;
  #sent = 0;
  #received = 0;
  #reportedAt = Number.NEGATIVE_INFINITY;

  constructor(core: PacketCore, report: (sent: number, received: number) => void) {
    this.#packets = new Uint32Array(core.bytes.buffer, TRAFFIC_SENT, 2);
    this.#report = report;
  }

  /** To be called after every turn of the loop. */
  look(): void {
    const [sent, received] = [this.#packets[0] as number, this.#packets[1] as number];
    if (sent === this.#sent && received === this.#received) return;
    this.#sent = sent;
    this.#received = received;
    const now = performance.now();
    if (now - this.#reportedAt < INTERVAL_MS) return;
    this.#reportedAt = now;
    this.#report(sent, received);
  }
}
