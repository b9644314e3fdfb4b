/**
 * The failover policy: which gateways have tunnels, which of them carries the traffic, and when that changes. A pure
 * machine: what happened and the time (monotonic milliseconds) go in, actions come out, to be carried out in their order.
 * It never gives up. `watch.ts` sees to the paths' health, `director.ts` to who carries the traffic.
 */
import type { FailoverAction, FailoverOptions, FailureReason, GatewayState } from './actions.js';
import { Damping } from './damping.js';
import { Director } from './director.js';
import { isWell, type Path } from './path.js';
import { Sleep } from './sleep.js';
import { Tunnels } from './tunnels.js';
import { Watch } from './watch.js';

const NEVER = Number.NEGATIVE_INFINITY;

export class Failover {
  readonly #options: FailoverOptions;
  readonly #tunnels: Tunnels;
  readonly #damping: Damping;
  readonly #watch: Watch;
  readonly #director: Director;
  readonly #sleep = new Sleep();
  #started = false;
  /** Tried in vain since a path answered, or since `wait` was said. */
  readonly #inVain = new Set<number>();
  /** Tunnels to be taken down, and when: their gateways are about to stop, or, in `cold`, the traffic has left them. */
  readonly #retiring = new Map<number, number>();
  /** `cold`: tried last because the traffic's path loses too much. */
  #sought: number | undefined;

  /** `random` gives numbers from 0 to 1, for the back-off. */
  constructor(options: FailoverOptions, random: () => number) {
    this.#options = options;
    this.#tunnels = new Tunnels(options.gateways, options.timing, random);
    this.#damping = new Damping(options.gateways, options.timing);
    this.#watch = new Watch(options, this.#damping);
    this.#director = new Director(options, this.#watch, this.#damping);
  }

