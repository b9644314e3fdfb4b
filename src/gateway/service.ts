/** A whole gateway: the machine's network, the TUN device, the data plane and the server, up and down in order. */
import { randomBytes } from 'node:crypto';
import { createGatewayDataPlane } from '../dataplane/gateway.js';
import { toVpnrError, type VpnrError } from '../errors.js';
import type { Endpoint, EspSuite, IkeProposal, Lifetimes } from '../ike/api.js';
import { monotonicMs } from '../io/clock.js';
import { linkOf, listAddresses } from '../io/network.js';
import { offloadsWanted } from '../io/offloads.js';
import { openTun, type TunDevice } from '../io/tun.js';
import { innerMtu, maxSegment } from '../packet/mtu.js';
import { parseAddress } from '../prefix.js';
import type { Drained } from '../service/drained.js';
import { ServerHost } from '../service/host.js';
import { AddressPool, parsePool } from '../service/pool.js';
import type { Roster, RosterChange } from '../service/roster.js';
import { GatewayServer } from './server.js';
import type { GatewayEvent, GatewayStatus } from './server-api.js';

const ETHERNET_MTU = 1500;
/** How exactly times are kept: retransmissions take half a second at least. */
const TICK_MS = 100;

export interface GatewayServiceOptions {
  /** Names the gateway among others on this machine. */
  name: string;
  /** Name of the TUN device. */
  device: string;
  listen: Endpoint;
  identity: string;
  /** IPv4 prefix of the virtual addresses. */
  pool: string;
  /** What clients may reach, in CIDR notation. */
  networks: readonly string[];
  /** Name servers that they are told of, and the domains that these know. */
  dns?: { servers: readonly string[]; search: readonly string[] };
  /** Identities and their pre-shared keys; stays the caller's. */
  clients: Roster;
  ike: readonly IkeProposal[];
  esp: readonly EspSuite[];
  lifetimes: Lifetimes;
  silenceMs: number;
  /** Where the journal of changes to the system is. */
  runDirectory?: string;
  onEvent(event: GatewayEvent): void;
}

export class GatewayService {
  readonly #host: ServerHost;
  readonly #tun: TunDevice;
  readonly #server: GatewayServer;
  readonly #stopPlane: () => Promise<void>;
  readonly #ticking: NodeJS.Timeout;

  private constructor(
    host: ServerHost,
    tun: TunDevice,
    server: GatewayServer,
    stopPlane: () => Promise<void>,
  ) {
    this.#host = host;
    this.#tun = tun;
    this.#server = server;
    this.#stopPlane = stopPlane;
    this.#ticking = setInterval(() => server.tick(), TICK_MS);
  }

  /** Serves once it resolves; if it throws, everything is as before. */
  static async start(options: GatewayServiceOptions): Promise<GatewayService> {
    const { name, device, listen, identity, pool, runDirectory, onEvent } = options;
    const mtu = await tunnelMtu(listen);
    const host = await ServerHost.open(name, { device, pool, mtu }, runDirectory);
    let tun: TunDevice | undefined;
    let parts: Promise<unknown>[] = [];
    const plane = createGatewayDataPlane();
    try {
      tun = await openTun({ name: device, offloads: offloadsWanted() });
      const ownAddresses = (await listAddresses()).map(({ address }) => address);
      let server: GatewayServer | undefined;
      const started = plane.start(
        { tun, listen, pool, maxSegment: maxSegment(mtu) },
        {
          ike: (from, datagram) => server?.receive(from, datagram),
          peerMoved: (peer, remote) => server?.peerMoved(peer, remote),
          failed: error => onEvent({ type: 'failed', error }),
        },
      );
      // Either takes a while, and need not wait for the other.
      parts = [started, host.setUp()];
      await Promise.all(parts);
      const { local } = await started;
      server = new GatewayServer({
        ...options,
        pool: new AddressPool(parsePool(pool), ownAddresses),
        local,
        plane,
        now: monotonicMs,
        random: size => randomBytes(size),
      });
      onEvent({ type: 'listening', ...local, identity, pool });
      return new GatewayService(host, tun, server, () => plane.stop());
    } catch (error) {
      await Promise.allSettled(parts);
      await plane.stop();
      await host.close();
      tun?.close();
      throw error;
    }
  }

  status(): GatewayStatus {
    return this.#server.status();
  }

  drain(): Promise<Drained> {
    return this.#server.drain();
  }

  clientsChanged(change: RosterChange): void {
    this.#server.clientsChanged(change);
  }

  /** Ends every tunnel and puts the machine's network back. Returns what could not be put back. */
  async stop(): Promise<VpnrError[]> {
    clearInterval(this.#ticking);
    const failures: VpnrError[] = [];
    try {
      this.#server.stop();
      await this.#stopPlane();
    } catch (error) {
      failures.push(toVpnrError(error));
    }
    this.#tun.close();
    return [...failures, ...(await this.#host.close())];
  }
}

/** The largest packet, in bytes, that fits a tunnel through the link that has the address to listen on. */
async function tunnelMtu({ address }: Endpoint): Promise<number> {
  const device = (await listAddresses()).find(entry => entry.address === address)?.device;
  const mtu = device === undefined ? ETHERNET_MTU : (await linkOf(device)).mtu;
  return innerMtu(Math.min(mtu, ETHERNET_MTU), parseAddress(address).family, 'none');
}
