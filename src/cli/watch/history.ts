/** What one status after the other shows: rates, and how round trips went. */
import type { LoggedEvent } from '../../control/event-log.js';
import type { AnyStatus } from '../render.js';

/** Of both directions, in bits a second; undefined until two looks have been taken. */
export interface Rates {
  sent: number | undefined;
  received: number | undefined;
}

/** One look at what is running. */
export interface Look {
  status: AnyStatus;
  /** The last events, the newest last. */
  events: readonly LoggedEvent[];
  rates: Rates;
  sentHistory: readonly (number | undefined)[];
  receivedHistory: readonly (number | undefined)[];
  /** Round trips by gateway, in milliseconds, the newest last; undefined where there was none. */
  roundTrips: ReadonlyMap<string, readonly (number | undefined)[]>;
}

/** As many as the widest sparkline has columns. */
const LOOKS_KEPT = 60;

export class History {
  #last: { pid: number; at: number; sent: number; received: number } | undefined;
  #sent: (number | undefined)[] = [];
  #received: (number | undefined)[] = [];
  #roundTrips = new Map<string, (number | undefined)[]>();

  /** `at`: monotonic milliseconds. Figures of another process begin anew. */
  look(status: AnyStatus, events: readonly LoggedEvent[], at: number): Look {
    if (this.#last?.pid !== status.pid) this.#begin();
    const { counters } = status.traffic;
    const now = { pid: status.pid, at, sent: counters['tx-bytes'] ?? 0, received: counters['rx-bytes'] ?? 0 };
    const rate = (direction: 'sent' | 'received') =>
      this.#last === undefined || at <= this.#last.at
        ? undefined
        : (Math.max(0, now[direction] - this.#last[direction]) * 8000) / (at - this.#last.at);
    const rates = { sent: rate('sent'), received: rate('received') };
    this.#last = now;
    keep(this.#sent, rates.sent);
    keep(this.#received, rates.received);
    this.#keepRoundTrips(status);
    return {
      status,
      events,
      rates,
      sentHistory: this.#sent,
      receivedHistory: this.#received,
      roundTrips: this.#roundTrips,
    };
  }

  #begin(): void {
    this.#last = undefined;
    this.#sent = [];
    this.#received = [];
    this.#roundTrips = new Map();
  }

  #keepRoundTrips(status: AnyStatus): void {
    if (status.role !== 'client') return;
    for (const { name, state, roundTripMs } of status.gateways) {
      const kept = this.#roundTrips.get(name) ?? [];
      this.#roundTrips.set(name, kept);
      keep(kept, state === 'active' || state === 'standby' ? (roundTripMs ?? undefined) : undefined);
    }
  }
}

function keep(values: (number | undefined)[], value: number | undefined): void {
  values.push(value);
  if (values.length > LOOKS_KEPT) values.shift();
}
