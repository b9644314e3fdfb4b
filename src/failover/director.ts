/**
 * Decides which path carries the traffic. A path that misses its probes is left only for one that answered since: if
 * nothing answers, the paths are not what failed, and moving between them would not help.
 */
import type { FailoverAction, FailoverOptions, MoveCause } from './actions.js';
import { blameAll } from './blame.js';
import type { Damping } from './damping.js';
import type { Attention } from './pace.js';
import { isWell, type Path } from './path.js';
import { Preference } from './preference.js';
import type { Watch } from './watch.js';

const EPOCHS = 0x10000;
/** How long the gateways may take to say that they live, before a silence on all paths is named. */
const NAME_AFTER_MS = 500;
/** Once a silent relay was sought through all gateways: until they are gone through again, each time twice as long. */
const FIRST_ROUND_MS = 5000;
const LONGEST_ROUND_MS = 60_000;

export class Director {
  readonly #options: FailoverOptions;
  readonly #watch: Watch;
  readonly #damping: Damping;
  readonly #preference: Preference;
  /** Gateways about to stop. */
  readonly #draining = new Set<number>();
  /** Through these no control connection to the relay came about, while there is no session or all paths are silent. */
  readonly #barren = new Set<number>();
  /** The silent path through which the relay was last found not to be reached. */
  #stranded: Path | undefined;
  /** All were tried: when they may be tried again, and the pause after the next time. */
  #nextRoundAt: number | undefined;
  #roundMs = FIRST_ROUND_MS;
  #active: Path | undefined;
  #second: number | undefined;
  #epoch = 0;
  /** Where the operator wants the traffic, until it is there; and where it stays by that wish. */
  #wanted: number | undefined;
  #pinned: number | undefined;
  /** All paths are silent together; then, until when the active one may answer as well as the others. */
  #allSilent = false;
  #patienceUntil: number | undefined;

  constructor(options: FailoverOptions, watch: Watch, damping: Damping) {
    this.#options = options;
    this.#watch = watch;
    this.#damping = damping;
    this.#preference = new Preference(options, damping);
  }

  get active(): Path | undefined {
    return this.#active;
  }

  get second(): number | undefined {
    return this.#second;
  }

  get wanted(): number | undefined {
    return this.#wanted;
  }

  get allSilent(): boolean {
    return this.#allSilent;
  }

  get nextTimer(): number | undefined {
    return this.#patienceUntil;
  }

  isDraining(gateway: number): boolean {
    return this.#draining.has(gateway);
  }

