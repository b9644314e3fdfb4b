import { TRAFFIC_SENT } from '../packet/abi.js';
import type { PacketCore } from '../packet/core.js';

/** Least time between two reports that wake the other thread for nothing else, and between others. */
const INTERVAL_MS = 50;
const COMPANY_INTERVAL_MS = 20;

/** How long a report waits for a turn that finds nothing else to do, or brings an answer. */
const GRACE_MS = 1;

/**
 * Tells that packets of applications move: when they begin to, then every INTERVAL_MS while they do, or sooner together with
 * other reports, for each wake-up of the other thread costs more than the report. Not in the turn in which they were sent: it
 * would take a processor just when those that answer need one.
 */
export class TrafficReporter {
  readonly #report: (sent: number, received: number) => void;
  readonly #now: () => number;
  /** Sent and received so far. */
  readonly #packets: Uint32Array;
  /** What was told last, and when. */
  #sent = 0;
  #received = 0;
  #reportedAt = Number.NEGATIVE_INFINITY;
  /** The next turn reports. */
  #isDue = false;
  #waitMs = Number.POSITIVE_INFINITY;

  constructor(
    { bytes }: Pick<PacketCore, 'bytes'>,
    report: (sent: number, received: number) => void,
    now = () => performance.now(),
  ) {
    this.#packets = new Uint32Array(bytes.buffer, TRAFFIC_SENT, 2);
    this.#report = report;
    this.#now = now;
  }

  /** How long the loop may wait, in ms, before it calls `look` again. */
  get waitMs(): number {
    return this.#waitMs;
  }

  /** To be called after every turn of the loop. `inCompany`: this turn wakes the other thread anyway. */
  look(inCompany: boolean): void {
    const [sent, received] = [this.#packets[0] as number, this.#packets[1] as number];
    this.#waitMs = Number.POSITIVE_INFINITY;
    if (sent === this.#sent && received === this.#received) return;
    const now = this.#now();
    const waitMs = this.#reportedAt + (inCompany ? COMPANY_INTERVAL_MS : INTERVAL_MS) - now;
    if (waitMs > 0) {
      this.#waitMs = Math.ceil(waitMs);
      return;
    }
    if (!this.#isDue && !inCompany) {
      this.#isDue = true;
      this.#waitMs = GRACE_MS;
      return;
    }
    this.#isDue = false;
    this.#sent = sent;
    this.#received = received;
    this.#reportedAt = now;
    this.#report(sent, received);
  }
}
