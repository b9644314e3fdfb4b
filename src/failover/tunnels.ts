/** Which gateways have a tunnel, and when the next attempt with each of the others may begin. */
import type { FailoverTiming } from './timing.js';

type Tunnel =
  | { name: 'down'; retryAt: number }
  | { name: 'connecting'; since: number; deadline: number }
  | { name: 'up' };

const MAX_ATTEMPT_DOUBLINGS = 1;
const MAX_DOUBLINGS = 30;

export class Tunnels {
  readonly #timing: FailoverTiming;
  readonly #random: () => number;
  readonly #tunnels: Tunnel[];
  /** Failed attempts in a row. */
  readonly #failures: number[];

  constructor(gateways: number, timing: FailoverTiming, random: () => number) {
    this.#timing = timing;
    this.#random = random;
    this.#tunnels = Array.from({ length: gateways }, () => ({
      name: 'down',
      retryAt: Number.NEGATIVE_INFINITY,
    }));
    this.#failures = new Array<number>(gateways).fill(0);
  }

  stateOf(gateway: number): Tunnel['name'] {
    return this.#tunnels[gateway]?.name ?? 'down';
  }

  /** Those in a state, ascending. */
  those(state: Tunnel['name']): number[] {
    return this.#tunnels.flatMap((tunnel, gateway) => (tunnel.name === state ? [gateway] : []));
  }

  /** Those that may be connected now. */
  due(now: number): number[] {
    return this.#tunnels.flatMap((tunnel, gateway) =>
      tunnel.name === 'down' && tunnel.retryAt <= now ? [gateway] : [],
    );
  }

  /** Attempts whose time is over. */
  overdue(now: number): number[] {
    return this.#tunnels.flatMap((tunnel, gateway) =>
      tunnel.name === 'connecting' && tunnel.deadline <= now ? [gateway] : [],
    );
  }

  /** When the next attempt may begin, if none may now or nobody connects. */
  get nextAttempt(): number | undefined {
    let next: number | undefined;
    for (const tunnel of this.#tunnels) {
      if (tunnel.name === 'down') next = Math.min(next ?? tunnel.retryAt, tunnel.retryAt);
    }
    return next;
  }

  /** When the newest of the attempts under way began. */
  get newestAttempt(): number | undefined {
    let newest: number | undefined;
    for (const tunnel of this.#tunnels) {
      if (tunnel.name === 'connecting') newest = Math.max(newest ?? tunnel.since, tunnel.since);
    }
    return newest;
  }

  get nextDeadline(): number | undefined {
    let next: number | undefined;
    for (const tunnel of this.#tunnels) {
      if (tunnel.name === 'connecting') next = Math.min(next ?? tunnel.deadline, tunnel.deadline);
    }
    return next;
  }

  connecting(gateway: number, now: number): void {
    const doublings = Math.min(this.#failures[gateway] ?? 0, MAX_ATTEMPT_DOUBLINGS);
    const deadline = now + this.#timing.attemptMs * 2 ** doublings;
    this.#tunnels[gateway] = { name: 'connecting', since: now, deadline };
  }

  up(gateway: number): void {
    this.#tunnels[gateway] = { name: 'up' };
  }

  /** Down, and nothing speaks against a new attempt from `retryAt` on. */
  down(gateway: number, retryAt: number): void {
    this.#tunnels[gateway] = { name: 'down', retryAt };
  }

  /** Down after an attempt in vain: with back-off. `spare`: another gateway carries the traffic. */
  failed(gateway: number, spare: boolean, now: number): void {
    const failures = this.#failures[gateway] ?? 0;
    this.#failures[gateway] = failures + 1;
    const { backoffFirstMs, backoffMaxMs, backoffSpareMs } = this.#timing;
    const full = Math.min(
      spare ? backoffSpareMs : backoffMaxMs,
      backoffFirstMs * 2 ** Math.min(failures, MAX_DOUBLINGS),
    );
    this.down(gateway, now + full * (1 - this.#random() / 4));
  }

  /** It works: a later failure is a new one. */
  proven(gateway: number): void {
    this.#failures[gateway] = 0;
  }

  /** The circumstances have changed: whoever is down may be tried no later than this. */
  hurry(gateway: number, retryAt: number): void {
    const tunnel = this.#tunnels[gateway];
    if (tunnel?.name === 'down' && tunnel.retryAt > retryAt) this.down(gateway, retryAt);
  }

  /** None that could be tried works: those whose first attempt is still to come begin at once. */
  hurryUntried(now: number): void {
    this.#failures.forEach((failures, gateway) => {
      if (failures === 0) this.hurry(gateway, now);
    });
  }
}
