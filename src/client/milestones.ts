/** The events that tell how the whole connection fares, each once, with the time it took. */
import type { MoveCause } from '../failover/actions.js';
import { type Clock, systemClock } from './clock.js';
import type { Face } from './device.js';
import type { ConnectionEvent } from './events.js';

interface Move {
  gateway: string;
  from: string;
  cause: MoveCause;
  /** When the gateway of before failed, or when the move began if none has. */
  since: number;
  activatedAt: number;
}

export class Milestones {
  readonly #emit: (event: ConnectionEvent) => void;
  readonly #clock: Clock;
  readonly #startedAt: number;
  #connected = false;
  #switches = 0;
  /** Where the traffic goes, or went last. */
  #gateway: string | undefined;
  /** The gateway that failed, until another one is proven. */
  #failed: { gateway: string; at: number } | undefined;
  /** Under way until the new path is proven. */
  #move: Move | undefined;

  constructor(emit: (event: ConnectionEvent) => void, clock = systemClock) {
    this.#emit = emit;
    this.#clock = clock;
    this.#startedAt = clock.now();
  }

  /** Whether packets ever flowed. */
  get connected(): boolean {
    return this.#connected;
  }

  get switches(): number {
    return this.#switches;
  }

  get uptimeMs(): number {
    return Math.round(this.#clock.now() - this.#startedAt);
  }

  /** Address, routes and session are in place. */
  ready(gateway: string, { name, address = '', mtu }: Face): void {
    if (this.#connected) return;
    this.#connected = true;
    this.#emit({ event: 'connected', gateway, device: name, address, mtu, ms: this.uptimeMs });
  }

  /** The active gateway failed; the switch that follows is measured from the first failure on. */
  failed(gateway: string): void {
    this.#failed ??= { gateway, at: this.#clock.now() };
  }

  /** Traffic is sent through this gateway from now on. */
  activated(gateway: string, cause: MoveCause): void {
    const activatedAt = this.#clock.now();
    const from = this.#failed?.gateway ?? this.#gateway;
    this.#gateway = gateway;
    if (from === undefined) return;
    this.#move = { gateway, from, cause, since: this.#failed?.at ?? activatedAt, activatedAt };
  }

  /**
   * The gateway's path carries packets to its other end and back: it answered what was sent at `sentAt`. Returns what
   * the move to it took, in milliseconds, if that is complete by this.
   */
  proven(gateway: string, sentAt: number): number | undefined {
    const move = this.#move;
    if (move?.gateway !== gateway || sentAt < move.activatedAt || !this.#connected) return undefined;
    this.#failed = undefined;
    this.#move = undefined;
    this.#switches++;
    const ms = Math.round(this.#clock.now() - move.since);
    this.#emit({ event: 'switched', gateway, from: move.from, cause: move.cause, ms });
    return ms;
  }
}