  /** The most preferred gateway is connected first; the others follow, at once if it fails. */
  start(now: number): FailoverAction[] {
    if (this.#started) return [];
    this.#started = true;
    this.#watch.idleSince(now);
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
    this.#watch.open(gateway, now);
    return this.#act(now);
  }

  /** The gateway refused or did not answer. */
  connectFailed(gateway: number, now: number): FailoverAction[] {
    if (this.#tunnels.stateOf(gateway) !== 'connecting') return [];
    return this.#act(now, this.#attemptFailed(gateway, now));
  }

  /** The gateway's tunnel is gone, by its DELETE or an error of IKE. */
  lost(gateway: number, reason: FailureReason, now: number): FailoverAction[] {
    const path = this.#watch.at(gateway);
    if (path === undefined) return this.connectFailed(gateway, now);
    if (path.failure === undefined) this.#watch.fail(path, now, reason);
    else path.failure.reason = reason;
    return this.#act(now, this.#tearDown(path, now));
  }

  // --- What is heard of the paths

  /** A probe came back. */
  probeReply(gateway: number, id: number, roundTripMs: number, now: number): FailoverAction[] {
    const path = this.#watch.at(gateway);
    if (path === undefined) return [];
    path.health.reply(id, roundTripMs, now);
    this.#tunnels.proven(gateway);
    this.#inVain.clear();
    const hadFailed = path.failure !== undefined || path.told !== undefined;
    const resumed = hadFailed ? this.#director.resume(path, now) : [];
    return this.#act(now, [...this.#watch.revive(path, now), ...resumed]);
  }

  /** The relay said, by whichever path, that it last heard us by this gateway's path `agoMs` before now. */
  relayHeard(gateway: number, agoMs: number, now: number): FailoverAction[] {
    const path = this.#watch.at(gateway);
    if (path === undefined) return [];
    path.heardByRelay = { at: now - agoMs, learntAt: now };
    return this.#watch.blameAgain(path);
  }

  /** The gateway itself answered over IKE. */
  gatewayAlive(gateway: number, now: number): FailoverAction[] {
    const path = this.#watch.at(gateway);
    if (path === undefined) return [];
    this.#director.alive(path, now);
    path.aliveAt = now;
    path.unansweredSince = undefined;
    return this.#act(now, this.#watch.blameAgain(path));
  }

  /** The gateway answers strangers, but not us: if the path has failed, that is because it knows nothing of the tunnel. */
  forgotten(gateway: number, now: number): FailoverAction[] {
    const path = this.#watch.at(gateway);
    return path?.failure === undefined ? [] : this.#act(now, this.#tearDown(path, now));
  }

  /** Packets of data sent and authentic ones received so far, while this path carried them; to be told often. */
  traffic(gateway: number, sent: number, received: number, now: number): FailoverAction[] {
    const path = this.#watch.at(gateway);
    if (path === undefined || !path.health.traffic(sent, received, now)) return [];
    if (!this.#watch.busy(now)) path.health.probeNow(now);
    this.#watch.traffic(now);
    return this.#act(now);
  }

  /** An ICMP error about the path, which anyone can forge: it is confirmed by two quick probes. */
  pathError(gateway: number, now: number): FailoverAction[] {
    this.#watch.at(gateway)?.health.accuse(now);
    return this.#act(now);
  }

  /** The local interface that these paths leave by is down, for certain. */
  linkDown(gateways: readonly number[], now: number): FailoverAction[] {
    const actions = gateways.flatMap(gateway => {
      const path = this.#watch.at(gateway);
      return path === undefined ? [] : this.#fail(path, now, 'link');
    });
    return this.#act(now, actions);
  }

  // --- The relay

  /** There is a session: probes can be answered from now on. */
  relayBound(now: number): FailoverAction[] {
    this.#watch.bind();
    return this.relayBack(now);
  }

  /** No control connection came about by this gateway, and there is no session yet, or the path is silent. */
  relayUnreachable(gateway: number, now: number): FailoverAction[] {
    const path = this.#watch.at(gateway);
    if (path === undefined || path !== this.#director.active) return [];
    if (this.#watch.probing) return this.#act(now, this.#director.stranded(path, now));
    if (this.#cold) return this.lost(gateway, 'relay-unreachable', now);
    const { actions, once } = this.#director.barren(path, now);
    const waitMs = Math.max(0, (this.#tunnels.nextAttempt ?? now) - now);
    if (once && this.#tunnels.those('connecting').length === 0) actions.push({ type: 'wait', waitMs });
    return this.#act(now, actions);
  }

  /** The relay, not the path, is away: it said so, or refused a connection. No path is blamed for a while. */
  relayAway(now: number): FailoverAction[] {
    this.#watch.excuse(now + this.#options.timing.relayGraceMs);
    this.#watch.restart(now);
    return this.#act(now);
  }

  /** The relay answers again. */
  relayBack(now: number): FailoverAction[] {
    this.#director.relayBound();
    this.#watch.excuse(NEVER);
    this.#watch.restart(now);
    return this.#act(now);
  }

  // --- Operators and the system

  /**
   * Moves the traffic to this gateway as soon as it answers, and leaves it there until it fails or is drained, or another
   * one is wanted. The wish ends when the gateway cannot be connected.
   */
  switchTo(gateway: number, now: number): FailoverAction[] {
    this.#director.want(gateway);
    this.#tunnels.hurry(gateway, now);
    return this.#act(now);
  }

  /** The gateway is about to stop: traffic leaves it once another one answers, then its tunnel ends. */
  drain(gateway: number, now: number): FailoverAction[] {
    if (this.#watch.at(gateway) !== undefined) this.#director.drain(gateway);
    this.#damping.avoid(gateway, now);
    return this.#act(now);
  }

  /** The network changed under the machine, or it `slept`: what is known is old, and everything is asked at once. */
  refresh(now: number, slept = false): FailoverAction[] {
    if (slept) this.#sleep.woke(now);
    this.#askAll(now);
    return this.#act(now);
  }

  #askAll(now: number): void {
    this.#watch.traffic(now);
    this.#watch.restart(now);
    for (const path of this.#watch.up) {
      if (path === this.#director.active) path.failure = undefined;
      // The link may be back while the gateway has forgotten the tunnel.
      else if (path.failure?.reason === 'link') path.failure = { at: now };
      path.unansweredSince = undefined;
    }
    for (const gateway of this.#tunnels.those('down')) this.#tunnels.hurry(gateway, now);
  }

  // --- Time

  tick(now: number): FailoverAction[] {
    return this.#act(now);
  }

  nextTimer(): number | undefined {
    const times = [this.#tunnels.nextDeadline, this.#watch.nextTimer, this.#director.nextTimer];
    times.push(...this.#retiring.values());
    const { nextAttempt } = this.#tunnels;
    if (!this.#cold || this.#mustLeave) times.push(nextAttempt);
    else if (nextAttempt !== undefined && this.#watch.up.length === 0)
      times.push(Math.max(nextAttempt, this.#nextRace));
    const known = times.filter(time => time !== undefined);
    return known.length === 0 ? undefined : Math.min(...known);
  }

  // --- Status

  get active(): number | undefined {
    return this.#director.active?.gateway;
  }

  /** `duplicate`: the path of the copies. */
  get second(): number | undefined {
    return this.#director.second;
  }

  get suspect(): boolean {
    const { active } = this.#director;
    return active !== undefined && !isWell(active);
  }

  smoothedRoundTripMs(gateway: number): number | undefined {
    return this.#watch.at(gateway)?.health.smoothedRoundTripMs;
  }

  /** Share of the probes that were lost lately, from 0 to 1. */
  lossRate(gateway: number): number | undefined {
    return this.#watch.at(gateway)?.health.lossRate;
  }

  stateOf(gateway: number): GatewayState {
    const path = this.#watch.at(gateway);
    if (path === undefined) return this.#tunnels.stateOf(gateway) === 'connecting' ? 'connecting' : 'down';
    if (path === this.#director.active) return isWell(path) ? 'active' : 'suspect';
    return path.failure === undefined ? 'standby' : 'failed';
  }

  // --- Deciding

  #act(now: number, actions: FailoverAction[] = []): FailoverAction[] {
    if (!this.#started) return actions;
    if (this.#sleep.notices(this.#watch.nextTimer, now)) this.#askAll(now);
    for (const gateway of this.#tunnels.overdue(now)) actions.push(...this.#attemptFailed(gateway, now));
    actions.push(...this.#watch.probe(path => this.#director.needOf(path, now), now));
    for (const path of this.#watch.up) {
      const verdict = this.#watch.judge(path, now);
      actions.push(...verdict.actions);
      if (verdict.failed) actions.push(...this.#fail(path, now));
    }
    for (const path of this.#watch.up) actions.push(...this.#rebuild(path, now));
    const moves = this.#director.move(now);
    actions.push(...moves);
    actions.push(
      ...this.#retire(now),
      ...this.#callOff(),
      ...this.#connect(now),
      ...this.#director.chooseSecond(now),
    );
    return actions;
  }

  /** A tunnel that the traffic has left ends once what was on its way has arrived; a gateway that waits for that is told so. */
  #retire(now: number): FailoverAction[] {
    const left = this.#watch.up.filter(path => this.#isLeft(path, now));
    for (const gateway of this.#retiring.keys())
      if (!left.some(path => path.gateway === gateway)) this.#retiring.delete(gateway);
    return left.flatMap(path => {
      const at = this.#retiring.get(path.gateway) ?? now + this.#options.timing.retireMs;
      this.#retiring.set(path.gateway, at);
      if (now < at) return [];
      this.#retiring.delete(path.gateway);
      return this.#tearDown(path, now);
    });
  }

  #isLeft(path: Path, now: number): boolean {
    if (this.#director.isDraining(path.gateway)) return path !== this.#director.active;
    return this.#cold && this.#director.isSpare(path, now);
  }

  /** `cold`: of the gateways that were tried at once one has proved itself. */
  #callOff(): FailoverAction[] {
    const { active, wanted } = this.#director;
    if (!this.#cold || active?.health.proven !== true || this.#director.isDraining(active.gateway)) return [];
    const awaited = [wanted, this.#sought];
    const surplus = this.#tunnels.those('connecting').filter(gateway => !awaited.includes(gateway));
    for (const gateway of surplus) this.#tunnels.down(gateway, NEVER);
    return surplus.map(gateway => ({ type: 'disconnect', gateway, calledOff: true }));
  }

  #fail(path: Path, now: number, reason?: FailureReason): FailoverAction[] {
    if (!this.#watch.fail(path, now, reason)) return [];
    if (path === this.#director.active) {
      // Now even those are wanted that did not work lately.
      if (!this.#cold) for (const down of this.#tunnels.those('down')) this.#tunnels.hurry(down, now);
      return [];
    }
    // Where all are silent, one word was said for all.
    if (this.#director.allSilent) return [];
    return [{ type: 'standby-failed', gateway: path.gateway, reason: this.#watch.blame(path) }];
  }

  /** A tunnel whose gateway does not know of it any more is of no use. `cold` has no time to find out. */
  #rebuild(path: Path, now: number): FailoverAction[] {
    const { failure } = path;
    if (failure === undefined) return [];
    if (this.#cold) return this.#tearDown(path, now);
    const { rebuildMs, rebuildAloneMs, rebuildAwakeMs } = this.#options.timing;
    const silentSince = this.#options.relay ? path.unansweredSince : failure.at;
    const aloneMs = this.#sleep.isOver(now) ? rebuildAwakeMs : rebuildAloneMs;
    const patience = this.#watch.up.some(isWell) ? rebuildMs : aloneMs;
    if (silentSince !== undefined && now - silentSince >= patience && failure.reason !== 'link')
      return this.#tearDown(path, now);
    return this.#watch.askAgain(path, failure.at, now);
  }

  #tearDown(path: Path, now: number): FailoverAction[] {
    const { gateway, health } = path;
    const actions = this.#director.abandon(path, now);
    this.#watch.close(gateway);
    this.#director.closed(gateway);
    if (health.proven) {
      const others = this.#watch.up.some(isWell);
      this.#tunnels.down(gateway, others ? now + this.#options.timing.backoffFirstMs : now);
    } else {
      this.#tunnels.failed(gateway, this.#director.active !== undefined, now);
      this.#inVain.add(gateway);
    }
    return [...actions, { type: 'disconnect', gateway }];
  }

  #attemptFailed(gateway: number, now: number): FailoverAction[] {
    this.#tunnels.failed(gateway, this.#director.active !== undefined, now);
    this.#damping.avoid(gateway, now);
    this.#inVain.add(gateway);
    if (this.#director.wanted === gateway) this.#director.want(undefined);
    if (this.#watch.up.length === 0) this.#tunnels.hurryUntried(now);
    return [{ type: 'disconnect', gateway }];
  }

  #connect(now: number): FailoverAction[] {
    const due = this.#tunnels.due(now);
    const chosen = this.#cold ? this.#nextCold(due, now) : due;
    for (const gateway of chosen) this.#tunnels.connecting(gateway, now);
    const actions: FailoverAction[] = chosen.map(gateway => ({ type: 'connect', gateway }));
    if (this.#inVain.size === this.#options.gateways && this.#watch.up.length === 0) {
      this.#inVain.clear();
      const idle = this.#tunnels.those('connecting').length === 0;
      actions.unshift({
        type: 'wait',
        waitMs: idle ? Math.max(0, (this.#tunnels.nextAttempt ?? now) - now) : 0,
      });
    }
    return actions;
  }

  /**
   * One at a time: with no tunnel up, the next one while the one before is still awaited; else one to which the traffic of a working
   * one is to move.
   */
  #nextCold(due: readonly number[], now: number): number[] {
    const next = (last?: number) => {
      const failedAt = (gateway: number) => this.#damping.failedAt(gateway, now) ?? NEVER;
      const rank = (gateway: number) => Number(gateway === last);
      return [...due].sort((a, b) => rank(a) - rank(b) || failedAt(a) - failedAt(b) || a - b).slice(0, 1);
    };
    if (this.#watch.up.length === 0) {
      this.#sought = undefined;
      return now >= this.#nextRace ? next() : [];
    }
    if (this.#tunnels.those('connecting').length > 0) return [];
    if (this.#mustLeave) return next();
    if (!this.#director.seeks(now)) return due.filter(gateway => gateway === this.#director.wanted);
    const sought = next(this.#sought);
    this.#sought = sought[0];
    return sought;
  }

  /** `cold`, while no tunnel is up: when the next gateway may be tried beside those under way. */
  get #nextRace(): number {
    const newest = this.#tunnels.newestAttempt;
    return newest === undefined ? NEVER : newest + this.#options.timing.raceMs;
  }

  /** `cold`: the only gateway with a tunnel is about to stop. */
  get #mustLeave(): boolean {
    const [only, ...more] = this.#watch.up;
    if (only === undefined || more.length > 0 || this.#tunnels.those('connecting').length > 0) return false;
    return this.#director.isDraining(only.gateway);
  }

  get #cold(): boolean {
    return this.#options.mode === 'cold';
  }
}
