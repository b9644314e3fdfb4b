/**
 * What vpnr changes in the system's network while it runs: addresses and routes of its device, host routes that keep
 * gateways outside the tunnel (`outside-routes.ts`), kernel parameters, tables of nftables. Every change is in the journal
 * before it is made.
 *
 * A default route through the tunnel is put in as its two halves (0.0.0.0/1 and 128.0.0.0/1): more specific
 * than any default, whatever its metric, so that no default of the system's must be touched or put back, none
 * that DHCP renews takes the traffic away, and the way outside can still be looked up.
 */
import { VpnrError } from '../errors.js';
import { formatPrefix, halves, type Prefix, parsePrefix, samePrefix } from '../prefix.js';
import { changeIp, IpError } from './ip.js';
import type { Journal, JournalEntry } from './journal.js';
import { isResolvedUsed, type NameServers } from './name-servers.js';
import {
  describeRoute,
  indexOf,
  listAddresses,
  listRoutes,
  ROUTE_PROTOCOL,
  type RouteEntry,
} from './network.js';
import { replaceTable } from './nft.js';
import { OutsideRoutes } from './outside-routes.js';
import { setResolvConf } from './resolv-conf.js';
import { tellResolved } from './resolved.js';
import { readSysctl, writeSysctl } from './sysctl.js';
import { takeBack, type UndoStep } from './undo.js';

/** Metric that the kernel gives to an IPv6 route without one. IPv4's is 0. */
const IPV6_METRIC = 1024;

interface TunnelRoute {
  prefix: Prefix;
  source: string | undefined;
  entry: JournalEntry;
}

/** The changes of one owner, around one device of its own. Calls are carried out one after the other. */
export class NetworkChanges {
  readonly #journal: Journal;
  readonly #device: string;
  readonly #addresses = new Map<string, JournalEntry>();
  readonly #routes = new Map<string, TunnelRoute>();
  readonly #outside: OutsideRoutes;
  #last: Promise<unknown> = Promise.resolve();

  constructor(journal: Journal, device: string) {
    this.#journal = journal;
    this.#device = device;
    this.#outside = new OutsideRoutes(journal, device);
  }

  /** Sets the device up, with this MTU in bytes, and this address if there is one (as for addAddress). */
  setUp(mtu: number, address?: string): Promise<void> {
    const commands = [['link', 'set', 'dev', this.#device, 'mtu', String(mtu), 'up']];
    return this.#exclusively(() =>
      address === undefined ? changeIp(commands) : this.#addAddress(address, commands),
    );
  }

  /** Gives the device an address, with its prefix length unless it stands alone (`10.0.0.2/32`). */
  addAddress(address: string): Promise<void> {
    return this.#exclusively(() => this.#addAddress(address));
  }

  removeAddress(address: string): Promise<void> {
    return this.#exclusively(() => this.#removeAddress(address));
  }

  /**
   * Changes an address of the device: the new one is there, and the routes use it, before the old one goes.
   */
  replaceAddress(before: string, after: string): Promise<void> {
    return this.#exclusively(async () => {
      if (before === after) return;
      await this.#addAddress(after);
      const [source] = before.split('/');
      const [newSource = after] = after.split('/');
      const affected = [...this.#routes.values()].filter(route => route.source === source);
      await changeIp(affected.map(({ prefix }) => this.#routeCommand('replace', prefix, newSource)));
      for (const route of affected) route.source = newSource;
      await this.#removeAddress(before);
    });
  }

  /**
   * Routes the prefixes into the device, with `source` as the local address of connections that have not chosen
   * one. All or none: throws ROUTE_EXISTS when the system has a route of its own for one of them.
   */
  addRoutes(destinations: readonly string[], options: { source?: string } = {}): Promise<void> {
    return this.#exclusively(async () => {
      const prefixes = this.#newPrefixes(destinations);
      await this.#refuseConflicts(prefixes);
      await this.#outside.cover(prefixes);
      const { source } = options;
      const entries = this.#journal.recordAll(
        prefixes.map(prefix => ({ kind: 'route', destination: formatPrefix(prefix), device: this.#device })),
      );
      try {
        await changeIp(prefixes.map(prefix => this.#routeCommand('add', prefix, source)));
      } catch (error) {
        await takeBack(this.#journal, entries);
        if (error instanceof IpError && error.reason === 'exists') await this.#refuseConflicts(prefixes);
        throw error;
      }
      prefixes.forEach((prefix, i) => {
        this.#routes.set(formatPrefix(prefix), { prefix, source, entry: entries[i] as JournalEntry });
      });
    });
  }

  /**
   * Keeps packets to this address out of the device, now and when routes are added. To be called again whenever
   * the address is about to be used: the way to it may have changed, or its link may have been down.
   */
  keepOutside(address: string): Promise<void> {
    return this.#exclusively(() => {
      const into = [...this.#routes.values()].map(route => route.prefix);
      return this.#outside.keep(address, into);
    });
  }

  /**
   * Brings the routes of all addresses kept outside up to date: to be called when the system's network has changed. What
   * is changing just now is told once more.
   */
  refreshOutside(): Promise<void> {
    return this.#exclusively(() => this.#outside.refresh());
  }

  /** Sets a kernel parameter (see `readSysctl`) until the end. False when there is no such parameter. */
  setSysctl(name: string, value: string): Promise<boolean> {
    return this.#exclusively(async () => {
      const before = readSysctl(name);
      if (before === undefined) return false;
      if (before === value) return true;
      this.#journal.record({ kind: 'sysctl', name, before, set: value });
      return writeSysctl(name, value);
    });
  }

  /**
   * Puts a table of nftables in the place of the one of before, which may be a dead predecessor's: every packet meets the one
   * or the other. `content` as for `replaceTable`.
   */
  setTable(table: string, content: string): Promise<void> {
    return this.#exclusively(async () => {
      const recorded = this.#find('table').length > 0 ? [] : [this.#journal.record({ kind: 'table', table })];
      try {
        await replaceTable(table, content);
      } catch (error) {
        this.#journal.settle(recorded);
        throw error;
      }
    });
  }

