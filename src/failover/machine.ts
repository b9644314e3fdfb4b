/**
 * The failover policy: which gateways have tunnels, which of them carries the traffic, and when that changes. A pure
 * machine: what happened and the time go in, actions come out, to be carried out in their order. It never gives up.
 *
 * A path that misses its probes is left only for one that answered since: if nothing answers, the paths are not what
 * failed, and moving between them would not help.
 */
import type { FailoverAction, FailoverOptions, FailureReason, GatewayState, MoveCause } from './actions.js';
import { blame, blameAll } from './blame.js';
import { Damping } from './damping.js';
import { PathHealth } from './health.js';
import { probeInterval } from './pace.js';
import { isWell, newPath, type Path } from './path.js';
import { Preference } from './preference.js';
import type { ProbeTiming } from './timing.js';
import { Tunnels } from './tunnels.js';

const EPOCHS = 0x10000;
/** How long the gateways may take to say that they live, before a silence on all paths is named. */
const NAME_AFTER_MS = 500;
/** A gateway whose path is in question is asked no more often. */
const ASK_EVERY_MS = 2000;
const NEVER = Number.NEGATIVE_INFINITY;

export class Failover {
  readonly #options: FailoverOptions;
  readonly #probe: ProbeTiming;
  readonly #tunnels: Tunnels;
  readonly #damping: Damping;
  readonly #preference: Preference;
  /** By gateway; undefined while its tunnel is not up. */
  readonly #paths: (Path | undefined)[];
  readonly #draining = new Set<number>();
  /** Through these no control connection to the relay came about, while there is no session yet. */
  readonly #barren = new Set<number>();
  #started = false;
  #active: Path | undefined;
  #second: number | undefined;
  #epoch = 0;
  /** Probes can be answered: there is a relay session, or no relay is needed. */
  #probing: boolean;
  #relayAwayUntil = NEVER;
  #lastTraffic = NEVER;
  /** Where the operator wants the traffic, until it is there; and where it stays by that wish. */
  #wanted: number | undefined;
  #pinned: number | undefined;
  /** After a silence of all paths: until when the active one may answer too. */
  #patienceUntil: number | undefined;
  #patient = false;
  /** An attempt failed; `wait` is due if there is no other. */
  #inVain = false;

  /** `random` gives numbers from 0 to 1, for the back-off. */
  constructor(options: FailoverOptions, random: () => number) {
    this.#options = options;
    this.#probe = options.timing.probe;
    this.#tunnels = new Tunnels(options.gateways, options.timing, random);
    this.#damping = new Damping(options.gateways, options.timing);
    this.#preference = new Preference(options, this.#damping);
    this.#paths = new Array<Path | undefined>(options.gateways).fill(undefined);
    this.#probing = !options.relay;
  }