  /** The traffic's path is so bad that another one, which there is not, should be looked for. */
  seeks(now: number): boolean {
    const active = this.#active;
    if (active === undefined || active.failure !== undefined || this.#pinned === active.gateway) return false;
    return this.#preference.seeks(active, this.#others, this.#watch.busy(now), now);
  }

  /** `cold`: nothing is expected of this path any more, or nothing now. */
  isSpare(path: Path, now: number): boolean {
    const active = this.#active;
    if (active === undefined || path === active || path.gateway === this.#wanted) return false;
    return !this.#draining.has(active.gateway) && !this.#preference.examining(now);
  }

  want(gateway: number | undefined): void {
    this.#wanted = gateway;
    if (gateway === undefined) return;
    this.#pinned = undefined;
    this.#draining.delete(gateway);
  }

  drain(gateway: number): void {
    this.#draining.add(gateway);
  }

  /** The gateway's tunnel ends: what was to happen to it has happened. */
  closed(gateway: number): void {
    this.#draining.delete(gateway);
    if (this.#watch.probing) this.#barren.delete(gateway);
  }

  /** The path's gateway answers: after a silence, its path may be another than it was. */
  alive({ gateway, unansweredSince }: Path, now: number): void {
    const wasSilent = unansweredSince !== undefined && now - unansweredSince >= NAME_AFTER_MS;
    if (wasSilent && this.#watch.probing) this.#barren.delete(gateway);
  }

  relayBound(): void {
    this.#barren.clear();
    this.#stranded = undefined;
    this.#nextRoundAt = undefined;
    this.#roundMs = FIRST_ROUND_MS;
  }

  /** How closely the path is to be probed. */
  needOf(path: Path, now: number): Attention['need'] {
    if (this.#active !== undefined && !isWell(this.#active)) return 'urgent';
    const carries = path === this.#active || path.gateway === this.#second;
    return carries || this.#preference.examining(now) ? 'close' : 'standby';
  }

  /** The path answers again after a failure. */
  resume(path: Path, now: number): FailoverAction[] {
    this.relayBound();
    const { mode } = this.#options;
    if (path !== this.#active || (mode !== 'replay' && mode !== 'duplicate')) return [];
    const { gateway, health } = path;
    health.carry(now);
    return [{ type: 'resend', gateway, epoch: this.#nextEpoch() }];
  }

  /** Nothing is sent over this path any more, as its tunnel ends. */
  abandon(path: Path, now: number): FailoverAction[] {
    if (path !== this.#active) return [];
    this.#active = undefined;
    return [this.#failed(path, now)];
  }

  /** The next move, if there is one. */
  move(now: number): FailoverAction[] {
    const active = this.#active;
    if (active === undefined) return this.#begin(now);
    if (active.failure !== undefined || this.#isIdleHope(active)) return this.#leave(active, now);
    this.#allSilent = false;
    this.#patienceUntil = undefined;
    const others = this.#others.filter(path => this.#isUsable(path));
    if (this.#wanted !== undefined) {
      const wanted = [active, ...others].find(({ gateway }) => gateway === this.#wanted);
      if (wanted !== undefined) return this.#activate(wanted, 'operator', now);
    }
    const lasting = others.filter(({ gateway }) => !this.#draining.has(gateway));
    if (this.#draining.has(active.gateway)) {
      const [best] = this.#preference.ranked(lasting, now);
      return best === undefined ? [] : this.#activate(best, 'drain', now);
    }
    if (this.#pinned === active.gateway) return [];
    const better = this.#preference.better(active, lasting, this.#watch.busy(now), now);
    if (better === undefined) return [];
    this.#damping.moved(now);
    if (better.cause === 'loss') this.#damping.failed(active.gateway, now);
    active.goodSince = now;
    return this.#activate(better.path, better.cause, now);
  }

  /** `duplicate`: the path of the copies, kept while it does not fail. */
  chooseSecond(now: number): FailoverAction[] {
    if (this.#options.mode !== 'duplicate') return [];
    const others = this.#others.filter(({ failure }) => failure === undefined);
    const kept = others.find(({ gateway }) => gateway === this.#second);
    const best = () =>
      this.#best(
        others.filter(path => this.#isUsable(path)),
        now,
      )[0];
    const gateway = (kept ?? best())?.gateway;
    if (gateway === this.#second) return [];
    this.#second = gateway;
    return [{ type: 'second', gateway }];
  }

  /** The active path leads to no relay session: another one may. `once`: all were tried since this was said last. */
  barren(path: Path, now: number): { actions: FailoverAction[]; once: boolean } {
    const { gateway, health } = path;
    this.#barren.add(gateway);
    const others = this.#others.filter(isWell);
    const once = others.every(other => this.#barren.has(other.gateway));
    if (once) {
      this.#barren.clear();
      this.#barren.add(gateway);
    }
    const silentMs = now - health.lastHeard;
    const actions: FailoverAction[] = [{ type: 'failed', gateway, reason: 'relay-unreachable', silentMs }];
    const [next] = this.#best(
      others.filter(other => !this.#barren.has(other.gateway)),
      now,
    );
    if (next !== undefined) actions.push(...this.#activate(next, 'failure', now));
    return { actions, once };
  }

  /**
   * The active path is silent, and no control connection to the relay came about by it: if the relay was started again it has to be
   * told of us, and another gateway that answers may lead to it. Where none does, the relay is what is away, so that they are
   * gone through ever more seldom.
   */
  stranded(path: Path, now: number): FailoverAction[] {
    if (path.failure === undefined) return [];
    this.#stranded = path;
    if (this.#nextRoundAt !== undefined && now >= this.#nextRoundAt) {
      this.#nextRoundAt = undefined;
      this.#barren.clear();
    }
    this.#barren.add(path.gateway);
    const next = this.#refuge(this.#untried, now);
    if (next !== undefined) return this.#activate(next, 'failure', now);
    if (this.#nextRoundAt === undefined) {
      this.#nextRoundAt = now + this.#roundMs;
      this.#roundMs = Math.min(2 * this.#roundMs, LONGEST_ROUND_MS);
    }
    return [];
  }

  /** Nothing carries the traffic: any path is welcome, those first that nothing speaks against. */
  #begin(now: number): FailoverAction[] {
    const [best] = this.#best(
      this.#watch.up.filter(({ failure }) => failure === undefined),
      now,
    );
    const next = best ?? this.#refuge(this.#watch.up, now);
    return next === undefined ? [] : this.#activate(next, this.#epoch === 0 ? 'start' : 'failure', now);
  }

  /** It never answered, and does not as quickly as another one: the time to settle is for when there is no other. */
  #isIdleHope({ health }: Path): boolean {
    if (!this.#watch.probing || health.proven || !health.suspect) return false;
    return this.#others.some(other => isWell(other) && other.health.answeredSince >= health.missedSince);
  }

  #leave(active: Path, now: number): FailoverAction[] {
    this.#watch.fail(active, now);
    const certain = active.failure?.reason !== undefined || !this.#watch.probing;
    const since = active.health.missedSince;
    const answered = (path: Path) => isWell(path) && path.health.answeredSince >= since;
    const [best] = this.#best(
      this.#others.filter(path => path.failure === undefined && (certain || answered(path))),
      now,
    );
    if (best === undefined) {
      const { unansweredSince } = active;
      const isGatewaySilent = unansweredSince !== undefined && now - unansweredSince >= NAME_AFTER_MS;
      const untried = active === this.#stranded ? this.#untried : [];
      const refuge = this.#refuge(isGatewaySilent ? this.#others : untried, now);
      if (refuge === undefined) return this.#stay(active, now);
      return [this.#failed(active, now), ...this.#activate(refuge, 'failure', now)];
    }
    if (this.#allSilent) {
      // The active path, asked once more, may be back as well.
      if (this.#patienceUntil === undefined) {
        this.#patienceUntil = now + active.health.timeoutMs;
        return this.#watch.probeNow(active, now);
      }
      if (now < this.#patienceUntil) return [];
    }
    return [this.#failed(active, now), ...this.#activate(best, 'failure', now)];
  }

  /**
   * A path whose gateway has answered, since the path failed if it has, for want of a better one: a relay that was started again answers no probes
   * until it is told of us, which takes a path to it.
   */
  #refuge(paths: readonly Path[], now: number): Path | undefined {
    const isKnown = ({ failure, aliveAt, unansweredSince }: Path) =>
      unansweredSince === undefined && aliveAt > (failure?.at ?? 0);
    return this.#best(paths.filter(isKnown), now)[0];
  }

  /** The active path has failed, but where to go? */
  #stay(active: Path, now: number): FailoverAction[] {
    this.#patienceUntil = undefined;
    const all = [active, ...this.#others];
    if (active.told !== undefined || all.some(path => path.health.proven && isWell(path))) return [];
    const actions = all
      .filter(({ askedAt }) => askedAt < active.health.missedSince)
      .flatMap(path => this.#watch.ask(path, now));
    const waited = now - (active.failure?.at ?? now) >= NAME_AFTER_MS;
    const reason = active.failure?.reason ?? blameAll(all, this.#options.relay, waited);
    if (reason === undefined) return actions;
    active.told = reason;
    this.#allSilent = reason === 'relay' || reason === 'network';
    const { gateway, health } = active;
    return [...actions, { type: 'stuck', gateway, reason, silentMs: now - health.lastHeard }];
  }

  #activate(path: Path, cause: MoveCause, now: number): FailoverAction[] {
    const { gateway } = path;
    this.#pinned = cause === 'operator' ? gateway : undefined;
    if (cause === 'operator') this.#wanted = undefined;
    if (path === this.#active) return [];
    this.#active = path;
    this.#allSilent = false;
    this.#patienceUntil = undefined;
    this.#preference.forget();
    path.health.carry(now);
    return [{ type: 'activate', gateway, epoch: this.#nextEpoch(), cause }];
  }

  #nextEpoch(): number {
    this.#epoch = (this.#epoch + 1) % EPOCHS;
    return this.#epoch;
  }

  #failed(path: Path, now: number): FailoverAction {
    const { gateway, health } = path;
    return { type: 'failed', gateway, reason: this.#watch.blame(path), silentMs: now - health.lastHeard };
  }

  get #untried(): Path[] {
    return this.#others.filter(({ gateway }) => !this.#barren.has(gateway));
  }

  get #others(): Path[] {
    return this.#watch.up.filter(path => path !== this.#active);
  }

  /** It answers; if probes cannot be answered yet, its tunnel will do. */
  #isUsable(path: Path): boolean {
    return isWell(path) && (path.health.proven || !this.#watch.probing);
  }

  /** Best first: those to stay, then those about to stop; what is suspect comes last. */
  #best(paths: readonly Path[], now: number): Path[] {
    const demerit = (path: Path) => Number(!isWell(path)) * 2 + Number(this.#draining.has(path.gateway));
    return this.#preference.ranked(paths, now).sort((a, b) => demerit(a) - demerit(b));
  }
}