  /**
   * Makes a pair of devices, of which this owner's is one; the other, `peer`, is in the network namespace of a process. What
   * arrives from there goes to `target` or nowhere, by a routing table of this number.
   */
  joinNamespace(
    pid: number,
    peer: string,
    to: { target: string; table: number; priority: number },
  ): Promise<void> {
    return this.#exclusively(async () => {
      const device = this.#device;
      const table = String(to.table);
      await changeIp([['link', 'add', device, 'type', 'veth', 'peer', 'name', peer, 'netns', String(pid)]]);
      const index = indexOf(device);
      this.#journal.record({ kind: 'link', device, index });
      this.#journal.record({ kind: 'rule', device, table: to.table });
      await changeIp([
        ['route', 'add', 'blackhole', 'default', 'table', table, 'metric', '4294967295'],
        ['route', 'add', 'default', 'dev', to.target, 'table', table],
        ['rule', 'add', 'iif', device, 'lookup', table, 'priority', String(to.priority)],
      ]);
    });
  }

  /**
   * Gives the device the first of these addresses that nobody has, and routes packets from it to `destination` into the device,
   * whatever other routes there are for that. `table` and `priority`: of the routing table and the rule of the first address;
   * the next ones' follow. Undefined when all are taken.
   */
  claimSource(
    addresses: readonly string[],
    destination: string,
    to: { table: number; priority: number },
  ): Promise<string | undefined> {
    return this.#exclusively(async () => {
      const present = new Set((await listAddresses()).map(({ address }) => address));
      for (const [number, address] of addresses.entries()) {
        if (present.has(address)) continue;
        const table = to.table + number;
        if (!(await this.#claimRule(address, table, to.priority))) continue;
        await this.#addAddress(`${address}/32`);
        const way = ['dev', this.#device, 'protocol', String(ROUTE_PROTOCOL)];
        await changeIp([['route', 'replace', destination, ...way, 'table', String(table)]]);
        return address;
      }
      return undefined;
    });
  }

  /** Of several processes that try this at once, one succeeds. */
  async #claimRule(address: string, table: number, priority: number): Promise<boolean> {
    const entry = this.#journal.record({ kind: 'source-rule', address, table });
    const rule = ['from', address, 'lookup', String(table), 'priority', String(priority)];
    try {
      await changeIp([['rule', 'add', ...rule]]);
      return true;
    } catch (error) {
      this.#journal.settle([entry]);
      if (error instanceof IpError && error.reason === 'exists') return false;
      throw error;
    }
  }

  /**
   * Has the system ask these name servers, by way of systemd-resolved where that answers it. False when somebody else has changed
   * /etc/resolv.conf since, which is left alone then.
   */
  setNameServers(owner: string, servers: NameServers, isDefault: boolean): Promise<boolean> {
    return this.#exclusively(async () => {
      if (!isResolvedUsed()) {
        if (this.#find('resolv-conf').length === 0)
          this.#journal.record({ kind: 'resolv-conf', name: owner });
        return setResolvConf(owner, servers);
      }
      const index = indexOf(this.#device);
      if (this.#find('resolved').length === 0)
        this.#journal.record({ kind: 'resolved', device: this.#device, index });
      await tellResolved(this.#device, servers, isDefault);
      return true;
    });
  }

  /** Takes that back. */
  forgetNameServers(): Promise<void> {
    return this.#exclusively(async () => {
      await takeBack(this.#journal, [...this.#find('resolv-conf'), ...this.#find('resolved')]);
    });
  }

  /**
   * Takes back all that the journal holds, a dead predecessor's changes included, the last first; but not what is of the kind
   * `except`. What could not be taken back is returned, and stays in the journal for the next start.
   */
  undoAll(except?: UndoStep['kind']): Promise<VpnrError[]> {
    return this.#exclusively(async () => {
      this.#addresses.clear();
      this.#routes.clear();
      this.#outside.forget();
      return takeBack(
        this.#journal,
        this.#journal.entries.filter(({ undo }) => undo.kind !== except),
      );
    });
  }

  #find(kind: UndoStep['kind']): JournalEntry[] {
    return this.#journal.entries.filter(({ undo }) => undo.kind === kind);
  }

  /** `before`: commands to be carried out first. */
  async #addAddress(address: string, before: readonly string[][] = []): Promise<void> {
    if (this.#addresses.has(address)) return;
    const index = indexOf(this.#device);
    const entry = this.#journal.record({ kind: 'address', address, device: this.#device, index });
    const noDetection = address.includes(':') ? ['nodad'] : [];
    try {
      await changeIp([...before, ['address', 'add', address, 'dev', this.#device, ...noDetection]]);
    } catch (error) {
      this.#journal.settle([entry]);
      if (error instanceof IpError && error.reason === 'exists') return;
      throw error;
    }
    this.#addresses.set(address, entry);
  }

  async #removeAddress(address: string): Promise<void> {
    const entry = this.#addresses.get(address);
    if (entry === undefined) return;
    await takeBack(this.#journal, [entry]);
    this.#addresses.delete(address);
  }

  #newPrefixes(destinations: readonly string[]): Prefix[] {
    const prefixes = new Map(
      destinations.flatMap(splitDefault).map(prefix => [formatPrefix(prefix), prefix]),
    );
    return [...prefixes].filter(([text]) => !this.#routes.has(text)).map(([, prefix]) => prefix);
  }

  /** A route for the same destination that would be preferred to ours, or stands in its place. */
  async #refuseConflicts(prefixes: readonly Prefix[]): Promise<void> {
    for (const family of [4, 6] as const) {
      const wanted = prefixes.filter(prefix => prefix.family === family);
      if (wanted.length === 0) continue;
      const metric = family === 4 ? 0 : IPV6_METRIC;
      for (const route of await listRoutes(family)) {
        if (route.device === this.#device || route.metric > metric) continue;
        if (!wanted.some(prefix => samePrefix(prefix, route.destination))) continue;
        const text = formatPrefix(route.destination);
        throw new VpnrError(
          'ROUTE_EXISTS',
          `${text} cannot go through the tunnel: the system has a route for it: ${describeRoute(route)}`,
          { remedy: conflictRemedy(route, text) },
        );
      }
    }
  }

  #routeCommand(verb: 'add' | 'replace', prefix: Prefix, source: string | undefined): string[] {
    return [
      ...['route', verb, formatPrefix(prefix), 'dev', this.#device, 'protocol', String(ROUTE_PROTOCOL)],
      ...(source === undefined ? [] : ['src', source]),
    ];
  }

  #exclusively<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task);
    this.#last = result.catch(() => {});
    return result;
  }
}

function conflictRemedy(route: RouteEntry, text: string): string {
  return route.ours
    ? `it is that of another connection: take ${text} out of tunnel.routes of one of the two, or end that one; vpnr status shows which has the device ${route.device}`
    : `take ${text} out of tunnel.routes, or delete the other route: ip route delete ${describeRoute(route)}`;
}

function splitDefault(destination: string): Prefix[] {
  const prefix = parsePrefix(destination);
  return prefix.length === 0 ? halves(prefix) : [prefix];
}
