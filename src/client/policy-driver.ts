/** Runs the failover policy: tells it what happens, has its actions carried out in their order, and wakes it in time. */
import type { FailoverAction } from '../failover/actions.js';
import type { Failover } from '../failover/machine.js';
import { Alarm } from './alarm.js';
import type { Clock } from './clock.js';

export class PolicyDriver {
  readonly policy: Failover;
  readonly #clock: Clock;
  readonly #carryOut: (action: FailoverAction) => void;
  readonly #alarm: Alarm;
  readonly #pending: FailoverAction[] = [];
  #carryingOut = false;
  #stopped = false;

  constructor(policy: Failover, clock: Clock, carryOut: (action: FailoverAction) => void) {
    this.policy = policy;
    this.#clock = clock;
    this.#carryOut = carryOut;
    this.#alarm = new Alarm(() => this.tell((policy, now) => policy.tick(now)), clock);
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /**
   * Tells the policy what happened. To carry an action out may make something else happen: what the policy makes of that
   * comes after the actions that were decided before.
   */
  tell(what: (policy: Failover, now: number) => FailoverAction[]): void {
    if (this.#stopped) return;
    this.#pending.push(...what(this.policy, this.#clock.now()));
    if (this.#carryingOut) return;
    this.#carryingOut = true;
    for (
      let action = this.#pending.shift();
      action !== undefined && !this.#stopped;
      action = this.#pending.shift()
    ) {
      this.#carryOut(action);
    }
    this.#carryingOut = false;
    if (!this.#stopped) this.#alarm.set(this.policy.nextTimer());
  }

  /** Nothing is carried out any more. */
  stop(): void {
    this.#stopped = true;
    this.#alarm.clear();
  }
}
