/** The device that applications see: its addresses, its routes and the largest packet it takes. */
import type { ClientConfig } from '../config/client.js';
import type { NetworkChanges } from '../io/changes.js';
import { hopOutside, linkOf } from '../io/network.js';
import { type DeviceOffloads, offloadsWanted } from '../io/offloads.js';
import { openTun, type TunDevice } from '../io/tun.js';
import { type Encapsulation, innerMtu } from '../packet/mtu.js';
import { parseAddress } from '../prefix.js';

/**
 * Source of the relay's control connection, before and while there is a lease. From the block that RFC 7335 sets
 * aside for addresses that are translated on the host itself and never seen outside.
 */
export const CONTROL_ADDRESS = '192.0.0.2';
/** Smaller links than this would need IPv4 itself to be rebuilt (RFC 791: every host takes 576 bytes). */
const SMALLEST_MTU = 576;
const ETHERNET_MTU = 1500;

/** What applications see of it. */
export type Face = Pick<Device, 'name' | 'mtu' | 'address' | 'setAddress'>;

export class Device {
  readonly mtu: number;
  readonly #tun: TunDevice;
  readonly #changes: NetworkChanges;
  readonly #routes: readonly string[];
  #address: string | undefined;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(tun: TunDevice, changes: NetworkChanges, routes: readonly string[], mtu: number) {
    this.#tun = tun;
    this.#changes = changes;
    this.#routes = routes;
    this.mtu = mtu;
  }

  /** Creates the device and sets it up; with a relay, also the way to its control connection. */
  static async create(config: ClientConfig, changes: NetworkChanges, mtu: number): Promise<Device> {
    const { device: name, driver } = config.tunnel;
    const tun = await openTun({ name, driver, offloads: offloadsWanted() });
    try {
      const device = new Device(tun, changes, config.tunnel.routes, mtu);
      await changes.setUp(mtu);
      if (config.relay !== undefined) {
        await changes.addAddress(`${CONTROL_ADDRESS}/32`);
        await changes.addRoutes([`${config.relay.address.host}/32`], { source: CONTROL_ADDRESS });
      }
      return device;
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
