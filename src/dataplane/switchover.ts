/** Carries the core's switch through (assembly/client_switch.ts): when the relay is asked, and what is sent again when. */
import { monotonicMs, monotonicNs } from '../io/clock.js';
import { OK, SWITCH_NONE, SWITCH_RESENDING, SWITCH_WAITING } from '../packet/abi.js';
import type { PacketCore } from '../packet/core.js';
import type { ActivationKind } from './api.js';

/** The relay is asked again after a round trip, but not more often than this. */
const REPEAT_MS = 20;
/** Without an answer for that long, all that is not known to have arrived is sent again. */
const GIVE_UP_MS = 1000;
/** What is on its way over a path that still works has arrived after this, and two round trips. */
const GRACE_MS = 150;
/** When what was sent again has arrived, after a round trip more: pacing, and the relay's own end. */
const AGAIN_MS = 50;
/** A round trip that is not known. */
const DEFAULT_ROUND_TRIP_MS = 50;

export interface SwitchoverEvents {
  /** The probe in the core's own message is to be sent over the active path. */
  sendProbe(): void;
  /** Over: `ms` after its beginning the relay has answered, or it is not waited for any longer. */
  done(epoch: number, ms: number, answered: boolean): void;
}

export class Switchover {
  readonly #core: PacketCore;
  readonly #events: SwitchoverEvents;
  /** 0: no switch is under way; 2: what was lost while it was sent again is sent once more. */
  #round: 0 | 1 | 2 = 0;
  /** When the second round begins, once the first has ended. */
  #againAt: number | undefined;
  #epoch = 0;
  #began = 0;
  #roundTripMs = 0;
  #nextProbe = 0;
  #deadline = 0;
  #hasMore = false;

  constructor(core: PacketCore, events: SwitchoverEvents) {
    this.#core = core;
    this.#events = events;
  }

  /**
   * The core was told of another active path. Round trips of the path of before and of the new one in ms, as far as they are
   * known.
   */
  begin(epoch: number, kind: ActivationKind, before: number | undefined, after: number | undefined): void {
    this.#round = this.#core.exports.clientSwitchState() === SWITCH_WAITING ? 1 : 0;
    if (this.#round === 0) return;
    this.#againAt = undefined;
    const now = monotonicMs();
    this.#epoch = epoch;
    this.#began = now;
    this.#roundTripMs = after ?? DEFAULT_ROUND_TRIP_MS;
    const grace = GRACE_MS + 2 * Math.max(before ?? DEFAULT_ROUND_TRIP_MS, this.#roundTripMs);
    this.#nextProbe = kind === 'alive' ? now + grace : now;
    this.#deadline = this.#nextProbe + GIVE_UP_MS;
    this.#ask(now);
  }

  /** The core has another session: what the relay of before has not delivered, if there is any, is sent again. */
  renewed(roundTripMs: number | undefined): void {
    this.#round = this.#core.exports.clientSwitchState() === SWITCH_RESENDING ? 1 : 0;
    this.#againAt = undefined;
    this.#roundTripMs = roundTripMs ?? DEFAULT_ROUND_TRIP_MS;
    this.#hasMore = true;
  }

  /** The relay has answered. */
  answered(): void {
    this.#hasMore = true;
    this.#events.done(this.#epoch, monotonicMs() - this.#began, true);
  }

  /** Asks, once more after a while, or waits no longer, if it is time. */
  advance(): void {
    if (this.#round === 0) return;
    const { exports } = this.#core;
    const now = monotonicMs();
    if (exports.clientSwitchState() === SWITCH_NONE) this.#goOn(now);
    this.#ask(now);
    if (exports.clientSwitchState() !== SWITCH_WAITING || now < this.#deadline) return;
    exports.clientSwitchGiveUp();
    this.#hasMore = true;
    if (this.#round === 1) this.#events.done(this.#epoch, now - this.#began, false);
  }

  /** A round has ended. */
  #goOn(now: number): void {
    if (this.#round === 2) {
      this.#round = 0;
      return;
    }
    this.#againAt ??= now + this.#roundTripMs + AGAIN_MS;
    if (now < this.#againAt) return;
    this.#round = 2;
    this.#core.exports.clientSwitchAgain();
    this.#nextProbe = now;
    this.#deadline = now + GIVE_UP_MS;
  }

  /** Whether there is something to send again, before the device is read. */
  get isResending(): boolean {
    return this.#round !== 0 && this.#core.exports.clientSwitchState() === SWITCH_RESENDING;
  }

  /** The number of messages to be sent next. */
  resend(): number {
    const messages = this.#core.exports.clientResend();
    this.#hasMore = messages > 0;
    return messages;
  }

  /** How long nothing is to be done. */
  get waitMs(): number {
    if (this.#round === 0) return Number.POSITIVE_INFINITY;
    const state = this.#core.exports.clientSwitchState();
    if (state === SWITCH_RESENDING) return this.#hasMore ? 0 : 1;
    const next = state === SWITCH_NONE ? (this.#againAt ?? 0) : Math.min(this.#nextProbe, this.#deadline);
    return Math.max(0, Math.ceil(next - monotonicMs()));
  }

  #ask(now: number): void {
    if (now < this.#nextProbe || this.#core.exports.clientSwitchState() !== SWITCH_WAITING) return;
    this.#nextProbe = now + Math.max(REPEAT_MS, this.#roundTripMs);
    const time = monotonicNs();
    if (this.#core.exports.clientSwitchProbe(Number(time & 0xffff_ffffn), Number(time >> 32n)) === OK) {
      this.#events.sendProbe();
    }
  }
}