  /** The most preferred gateway is connected first; the others follow, at once if it fails. */
  start(now: number): FailoverAction[] {
    if (this.#started) return [];
    this.#started = true;
    this.#lastTraffic = now - this.#probe.idleAfterMs;
    if (!this.#cold) {
      for (let gateway = 1; gateway < this.#options.gateways; gateway++)
        this.#tunnels.down(gateway, now + gateway * this.#options.timing.staggerMs);
    }
    return this.#act(now);
  }

  // --- Tunnels

  /** The gateway's tunnel is up. */
  connected(gateway: number, now: number): FailoverAction[] {
    if (this.#tunnels.stateOf(gateway) !== 'connecting') return [];
    this.#tunnels.up(gateway);
    this.#draining.delete(gateway);
    const health = new PathHealth(this.#probe, now, now + this.#options.timing.settleMs);
    this.#paths[gateway] = newPath(gateway, health, now);
    return this.#act(now);
  }

  /** The gateway refused or did not answer. */
  connectFailed(gateway: number, now: number): FailoverAction[] {
    if (this.#tunnels.stateOf(gateway) !== 'connecting') return [];
    return this.#act(now, this.#attemptFailed(gateway, now));
  }

  /** The gateway's tunnel is gone, by its DELETE or an error of IKE. */
  lost(gateway: number, reason: FailureReason, now: number): FailoverAction[] {
    const path = this.#paths[gateway];
    if (path === undefined) return this.connectFailed(gateway, now);
    if (path.failure === undefined) this.#damping.failed(gateway, now);
    path.failure = { at: now, reason };
    return this.#act(now, this.#tearDown(path, now));
  }

  // --- What is heard of the paths

  probeReply(gateway: number, id: number, roundTripMs: number, now: number): FailoverAction[] {
    const path = this.#paths[gateway];
    if (path === undefined) return [];
    path.health.reply(id, roundTripMs, now);
    this.#tunnels.proven(gateway);
    return this.#act(now, this.#revive(path, now));
  }

  /** The relay said, by whichever path, that it last heard us by this gateway's path `agoMs` before now. */
  relayHeard(gateway: number, agoMs: number, now: number): void {
    const path = this.#paths[gateway];
    if (path !== undefined) path.heardByRelay = { at: now - agoMs, learntAt: now };
  }

  /** The gateway itself answered over IKE. */
  gatewayAlive(gateway: number, now: number): FailoverAction[] {
    const path = this.#paths[gateway];
    if (path === undefined) return [];
    path.aliveAt = now;
    path.unansweredSince = undefined;
    return this.#act(now);
  }

  /** Packets of data sent over the gateway's path and authentic ones received, in total; to be told often. */
  traffic(gateway: number, sent: number, received: number, now: number): FailoverAction[] {
    const path = this.#paths[gateway];
    if (path === undefined || !path.health.traffic(sent, received, now)) return [];
    if (!this.#busy(now)) this.#active?.health.probeNow(now);
    this.#lastTraffic = now;
    return this.#act(now);
  }

  /** An ICMP error about the path, which anyone can forge: it is confirmed by two quick probes. */
  pathError(gateway: number, now: number): FailoverAction[] {
    this.#paths[gateway]?.health.accuse(now);
    return this.#act(now);
  }

  /** The local interface that these paths leave by is down, for certain. */
  linkDown(gateways: readonly number[], now: number): FailoverAction[] {
    const actions: FailoverAction[] = [];
    for (const gateway of gateways) {
      const path = this.#paths[gateway];
      if (path !== undefined) actions.push(...this.#fail(path, now, 'link'));
    }
    return this.#act(now, actions);
  }

  // --- The relay

  /** There is a session: probes can be answered from now on. */
  relayBound(now: number): FailoverAction[] {
    this.#probing = true;
    this.#barren.clear();
    return this.relayBack(now);
  }

  /** No control connection came about by this gateway, and there is no session yet. */
  relayUnreachable(gateway: number, now: number): FailoverAction[] {
    const path = this.#paths[gateway];
    if (path === undefined || path !== this.#active || this.#probing) return [];
    this.#barren.add(gateway);
    this.#inVain = true;
    const silentMs = now - path.health.lastHeard;
    const actions: FailoverAction[] = [{ type: 'failed', gateway, reason: 'relay-unreachable', silentMs }];
    if (this.#cold) {
      path.failure = { at: now, reason: 'relay-unreachable' };
      path.told = true;
      this.#damping.failed(gateway, now);
      return this.#act(now, [...actions, ...this.#tearDown(path, now)]);
    }
    const others = this.#up.filter(other => other !== path);
    if (others.every(other => this.#barren.has(other.gateway))) {
      // Once around: from the start, if nothing else may come.
      this.#barren.clear();
      this.#barren.add(gateway);
      if (this.#tunnels.those('connecting').length === 0) actions.push({ type: 'wait', waitMs: 0 });
    }
    this.#inVain = false;
    const next = this.#preference.ranked(
      others.filter(other => !this.#barren.has(other.gateway) && isWell(other)),
      now,
    )[0];
    if (next !== undefined) actions.push(...this.#activate(next, 'failure'));
    return this.#act(now, actions);
  }

  /** The relay, not the path, is away: it said so, or refused a connection. No path is blamed for a while. */
  relayAway(now: number): FailoverAction[] {
    this.#relayAwayUntil = now + this.#options.timing.relayGraceMs;
    for (const path of this.#up) path.health.restart(now);
    return this.#act(now);
  }

  /** The relay answers again. */
  relayBack(now: number): FailoverAction[] {
    this.#relayAwayUntil = NEVER;
    for (const path of this.#up) path.health.restart(now);
    return this.#act(now);
  }

  // --- Operators and the system

  /** Moves the traffic to this gateway as soon as it works, and leaves it there until that fails or another is wanted. */
  switchTo(gateway: number, now: number): FailoverAction[] {
    this.#wanted = gateway;
    this.#pinned = undefined;
    this.#draining.delete(gateway);
    this.#tunnels.hurry(gateway, now);
    return this.#act(now);
  }

  /** The gateway is about to stop: traffic leaves it as soon as another one works, and does not return before it reconnected. */
  drain(gateway: number, now: number): FailoverAction[] {
    this.#draining.add(gateway);
    return this.#act(now);
  }

  /** The machine slept, or the network changed under it: what is known is old, and everything is asked at once. */
  refresh(now: number): FailoverAction[] {
    this.#lastTraffic = now;
    for (const path of this.#up) {
      path.health.restart(now);
      if (path === this.#active) path.failure = undefined;
      path.unansweredSince = undefined;
    }
    for (let gateway = 0; gateway < this.#options.gateways; gateway++) this.#tunnels.hurry(gateway, now);
    return this.#act(now);
  }

  // --- Time

  tick(now: number): FailoverAction[] {
    return this.#started ? this.#act(now) : [];
  }

  nextTimer(): number | undefined {
    const times = [this.#tunnels.nextDeadline];
    if (!this.#cold || this.#idle || this.#mustLeave) times.push(this.#tunnels.nextAttempt);
    if (this.#patienceUntil !== undefined) times.push(this.#patienceUntil);
    if (this.#probing) times.push(...this.#up.map(({ health }) => health.nextTimer()));
    const known = times.filter(time => time !== undefined);
    return known.length === 0 ? undefined : Math.min(...known);
  }

  // --- Status

  get active(): number | undefined {
    return this.#active?.gateway;
  }

  get second(): number | undefined {
    return this.#second;
  }

  get suspect(): boolean {
    return this.#active !== undefined && !isWell(this.#active);
  }

  smoothedRoundTripMs(gateway: number): number | undefined {
    return this.#paths[gateway]?.health.smoothedRoundTripMs;
  }

  /** Share of the probes that were lost lately, from 0 to 1. */
  lossRate(gateway: number): number | undefined {
    return this.#paths[gateway]?.health.lossRate;
  }

  stateOf(gateway: number): GatewayState {
    const path = this.#paths[gateway];
    if (path === undefined) return this.#tunnels.stateOf(gateway) === 'connecting' ? 'connecting' : 'down';
    if (path === this.#active) return isWell(path) ? 'active' : 'suspect';
    return path.failure === undefined ? 'standby' : 'failed';
  }

  // --- Deciding

  #act(now: number, actions: FailoverAction[] = []): FailoverAction[] {
    if (!this.#started) return actions;
    for (const gateway of this.#tunnels.overdue(now)) actions.push(...this.#attemptFailed(gateway, now));
    actions.push(...this.#probeAll(now));
    for (const path of this.#up) actions.push(...this.#judge(path, now));
    for (const path of this.#up) actions.push(...this.#rebuild(path, now));
    actions.push(...this.#move(now), ...this.#connect(now), ...this.#chooseSecond(now));
    return actions;
  }

  #probeAll(now: number): FailoverAction[] {
    if (!this.#probing) return [];
    const up = this.#up;
    for (const path of up) path.health.pace(this.#intervalOf(path, now));
    const probes = up.flatMap(path => this.#probes(path, path.health.tick(now)));
    // What is due soon goes along: an idle machine wakes once for all paths.
    if (probes.length > 0 && !this.#busy(now))
      for (const path of up) probes.push(...this.#probes(path, path.health.tick(now, true)));
    return probes;
  }

  #probes({ gateway }: Path, ids: readonly number[]): FailoverAction[] {
    return ids.map(id => ({ type: 'probe', gateway, id }));
  }

  #intervalOf(path: Path, now: number): number {
    const carries = path === this.#active || path.gateway === this.#second;
    return probeInterval(this.#probe, {
      close: carries || this.suspect || this.#preference.examining(now),
      idleMs: now - this.#lastTraffic,
      ...(path.failure !== undefined && { silentMs: now - path.health.lastHeard }),
    });
  }

  #busy(now: number): boolean {
    return now - this.#lastTraffic < this.#probe.idleAfterMs;
  }

  #judge(path: Path, now: number): FailoverAction[] {
    const { health } = path;
    const actions: FailoverAction[] = [];
    if (health.suspect && path.askedAt < health.missedSince) {
      // At the first miss, if that is rare; else at the second.
      if (now - path.askedAt >= ASK_EVERY_MS || health.missed > 1) actions.push(...this.#ask(path, now));
    }
    if (path.failure === undefined && now >= this.#relayAwayUntil && health.failed(now))
      actions.push(...this.#fail(path, now));
    return actions;
  }

  #ask(path: Path, now: number): FailoverAction[] {
    if (!this.#options.relay) return [];
    path.askedAt = now;
    path.unansweredSince ??= now;
    return [{ type: 'check-gateway', gateway: path.gateway }];
  }

  #fail(path: Path, now: number, reason?: FailureReason): FailoverAction[] {
    if (path.failure !== undefined) {
      if (reason !== undefined) path.failure.reason ??= reason;
      return [];
    }
    path.failure = { at: now, ...(reason && { reason }) };
    const { gateway } = path;
    this.#damping.failed(gateway, now);
    if (path === this.#active) {
      // Now even those are wanted that did not work lately.
      if (!this.#cold) for (const down of this.#tunnels.those('down')) this.#tunnels.hurry(down, now);
      return [];
    }
    // Where all are silent, one word is said for all.
    if (this.#patient) return [];
    path.told = true;
    return [{ type: 'standby-failed', gateway, reason: blame(path, this.#options.relay) }];
  }

  #revive(path: Path, now: number): FailoverAction[] {
    if (path.failure === undefined) return [];
    const { gateway, told } = path;
    path.failure = undefined;
    path.told = false;
    path.goodSince = now;
    path.health.forgetLosses();
    return told ? [{ type: 'recovered', gateway }] : [];
  }

  /** A tunnel whose gateway does not know of it any more is of no use. `cold` has no time to find out. */
  #rebuild(path: Path, now: number): FailoverAction[] {
    if (path.failure === undefined) return [];
    if (this.#cold) return this.#tearDown(path, now);
    const { rebuildMs, rebuildAloneMs } = this.#options.timing;
    const silentSince = this.#options.relay ? path.unansweredSince : path.failure.at;
    const patience = this.#up.some(isWell) ? rebuildMs : rebuildAloneMs;
    if (silentSince !== undefined && now - silentSince >= patience && path.failure.reason !== 'link')
      return this.#tearDown(path, now);
    const pause = probeInterval(this.#probe, { close: false, idleMs: now - path.failure.at });
    return now - path.askedAt >= Math.max(ASK_EVERY_MS, pause) ? this.#ask(path, now) : [];
  }

  #tearDown(path: Path, now: number): FailoverAction[] {
    const { gateway, health } = path;
    const actions: FailoverAction[] = path === this.#active ? [this.#failed(path, now)] : [];
    this.#paths[gateway] = undefined;
    if (path === this.#active) this.#active = undefined;
    if (health.proven) {
      const others = this.#up.length > 0;
      this.#tunnels.down(gateway, others ? now + this.#options.timing.backoffFirstMs : now);
    } else {
      this.#tunnels.failed(gateway, this.#active !== undefined, now);
      this.#inVain = true;
    }
    return [...actions, { type: 'disconnect', gateway }];
  }

  #failed(path: Path, now: number): FailoverAction {
    const reason = blame(path, this.#options.relay);
    path.told = true;
    return { type: 'failed', gateway: path.gateway, reason, silentMs: now - path.health.lastHeard };
  }

  #attemptFailed(gateway: number, now: number): FailoverAction[] {
    this.#tunnels.failed(gateway, this.#active !== undefined, now);
    this.#damping.attemptFailed(gateway, now);
    this.#inVain = true;
    if (this.#wanted === gateway) this.#wanted = undefined;
    if (this.#up.length === 0) this.#tunnels.hurryUntried(now);
    return [{ type: 'disconnect', gateway }];
  }

  #move(now: number): FailoverAction[] {
    const active = this.#active;
    if (active === undefined) return this.#begin(now);
    if (active.failure !== undefined) return this.#leave(active, active.failure, now);
    this.#patienceUntil = undefined;
    const others = this.#up.filter(path => path !== active && this.#usable(path));
    if (this.#wanted !== undefined) {
      const wanted = [active, ...others].find(({ gateway }) => gateway === this.#wanted);
      if (wanted !== undefined) return this.#activate(wanted, 'operator');
    }
    const lasting = others.filter(({ gateway }) => !this.#draining.has(gateway));
    if (this.#draining.has(active.gateway)) {
      const best = this.#preference.ranked(lasting, now)[0];
      return best === undefined ? [] : this.#activate(best, 'drain');
    }
    if (this.#pinned === active.gateway) return [];
    const better = this.#preference.better(active, lasting, this.#busy(now), now);
    if (better === undefined) return [];
    this.#damping.moved(now);
    return this.#activate(better.path, better.cause);
  }

  /** Nothing carries the traffic: any path is welcome, those first that nothing speaks against. */
  #begin(now: number): FailoverAction[] {
    const [best] = this.#best(
      this.#up.filter(({ failure }) => failure === undefined),
      now,
    );
    return best === undefined ? [] : this.#activate(best, this.#epoch === 0 ? 'start' : 'failure');
  }

  #leave(active: Path, failure: { reason?: FailureReason }, now: number): FailoverAction[] {
    const certain = failure.reason !== undefined || !this.#probing;
    const since = active.health.missedSince;
    const candidates = this.#up.filter(
      path =>
        path !== active &&
        path.failure === undefined &&
        (certain || (isWell(path) && path.health.answeredSince >= since)),
    );
    const [best] = this.#best(candidates, now);
    if (best === undefined) return this.#stay(active, now);
    if (this.#patient) {
      // All were silent together: the active path, asked once more, may be back as well.
      if (this.#patienceUntil === undefined) {
        active.health.probeNow(now);
        this.#patienceUntil = now + active.health.timeoutMs;
        return this.#probes(active, active.health.tick(now));
      }
      if (now < this.#patienceUntil) return [];
    }
    return [this.#failed(active, now), ...this.#activate(best, 'failure')];
  }

  /** The active path has failed, but where to go? */
  #stay(active: Path, now: number): FailoverAction[] {
    const up = [active, ...this.#up.filter(path => path !== active)];
    this.#patienceUntil = undefined;
    if (active.told || up.some(path => path.health.proven && isWell(path))) return [];
    const actions = up
      .filter(({ askedAt }) => askedAt < active.health.missedSince)
      .flatMap(path => this.#ask(path, now));
    const waited = now - (active.failure?.at ?? now) >= NAME_AFTER_MS;
    const reason = active.failure?.reason ?? blameAll(up, this.#options.relay, waited);
    if (reason === undefined) return actions;
    active.told = true;
    this.#patient = reason === 'relay' || reason === 'network';
    const { gateway, health } = active;
    return [...actions, { type: 'stuck', gateway, reason, silentMs: now - health.lastHeard }];
  }

  #activate(path: Path, cause: MoveCause): FailoverAction[] {
    const { gateway } = path;
    this.#pinned = cause === 'operator' ? gateway : undefined;
    if (cause === 'operator') this.#wanted = undefined;
    if (path === this.#active) return [];
    this.#epoch = (this.#epoch + 1) % EPOCHS;
    this.#active = path;
    this.#patient = false;
    this.#patienceUntil = undefined;
    this.#preference.forget();
    const actions: FailoverAction[] = [{ type: 'activate', gateway, epoch: this.#epoch, cause }];
    if (!this.#cold) return actions;
    for (const other of this.#up) {
      if (other === path) continue;
      this.#paths[other.gateway] = undefined;
      this.#tunnels.down(other.gateway, NEVER);
      actions.push({ type: 'disconnect', gateway: other.gateway });
    }
    return actions;
  }

  #chooseSecond(now: number): FailoverAction[] {
    if (this.#options.mode !== 'duplicate') return [];
    const others = this.#up.filter(path => path !== this.#active && path.failure === undefined);
    const kept = others.find(({ gateway }) => gateway === this.#second);
    const gateway = (
      kept ??
      this.#best(
        others.filter(path => this.#usable(path)),
        now,
      )[0]
    )?.gateway;
    if (gateway === this.#second) return [];
    this.#second = gateway;
    return [{ type: 'second', gateway }];
  }

  #connect(now: number): FailoverAction[] {
    const due = this.#tunnels.due(now);
    const wanted = this.#cold ? this.#nextCold(due, now) : due;
    for (const gateway of wanted) this.#tunnels.connecting(gateway, now);
    const actions: FailoverAction[] = wanted.map(gateway => ({ type: 'connect', gateway }));
    const { nextAttempt } = this.#tunnels;
    if (this.#inVain && this.#idle && nextAttempt !== undefined)
      actions.push({ type: 'wait', waitMs: nextAttempt - now });
    this.#inVain = false;
    return actions;
  }

  /** One at a time: the next one when there is none, or one to which a working one's traffic is to move. */
  #nextCold(due: readonly number[], now: number): number[] {
    if (this.#idle || this.#mustLeave) {
      const failedAt = (gateway: number) => this.#damping.failedAt(gateway, now) ?? NEVER;
      const held = (gateway: number) => Number(this.#draining.has(gateway));
      return [...due].sort((a, b) => held(a) - held(b) || failedAt(a) - failedAt(b) || a - b).slice(0, 1);
    }
    const connecting = this.#tunnels.those('connecting').length > 0;
    return connecting ? [] : due.filter(gateway => gateway === this.#wanted);
  }

  /** No tunnel is up, and none is on its way. */
  get #idle(): boolean {
    return this.#up.length === 0 && this.#tunnels.those('connecting').length === 0;
  }

  /** `cold`: the only gateway with a tunnel is about to stop. */
  get #mustLeave(): boolean {
    const [only, ...more] = this.#up;
    if (only === undefined || more.length > 0 || this.#tunnels.those('connecting').length > 0) return false;
    return this.#draining.has(only.gateway);
  }

  /** It answers; if probes cannot be answered yet, its tunnel will do. */
  #usable(path: Path): boolean {
    return isWell(path) && (path.health.proven || !this.#probing);
  }

  /** Best first: those in use for long, then those about to stop; what is suspect comes last. */
  #best(paths: readonly Path[], now: number): Path[] {
    const demerit = (path: Path) => Number(!isWell(path)) * 2 + Number(this.#draining.has(path.gateway));
    return this.#preference.ranked(paths, now).sort((a, b) => demerit(a) - demerit(b));
  }

  get #up(): Path[] {
    return this.#paths.filter(path => path !== undefined);
  }

  get #cold(): boolean {
    return this.#options.mode === 'cold';
  }
}
