/** The events that tell how the whole connection fares, each once, with the time it took. */
import { monotonicMs } from '../io/clock.js';
import type { Device } from './device.js';
import type { ConnectionEvent } from './events.js';

export class Milestones {
  readonly #emit: (event: ConnectionEvent) => void;
  readonly #startedAt = monotonicMs();
  #connected = false;
  #switches = 0;
  /** The gateway that failed, until another one is proven. */
  #failed: { gateway: string; at: number } | undefined;

  constructor(emit: (event: ConnectionEvent) => void) {
    this.#emit = emit;
  }

  /** Whether packets ever flowed. */
  get connected(): boolean {
    return this.#connected;
  }

  get switches(): number {
    return this.#switches;
  }

  get uptimeMs(): number {
    return Math.round(monotonicMs() - this.#startedAt);
  }

  /** Address, routes and session are in place. */
  ready(gateway: string, { name, address = '', mtu }: Device): void {
    if (this.#connected) return;
    this.#connected = true;
    this.#emit({ event: 'connected', gateway, device: name, address, mtu, ms: this.uptimeMs });
  }

  /** The active gateway failed; the switch that follows is measured from the first failure on. */
  failed(gateway: string): void {
    this.#failed ??= { gateway, at: monotonicMs() };
  }

  /** The path by this gateway carries packets to its other end: a switch to it is complete. */
  proven(gateway: string): void {
    const failed = this.#failed;
    if (failed === undefined || !this.#connected) return;
    this.#failed = undefined;
    this.#switches++;
    this.#emit({
      event: 'switched',
      gateway,
      from: failed.gateway,
      ms: Math.round(monotonicMs() - failed.at),
    });
  }
}
