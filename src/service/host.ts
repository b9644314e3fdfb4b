/**
 * A server's machine, relay or gateway: the way of packets between the clients' addresses and the network. The pool is
 * routed into the TUN device, forwarding is on, and where the pool is a part of a network that the machine is on, the machine
 * answers ARP requests for the clients (proxy ARP).
 */
import { VpnrError } from '../errors.js';
import { NetworkChanges } from '../io/changes.js';
import { Journal } from '../io/journal.js';
import { describeRoute, type InterfaceAddress, listAddresses, listRoutes } from '../io/network.js';
import { contains, formatPrefix, type Prefix, parsePrefix } from '../prefix.js';
import { ownAddress, parsePool } from './pool.js';

const FORWARDING = 'net/ipv4/ip_forward';

export interface ServerHostOptions {
  /** The TUN device. */
  device: string;
  pool: string;
  mtu: number;
}

export class ServerHost {
  readonly #journal: Journal;
  readonly #changes: NetworkChanges;
  readonly #options: ServerHostOptions;

  private constructor(journal: Journal, options: ServerHostOptions) {
    this.#journal = journal;
    this.#changes = new NetworkChanges(journal, options.device);
    this.#options = options;
  }

  /**
   * Takes the name, and cleans up after a predecessor that was killed. To be called before the TUN device is made.
   * Throws ALREADY_RUNNING while another process has the name.
   */
  static async open(name: string, options: ServerHostOptions, directory?: string): Promise<ServerHost> {
    const host = new ServerHost(Journal.open(name, directory), options);
    try {
      const [failure] = await host.#changes.undoAll();
      if (failure !== undefined) throw failure;
    } catch (error) {
      host.#journal.close();
      throw error;
    }
    return host;
  }

  /** Sets the device and the machine up. If it throws, `close` takes back what was done. */
  async setUp(): Promise<void> {
    const { device, mtu } = this.#options;
    const pool = parsePool(this.#options.pool);
    // Each question is a program of its own.
    const [addresses] = await Promise.all([listAddresses(), refuseOverlap(pool, device)]);
    const address = ownAddress(pool);
    await this.#changes.setUp(mtu, `${address}/32`);
    await this.#changes.addRoutes([formatPrefix(pool)], { source: address });
    await this.#changes.setSysctl(FORWARDING, '1');
    for (const neighbour of devicesOnNetworkOf(pool, addresses)) {
      if (neighbour === device) continue;
      // The kernel answers for others only after a random part of 0.8 s, unless told not to wait.
      await this.#changes.setSysctl(`net/ipv4/neigh/${neighbour}/proxy_delay`, '0');
      await this.#changes.setSysctl(`net/ipv4/conf/${neighbour}/proxy_arp`, '1');
    }
  }

  /** Takes everything back and lets go of the name. Returns what could not be taken back. */
  async close(): Promise<VpnrError[]> {
    try {
      return await this.#changes.undoAll();
    } finally {
      this.#journal.close();
    }
  }
}

/** Throws POOL_OVERLAPS if the machine reaches a part of the pool, or all of it, in another way. */
async function refuseOverlap(pool: Prefix, device: string): Promise<void> {
  const other = (await listRoutes(4)).find(
    route => route.device !== device && contains(pool, route.destination),
  );
  if (other === undefined) return;
  throw new VpnrError(
    'POOL_OVERLAPS',
    `the pool ${formatPrefix(pool)} overlaps with a network that this machine has a route to: ${describeRoute(other)}`,
    { remedy: 'choose a pool that is used nowhere else, or delete that route' },
  );
}

/** What is found of the pool before it is used. Throws POOL_OVERLAPS, or CONFIG_INVALID. */
export async function checkPool(text: string, device: string): Promise<string> {
  await refuseOverlap(parsePool(text), device);
  return `${text} is free`;
}

/** The devices whose own network, by an address of theirs, holds the whole pool. */
function devicesOnNetworkOf(pool: Prefix, addresses: readonly InterfaceAddress[]): string[] {
  const on = addresses.filter(
    ({ address, prefixLength }) =>
      prefixLength < pool.length && contains(parsePrefix(`${address}/${prefixLength}`), pool),
  );
  return [...new Set(on.map(({ device }) => device))];
}
