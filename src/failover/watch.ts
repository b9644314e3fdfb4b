/** Watches the paths of the gateways whose tunnels are up: probes them, notices who falls silent and who answers again. */
import type { FailoverAction, FailoverOptions, FailureReason } from './actions.js';
import { blame } from './blame.js';
import type { Damping } from './damping.js';
import { PathHealth } from './health.js';
import { type Attention, probeInterval } from './pace.js';
import { newPath, type Path } from './path.js';

/** A gateway whose path is in question is asked no more often. */
const ASK_EVERY_MS = 2000;

export class Watch {
  readonly #options: FailoverOptions;
  readonly #damping: Damping;
  /** By gateway; undefined while its tunnel is not up. */
  readonly #paths: (Path | undefined)[];
  /** Probes can be answered: there is a relay session, or no relay is needed. */
  #probing: boolean;
  #relayAwayUntil = Number.NEGATIVE_INFINITY;
  #lastTraffic = Number.NEGATIVE_INFINITY;

  constructor(options: FailoverOptions, damping: Damping) {
    this.#options = options;
    this.#damping = damping;
    this.#paths = new Array<Path | undefined>(options.gateways).fill(undefined);
    this.#probing = !options.relay;
  }

  get up(): Path[] {
    return this.#paths.filter(path => path !== undefined);
  }

  get probing(): boolean {
    return this.#probing;
  }

  at(gateway: number): Path | undefined {
    return this.#paths[gateway];
  }

  open(gateway: number, now: number): void {
    const health = new PathHealth(this.#options.timing.probe, now, now + this.#options.timing.settleMs);
    this.#paths[gateway] = newPath(gateway, health, now);
  }

  close(gateway: number): void {
    this.#paths[gateway] = undefined;
  }

  /** Traffic flows, or did a moment ago. */
  busy(now: number): boolean {
    return now - this.#lastTraffic < this.#options.timing.probe.idleAfterMs;
  }

  /** Traffic flows, or none has since `now`. */
  traffic(now: number): void {
    this.#lastTraffic = now;
  }

  idleSince(now: number): void {
    this.#lastTraffic = now - this.#options.timing.probe.idleAfterMs;
  }

  /** There is a relay session: probes can be answered from now on. */
  bind(): void {
    this.#probing = true;
  }

  /** No path is blamed for silence before this. */
  excuse(until: number): void {
    this.#relayAwayUntil = until;
  }

  /** Forgets what is awaited and probes all paths at once. */
  restart(now: number): void {
    for (const path of this.up) path.health.restart(now);
  }

  probe(needOf: (path: Path) => Attention['need'], now: number): FailoverAction[] {
    if (!this.#probing) return [];
    const up = this.up;
    for (const path of up) {
      const interval = probeInterval(this.#options.timing.probe, {
        need: needOf(path),
        idleMs: now - this.#lastTraffic,
        ...(path.failure !== undefined && { silentMs: now - path.health.lastHeard }),
      });
      path.health.pace(interval);
    }
    const probes = up.flatMap(path => this.#probes(path, path.health.tick(now)));
    // What is due soon goes along: an idle machine wakes once for all paths.
    if (probes.length > 0 && !this.busy(now))
      for (const path of up) probes.push(...this.#probes(path, path.health.tick(now, true)));
    return probes;
  }

  /** Probes this path now, whatever its interval. */
  probeNow(path: Path, now: number): FailoverAction[] {
    path.health.probeNow(now);
    return this.#probes(path, path.health.tick(now));
  }

  /** Asks the gateway of a path that is in question, and notices when the path has failed. */
  judge(path: Path, now: number): { failed: boolean; actions: FailoverAction[] } {
    const { health } = path;
    // At the first miss, if that is rare; else at the second.
    const ask =
      health.suspect &&
      path.askedAt < health.missedSince &&
      (now - path.askedAt >= ASK_EVERY_MS || health.missed > 1);
    const failed = path.failure === undefined && now >= this.#relayAwayUntil && health.failed(now);
    return { failed, actions: ask ? this.ask(path, now) : [] };
  }

  ask(path: Path, now: number): FailoverAction[] {
    if (!this.#options.relay) return [];
    path.askedAt = now;
    path.unansweredSince ??= now;
    return [{ type: 'check-gateway', gateway: path.gateway }];
  }

  /** From time to time, of a gateway whose path has failed. */
  askAgain(path: Path, failedAt: number, now: number): FailoverAction[] {
    const pause = probeInterval(this.#options.timing.probe, { need: 'standby', idleMs: now - failedAt });
    return now - path.askedAt >= Math.max(ASK_EVERY_MS, pause) ? this.ask(path, now) : [];
  }

  /** The path failed; with a reason, for certain. Returns whether that is news. */
  fail(path: Path, now: number, reason?: FailureReason): boolean {
    if (path.failure !== undefined) {
      if (reason !== undefined) path.failure.reason ??= reason;
      return false;
    }
    path.failure = { at: now, ...(reason && { reason }) };
    path.health.keepLosses();
    this.#damping.failed(path.gateway, now);
    return true;
  }

  /** The path answers. */
  revive(path: Path, now: number): FailoverAction[] {
    // A change of the network clears the failure, not what was told of it.
    if (path.failure === undefined && path.told === undefined) return [];
    const { gateway, told } = path;
    path.failure = undefined;
    path.told = undefined;
    path.goodSince = now;
    path.health.restoreLosses();
    return told === undefined ? [] : [{ type: 'recovered', gateway }];
  }

  /** Says whose failure it is, and remembers what was said. */
  blame(path: Path): FailureReason {
    path.told = blame(path, this.#options.relay);
    return path.told;
  }

  /** What was learnt since a failure was told of may name it better. */
  blameAgain(path: Path): FailoverAction[] {
    const { gateway, told, failure } = path;
    if (failure === undefined || (told !== 'gateway' && told !== 'path')) return [];
    const reason = this.blame(path);
    return reason === told ? [] : [{ type: 'blame', gateway, reason }];
  }

  /** When a probe is due, or overdue. */
  get nextTimer(): number | undefined {
    const times = this.#probing ? this.up.map(({ health }) => health.nextTimer()) : [];
    return times.length === 0 ? undefined : Math.min(...times);
  }

  #probes({ gateway }: Path, ids: readonly number[]): FailoverAction[] {
    return ids.map(id => ({ type: 'probe', gateway, id }));
  }
}
