/** The device that applications see: its addresses, its routes and the largest packet it takes. */
import type { ClientConfig } from '../config/client.js';
import { VpnrError } from '../errors.js';
import type { NetworkChanges } from '../io/changes.js';
import { hopOutside, linkOf } from '../io/network.js';
import { type DeviceOffloads, offloadsWanted } from '../io/offloads.js';
import { openTun, type TunDevice } from '../io/tun.js';
import { type Encapsulation, innerMtu } from '../packet/mtu.js';
import { parseAddress } from '../prefix.js';

/**
 * Sources of relays' control connections, one for each connection, before and while there is a lease. From the block that RFC 7335
 * sets aside for addresses that are translated on the host itself and never seen outside.
 */
const CONTROL_ADDRESSES = [2, 3, 4, 5, 6, 7].map(host => `192.0.0.${host}`);
/** Routing table of the first of them, and their rules: several relays may have the same address, in networks of their own. */
const CONTROL_ROUTES = { table: 11_810_000, priority: 11_810 };
/** Smaller links than this would need IPv4 itself to be rebuilt (RFC 791: every host takes 576 bytes). */
const SMALLEST_MTU = 576;
const ETHERNET_MTU = 1500;

/** What applications see of it. */
export type Face = Pick<Device, 'name' | 'mtu' | 'address' | 'controlAddress' | 'setAddress'>;

export class Device {
  readonly mtu: number;
  /** Source of the relay's control connection; undefined without a relay. */
  readonly controlAddress: string | undefined;
  readonly #tun: TunDevice;
  readonly #changes: NetworkChanges;
  readonly #routes: readonly string[];
  #address: string | undefined;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(
    tun: TunDevice,
    changes: NetworkChanges,
    options: { routes: readonly string[]; mtu: number; controlAddress: string | undefined },
  ) {
    this.#tun = tun;
    this.#changes = changes;
    this.#routes = options.routes;
    this.mtu = options.mtu;
    this.controlAddress = options.controlAddress;
  }

  /** Creates the device and sets it up; with a relay, also the way to its control connection. */
  static async create(config: ClientConfig, changes: NetworkChanges, mtu: number): Promise<Device> {
    const { device: name, driver } = config.tunnel;
    const tun = await openTun({ name, driver, offloads: offloadsWanted() });
    try {
      await changes.setUp(mtu);
      const controlAddress = config.relay && (await claimControlAddress(config.relay.address.host, changes));
      return new Device(tun, changes, { routes: config.tunnel.routes, mtu, controlAddress });
    } catch (error) {
      tun.close();
      throw error;
    }
  }

  get name(): string {
    return this.#tun.name;
  }

  get fd(): number {
    return this.#tun.fd;
  }

  get offloads(): DeviceOffloads {
    return this.#tun.offloads;
  }

  /** What applications see. */
  get address(): string | undefined {
    return this.#address;
  }

  /**
   * Gives the device its address and, the first time, its routes; resolves with the address of before. Calls are carried
   * out one after the other: the next gateway may be there before the first one's address is.
   */
  setAddress(address: string): Promise<string | undefined> {
    const result = this.#last.then(() => this.#setAddress(address));
    this.#last = result.catch(() => {});
    return result;
  }

  async #setAddress(address: string): Promise<string | undefined> {
    const previous = this.#address;
    if (previous === address) return previous;
    if (previous === undefined) {
      await this.#changes.addAddress(hostPrefix(address));
      this.#address = address;
      await this.#changes.addRoutes(this.#routes, { source: address });
      return previous;
    }
    await this.#changes.replaceAddress(hostPrefix(previous), hostPrefix(address));
    this.#address = address;
    return previous;
  }

  /** The device disappears with its descriptor. */
  close(): void {
    this.#tun.close();
  }
}

async function claimControlAddress(relay: string, changes: NetworkChanges): Promise<string> {
  const address = await changes.claimSource(CONTROL_ADDRESSES, `${relay}/32`, CONTROL_ROUTES);
  if (address !== undefined) return address;
  const [first, last] = [CONTROL_ADDRESSES.at(0), CONTROL_ADDRESSES.at(-1)];
  throw new VpnrError('SYSTEM_CALL', `${CONTROL_ADDRESSES.length} connections have a relay already`, {
    remedy: `end one of them, or what else uses the addresses ${first} to ${last}; after a crash: vpnr disconnect --left-over`,
  });
}

/** The smallest packet size that fits the way to every one of the gateways (those that have a way now). */
export async function deviceMtu(config: ClientConfig, gatewayAddresses: readonly string[]): Promise<number> {
  if (config.tunnel.mtu !== 'auto') return config.tunnel.mtu;
  const encapsulation: Encapsulation = config.relay?.mode ?? 'none';
  const suites = config.gateways.flatMap(({ esp }) => esp);
  const fitting = await Promise.all(
    gatewayAddresses.map(async text => {
      const address = parseAddress(text);
      const hop = await hopOutside(address, config.tunnel.device);
      const linkMtu = hop === undefined ? ETHERNET_MTU : (await linkOf(hop.device)).mtu;
      return innerMtu(Math.min(linkMtu, ETHERNET_MTU), address.family, encapsulation, suites);
    }),
  );
  return Math.max(SMALLEST_MTU, Math.min(...fitting, innerMtu(ETHERNET_MTU, 4, encapsulation, suites)));
}

function hostPrefix(address: string): string {
  return `${address}/${address.includes(':') ? 128 : 32}`;
}
