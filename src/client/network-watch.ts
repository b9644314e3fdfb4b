/**
 * What the changes of the system's network mean for the ways to the gateways. The kernel tells of each step of a change
 * (an address goes, a route goes, a link comes up, ...); a supervisor hears of a link that carries a path at once, and
 * of everything else once it has settled.
 */
import { toVpnrError, type VpnrError } from '../errors.js';
import type { NetworkChanges } from '../io/changes.js';
import { monotonicMs } from '../io/clock.js';
import { hopTo, linkOf, ROUTE_PROTOCOL } from '../io/network.js';
import { NetworkMonitor } from '../io/network-monitor.js';
import type { NetworkEvent } from '../io/rtnetlink.js';
import { SuspendDetector } from '../io/suspend.js';
import { parseAddress } from '../prefix.js';
import { Alarm } from './alarm.js';

/** A change has settled after so long without a further step. */
const QUIET_MS = 20;
/** Steps that go on for longer are looked at in between. */
const RESTLESS_MS = 500;
/** How often it is asked whether the machine has slept: its timers do not tell. */
const SUSPEND_MS = 1000;

export interface NetworkWatchEvents {
  /** The link that carries these paths has gone down: nothing passes until the network has changed again. */
  linkDown(paths: readonly number[], device: string): void;
  /**
   * The network has changed, and routes to gateways outside the tunnel have been brought up to date. `moved`: paths whose
   * packets now leave by another link or router, from another address, or (not `reachable`) not at all. It may be
   * empty; a gateway that could not be reached may be reachable now.
   */
  networkChanged(moved: readonly PathChange[]): void;
  /** The machine has slept: NAT mappings and sessions may have ended. A `networkChanged` follows. */
  resumed(sleptMs: number): void;
  /** The network could not be looked at; it is tried again at its next change. */
  failed(error: VpnrError): void;
}

export interface PathChange {
  path: number;
  reachable: boolean;
}

export interface NetworkWatchOptions {
  /** The tunnel's own device, whose changes are of no interest. */
  device: string;
  changes: Pick<NetworkChanges, 'refreshOutside'>;
  suspend?: SuspendDetector;
}

/** How a gateway's packets leave. */
interface Way {
  device: string;
  /** Of router and source address, to be compared. */
  key: string;
}

interface WatchedPath {
  gateway: string;
  /** Undefined: they cannot leave. */
  way: Way | undefined;
  /** Not before its way has been looked up for the first time. */
  isKnown: boolean;
}

export class NetworkWatch {
  readonly #options: NetworkWatchOptions;
  readonly #events: NetworkWatchEvents;
  readonly #suspend: SuspendDetector;
  readonly #paths = new Map<number, WatchedPath>();
  /** Names of links that were last heard to be down. */
  readonly #down = new Set<string>();
  readonly #settled = new Alarm(() => void this.#look());
  readonly #deviceIndex: number;
  readonly #monitor: NetworkMonitor;
  readonly #clock: NodeJS.Timeout;
  /** When the change began that has not settled yet. */
  #since: number | undefined;
  #looking = false;
  #stopped = false;

  private constructor(options: NetworkWatchOptions, events: NetworkWatchEvents, deviceIndex: number) {
    this.#options = options;
    this.#events = events;
    this.#deviceIndex = deviceIndex;
    this.#suspend = options.suspend ?? new SuspendDetector();
    this.#monitor = new NetworkMonitor(heard => this.#hear(heard));
    this.#clock = setInterval(() => this.#checkSuspend(), SUSPEND_MS).unref();
  }

  /** Watches until it is stopped. Throws SYSTEM_CALL when the device is not there. */
  static async start(options: NetworkWatchOptions, events: NetworkWatchEvents): Promise<NetworkWatch> {
    const { index } = await linkOf(options.device);
    return new NetworkWatch(options, events, index);
  }

  stop(): void {
    this.#stopped = true;
    this.#monitor.stop();
    clearInterval(this.#clock);
    this.#settled.clear();
  }

  /** A path's packets go to this address from now on. Resolves when it is known which way. */
  async watch(path: number, gateway: string): Promise<void> {
    const watched: WatchedPath = { gateway, way: undefined, isKnown: false };
    this.#paths.set(path, watched);
    watched.way = await this.#wayTo(gateway);
    watched.isKnown = true;
  }

  forget(path: number): void {
    this.#paths.delete(path);
  }

  #checkSuspend(): void {
    const slept = this.#suspend.check();
    if (slept === 0 || this.#stopped) return;
    this.#events.resumed(slept);
    this.#unsettle();
  }

  #hear(events: readonly NetworkEvent[]): void {
    if (this.#stopped) return;
    this.#checkSuspend();
    let isRelevant = false;
    for (const event of events) {
      if (event.type !== 'overrun' && event.index === this.#deviceIndex) continue;
      if (event.type === 'route' && event.protocol === ROUTE_PROTOCOL) continue;
      if (event.type === 'link') this.#linkIs(event.name, event.up);
      else if (event.type === 'link-gone') this.#linkIs(event.name, false);
      isRelevant = true;
    }
    if (isRelevant) this.#unsettle();
  }

  #linkIs(device: string, up: boolean): void {
    if (up) this.#down.delete(device);
    if (up || this.#down.has(device)) return;
    this.#down.add(device);
    const paths = [...this.#paths].filter(([, { way }]) => way?.device === device).map(([path]) => path);
    if (paths.length > 0) this.#events.linkDown(paths, device);
  }

  #unsettle(): void {
    const now = monotonicMs();
    this.#since ??= now;
    if (!this.#looking && !this.#stopped) {
      this.#settled.set(Math.min(now + QUIET_MS, this.#since + RESTLESS_MS));
    }
  }

  async #look(): Promise<void> {
    this.#looking = true;
    this.#since = undefined;
    try {
      await this.#options.changes.refreshOutside();
      const moved: PathChange[] = [];
      for (const [path, watched] of this.#paths) {
        if (!watched.isKnown) continue;
        const way = await this.#wayTo(watched.gateway);
        if (way?.key === watched.way?.key) continue;
        watched.way = way;
        // Meanwhile the path may belong to another tunnel, which began at the way of now.
        if (this.#paths.get(path) === watched) moved.push({ path, reachable: way !== undefined });
      }
      const known = moved.filter(({ path }) => this.#paths.has(path));
      if (!this.#stopped) this.#events.networkChanged(known);
    } catch (error) {
      if (!this.#stopped) this.#events.failed(toVpnrError(error));
    }
    this.#looking = false;
    if (this.#since !== undefined) this.#unsettle();
  }

  /** The kernel's answer, unless that leads into the tunnel or to a link that is down. */
  async #wayTo(gateway: string): Promise<Way | undefined> {
    const hop = await hopTo(parseAddress(gateway));
    if (hop === undefined || hop.device === this.#options.device || this.#down.has(hop.device))
      return undefined;
    const { device, via, source } = hop;
    return { device, key: [device, via?.address ?? '', source ?? ''].join(' ') };
  }
}
