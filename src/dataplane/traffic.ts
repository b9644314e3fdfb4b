import { TRAFFIC_SENT } from '../packet/abi.js';
import type { PacketCore } from '../packet/core.js';

/** Least time between two reports. */
const INTERVAL_MS = 50;

/** How long a report waits for a turn that finds nothing else to do, or brings an answer. */
const GRACE_MS = 1;

/**
 * Tells that packets of applications move: when they begin to, then every INTERVAL_MS while they do. Not in the turn in which
 * they were sent: the other thread would wake up and take a processor just when those that answer need one.
 */
export class TrafficReporter {
  readonly #report: (sent: number, received: number) => void;
  /** Sent and received so far. */
  readonly #packets: Uint32Array;
  #sent = 0;
  #received = 0;
  #reportedAt = Number.NEGATIVE_INFINITY;
  #isDue = false;

  constructor(core: PacketCore, report: (sent: number, received: number) => void) {
    this.#packets = new Uint32Array(core.bytes.buffer, TRAFFIC_SENT, 2);
    this.#report = report;
  }

  /** How long the loop may wait, in ms, before it calls `look` again. */
  get waitMs(): number {
    return this.#isDue ? GRACE_MS : Number.POSITIVE_INFINITY;
  }

  /** To be called after every turn of the loop. */
  look(): void {
    const [sent, received] = [this.#packets[0] as number, this.#packets[1] as number];
    const isMoving = sent !== this.#sent || received !== this.#received;
    const isWaiting = this.#isDue;
    if (!isMoving && !isWaiting) return;
    this.#sent = sent;
    this.#received = received;
    const now = performance.now();
    if (now - this.#reportedAt < INTERVAL_MS) return;
    this.#isDue = !isWaiting;
    if (this.#isDue) return;
    this.#reportedAt = now;
    this.#report(sent, received);
  }
}
