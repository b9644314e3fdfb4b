/**
 * The `cold` policy: one tunnel at a time. Its path is probed; when it has failed, the next gateway is connected.
 * A pure machine: what happened and the time go in, actions come out. It never gives up.
 */
import { PathProbes, type ProbeTiming } from './probes.js';

export type FailureReason = 'probes' | 'closed-by-gateway' | 'relay-unreachable' | 'ike';

export type FailoverAction =
  /** Begin IKE with this gateway. `connected` or `connectFailed` answers. */
  | { type: 'connect'; gateway: number }
  /** Take this gateway's tunnel down, established or not. */
  | { type: 'disconnect'; gateway: number }
  /** Send over this gateway's tunnel from now on. */
  | { type: 'activate'; gateway: number; epoch: number }
  | { type: 'probe'; gateway: number; id: number }
  /** The active gateway failed. `silentMs`: since the last sign of life. */
  | { type: 'failed'; gateway: number; reason: FailureReason; silentMs: number }
  /** Every gateway was tried in vain; the next round begins in `waitMs`. */
  | { type: 'wait'; waitMs: number };

export interface ColdTiming {
  probe: ProbeTiming;
  /** How long one gateway may take to connect while there are others; doubled after a round that failed. */
  attemptMs: number;
  /** Back-off after a round in which every gateway failed: doubled each round, a random quarter taken off. */
  backoffFirstMs: number;
  backoffMaxMs: number;
  /** How long a new path may take until its first answer: the relay may have to learn of us first. */
  settleMs: number;
  /** How long probes may stay unanswered when the relay itself is known to be away. */
  relayGraceMs: number;
  /** A failure this long ago is forgotten: the configured order counts again. */
  forgetMs: number;
}

type State =
  | { name: 'idle' }
  | { name: 'connecting'; gateway: number; deadline: number }
  | { name: 'active'; gateway: number; probes: PathProbes; graceUntil: number; proven: boolean }
  | { name: 'waiting'; until: number };

const MAX_ATTEMPT_DOUBLINGS = 1;
const EPOCHS = 0x10000;

export class ColdFailover {
  readonly #gateways: number;
  readonly #timing: ColdTiming;
  readonly #random: () => number;
  #state: State = { name: 'idle' };
  /** When each gateway failed last. */
  readonly #failedAt: number[];
  /** Gateways still to be tried in this round, best first. */
  #round: number[] = [];
  #failedRounds = 0;
  #epoch = 0;

  /** `random` gives numbers from 0 to 1, for the back-off. */
  constructor(gateways: number, timing: ColdTiming, random: () => number) {
    this.#gateways = gateways;
    this.#timing = timing;
    this.#random = random;
    this.#failedAt = new Array<number>(gateways).fill(Number.NEGATIVE_INFINITY);
  }

