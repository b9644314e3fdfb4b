/** Counts what the events of a connection, relay or gateway tell. */
import type { LoggedEvent } from '../control/event-log.js';
import { Histogram } from './histogram.js';
import type { Family } from './text.js';

/** Causes, reasons and codes are words of closed sets: no one from outside can make up labels. */
export class Tally {
  readonly #switches = new Map<string, number>();
  readonly #failures = new Map<string, number>();
  readonly #refusals = new Map<string, number>();
  readonly #detection = new Histogram();
  readonly #recovery = new Histogram();

  take({ event, ...fields }: LoggedEvent): void {
    if (event === 'switched') {
      increment(this.#switches, String(fields.cause));
      this.#recovery.observe(Number(fields.ms) / 1000);
    } else if (event === 'gateway-failed') {
      increment(this.#failures, String(fields.reason));
      this.#detection.observe(Number(fields.ms) / 1000);
    } else if (event === 'client-refused') {
      increment(this.#refusals, String(fields.code));
    }
  }

  /** Of a connection. */
  failovers(): Family[] {
    return [
      counted('vpnr_switches_total', 'Moves of the traffic to another gateway.', 'cause', this.#switches),
      counted(
        'vpnr_failures_total',
        'Failures of the gateway that carried the traffic.',
        'reason',
        this.#failures,
      ),
      this.#detection.family(
        'vpnr_detection_seconds',
        'Time from the last sign of life of the gateway that carried the traffic until it counted as failed.',
      ),
      this.#recovery.family(
        'vpnr_switch_seconds',
        'Time from a failure, or the beginning of a move without one, until another gateway carried the traffic.',
      ),
    ];
  }

  /** Of a relay or gateway. */
  refusals(): Family {
    return counted('vpnr_refused_clients_total', 'Clients that were not let in.', 'code', this.#refusals);
  }
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function counted(name: string, help: string, label: string, counts: ReadonlyMap<string, number>): Family {
  const samples = [...counts].map(([key, value]) => ({ labels: { [label]: key }, value }));
  return { name, help, type: 'counter', samples };
}
