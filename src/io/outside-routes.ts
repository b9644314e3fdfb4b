/**
 * Host routes that keep gateways outside the tunnel. An address kept outside has two of them once a route into the tunnel
 * covers it: the way it had without the tunnel, and behind it (by metric) `unreachable`, which is what remains when its link
 * goes down. So a gateway's traffic fails at once rather than enter the tunnel that it carries.
 */
import { contains, formatAddress, formatPrefix, type Prefix, parseAddress, parsePrefix } from '../prefix.js';
import { changeIp, IpError } from './ip.js';
import type { Journal, JournalEntry } from './journal.js';
import { type Hop, hopOutside, indexOf, ROUTE_PROTOCOL } from './network.js';
import { deleteRouteCommand } from './undo.js';

/** Metric, plus the device's index, of the `unreachable` routes: behind any other. */
const FALLBACK_METRIC = 0x7f000000;

export class OutsideRoutes {
  readonly #journal: Journal;
  readonly #device: string;
  /** Addresses kept outside; those that a route covers have their journal entries. */
  readonly #kept = new Map<string, JournalEntry[] | undefined>();

  /** `device`: the tunnel's. */
  constructor(journal: Journal, device: string) {
    this.#journal = journal;
    this.#device = device;
  }

  /** Keeps an address outside, or brings its routes up to date. `into`: the routes into the tunnel. */
  async keep(address: string, into: readonly Prefix[]): Promise<void> {
    const key = formatAddress(parseAddress(address));
    if (!this.#kept.has(key)) this.#kept.set(key, undefined);
    if (covers(into, key) || this.#kept.get(key) !== undefined) await this.#put(key);
  }

  /** Routes into the tunnel are about to be added: those that they cover get their own. */
  async cover(into: readonly Prefix[]): Promise<void> {
    for (const [address, entries] of this.#kept) {
      if (entries === undefined && covers(into, address)) await this.#put(address);
    }
  }

  /** Brings all routes up to date. What is changing just now is told once more. */
  async refresh(): Promise<void> {
    for (const [address, entries] of this.#kept) {
      if (entries === undefined) continue;
      try {
        await this.#put(address);
      } catch (error) {
        if (!(error instanceof IpError) || (error.reason !== 'absent' && error.reason !== 'unreachable'))
          throw error;
      }
    }
  }

  /** All of their routes are taken back by the journal. */
  forget(): void {
    this.#kept.clear();
  }

  /** Makes the host routes of an address, or brings them up to date. */
  async #put(address: string): Promise<void> {
    const parsed = parseAddress(address);
    const hop = await hopOutside(parsed, this.#device);
    // An address of this machine's own is found in the kernel's table of local addresses, before any other.
    if (hop?.local) return;
    const index = indexOf(this.#device);
    const destination = formatPrefix(parsePrefix(address));
    // The index tells our routes from those of other devices' owners for the same address.
    const way = { destination, metric: index };
    const fallback = { destination, metric: FALLBACK_METRIC + index };
    if (this.#kept.get(address) === undefined) {
      const entries = [fallback, way].map(route => this.#journal.record({ kind: 'route', ...route }));
      this.#kept.set(address, entries);
    }
    await changeIp([hostRouteCommand(fallback, undefined)]);
    if (hop !== undefined) return changeIp([hostRouteCommand(way, hop)]);
    try {
      await changeIp([deleteRouteCommand(way)]);
    } catch (error) {
      if (!(error instanceof IpError && error.reason === 'absent')) throw error;
    }
  }
}

function covers(prefixes: readonly Prefix[], address: string): boolean {
  const parsed = parseAddress(address);
  return prefixes.some(prefix => contains(prefix, parsed));
}

/** `hop` absent: unreachable. `onlink` spares the kernel's check that the next hop is on the device's network. */
function hostRouteCommand(route: { destination: string; metric: number }, hop: Hop | undefined): string[] {
  const type = hop === undefined ? ['unreachable'] : [];
  const way = hop === undefined ? [] : ['dev', hop.device];
  const via =
    hop?.via === undefined ? [] : ['via', hop.via.family === 6 ? 'inet6' : 'inet', hop.via.address, 'onlink'];
  const source = hop?.source === undefined ? [] : ['src', hop.source];
  return [
    ...['route', 'replace', ...type, route.destination, ...via, ...way, ...source],
    ...['metric', String(route.metric), 'protocol', String(ROUTE_PROTOCOL)],
  ];
}