  start(now: number): FailoverAction[] {
    if (this.#state.name !== 'idle') return [];
    this.#round = this.#byPreference(now);
    return this.#tryNext(now);
  }

  /** The gateway's tunnel is up. */
  connected(gateway: number, now: number): FailoverAction[] {
    if (this.#state.name !== 'connecting' || this.#state.gateway !== gateway) return [];
    this.#epoch = (this.#epoch + 1) % EPOCHS;
    this.#state = {
      name: 'active',
      gateway,
      probes: new PathProbes(this.#timing.probe, now),
      graceUntil: now + this.#timing.settleMs,
      proven: false,
    };
    return [{ type: 'activate', gateway, epoch: this.#epoch }];
  }

  /** The gateway refused or did not answer. */
  connectFailed(gateway: number, now: number): FailoverAction[] {
    if (this.#state.name !== 'connecting' || this.#state.gateway !== gateway) return [];
    this.#failedAt[gateway] = now;
    return [{ type: 'disconnect', gateway }, ...this.#tryNext(now)];
  }

  /** The active gateway is known to be gone (its DELETE, for example). */
  lost(gateway: number, reason: FailureReason, now: number): FailoverAction[] {
    if (this.#state.name === 'connecting') return this.connectFailed(gateway, now);
    if (this.#state.name !== 'active' || this.#state.gateway !== gateway) return [];
    return this.#fail(reason, now);
  }

  probeReply(gateway: number, id: number, roundTripMs: number, now: number): void {
    if (this.#state.name !== 'active' || this.#state.gateway !== gateway) return;
    this.#state.probes.reply(id, roundTripMs, now);
    this.#state.graceUntil = Number.NEGATIVE_INFINITY;
    this.#state.proven = true;
    this.#failedRounds = 0;
  }

  traffic(now: number): void {
    if (this.#state.name === 'active') this.#state.probes.traffic(now);
  }

  /** The relay, not the path, is away (it closed or refused a connection through the tunnel): do not blame the gateway yet. */
  relayAway(now: number): void {
    if (this.#state.name !== 'active') return;
    this.#state.graceUntil = now + this.#timing.relayGraceMs;
    this.#state.probes.restart(now);
  }

  /** The relay answers again. */
  relayBack(now: number): void {
    if (this.#state.name !== 'active') return;
    this.#state.graceUntil = Number.NEGATIVE_INFINITY;
    this.#state.probes.restart(now);
  }

  tick(now: number): FailoverAction[] {
    const state = this.#state;
    switch (state.name) {
      case 'idle':
        return [];
      case 'waiting':
        if (now < state.until) return [];
        this.#round = this.#byPreference(now);
        return this.#tryNext(now);
      case 'connecting':
        return now < state.deadline ? [] : this.connectFailed(state.gateway, now);
      case 'active': {
        const ids = state.probes.tick(now);
        if (state.probes.failed && now >= state.graceUntil) return this.#fail('probes', now);
        return ids.map(id => ({ type: 'probe', gateway: state.gateway, id }));
      }
    }
  }

  nextTimer(): number | undefined {
    switch (this.#state.name) {
      case 'idle':
        return undefined;
      case 'waiting':
        return this.#state.until;
      case 'connecting':
        return this.#state.deadline;
      case 'active':
        return this.#state.probes.nextTimer();
    }
  }

  get active(): number | undefined {
    return this.#state.name === 'active' ? this.#state.gateway : undefined;
  }

  get suspect(): boolean {
    return this.#state.name === 'active' && this.#state.probes.suspect;
  }

  get smoothedRoundTripMs(): number | undefined {
    return this.#state.name === 'active' ? this.#state.probes.smoothedRoundTripMs : undefined;
  }

  /** What is going on with this gateway. */
  stateOf(gateway: number): 'active' | 'suspect' | 'connecting' | 'down' {
    const state = this.#state;
    if (state.name === 'active' && state.gateway === gateway)
      return state.probes.suspect ? 'suspect' : 'active';
    return state.name === 'connecting' && state.gateway === gateway ? 'connecting' : 'down';
  }

  #fail(reason: FailureReason, now: number): FailoverAction[] {
    if (this.#state.name !== 'active') return [];
    const { gateway, probes, proven } = this.#state;
    this.#failedAt[gateway] = now;
    // A path that never answered failed as an attempt: the round goes on, and so does the back-off behind it.
    if (proven) this.#round = this.#byPreference(now);
    return [
      { type: 'failed', gateway, reason, silentMs: now - probes.lastHeard },
      { type: 'disconnect', gateway },
      ...this.#tryNext(now),
    ];
  }

  #tryNext(now: number): FailoverAction[] {
    const gateway = this.#round.shift();
    if (gateway === undefined) return this.#backOff(now);
    const doublings = Math.min(this.#failedRounds, MAX_ATTEMPT_DOUBLINGS);
    this.#state = { name: 'connecting', gateway, deadline: now + this.#timing.attemptMs * 2 ** doublings };
    return [{ type: 'connect', gateway }];
  }

  #backOff(now: number): FailoverAction[] {
    const full = Math.min(
      this.#timing.backoffMaxMs,
      this.#timing.backoffFirstMs * 2 ** Math.min(this.#failedRounds, 30),
    );
    const waitMs = full * (1 - this.#random() / 4);
    this.#failedRounds++;
    this.#state = { name: 'waiting', until: now + waitMs };
    return [{ type: 'wait', waitMs }];
  }

  /** Those without a recent failure first, in the configured order; then the one whose failure is longest ago. */
  #byPreference(now: number): number[] {
    const failedAt = (gateway: number) => {
      const at = this.#failedAt[gateway] ?? Number.NEGATIVE_INFINITY;
      return now - at > this.#timing.forgetMs ? Number.NEGATIVE_INFINITY : at;
    };
    return Array.from({ length: this.#gateways }, (_, gateway) => gateway).sort((a, b) =>
      failedAt(a) === failedAt(b) ? a - b : failedAt(a) - failedAt(b),
    );
  }
}
