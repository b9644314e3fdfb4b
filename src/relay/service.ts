/** A whole relay: the machine's network, the TUN device, the data plane and the server, up and down in order. */
import type { ReplayBounds } from '../dataplane/api.js';
import { createRelayDataPlane } from '../dataplane/relay.js';
import { toVpnrError, type VpnrError } from '../errors.js';
import type { Endpoint } from '../ike/api.js';
import { offloadsWanted } from '../io/offloads.js';
import { openTun, type TunDevice } from '../io/tun.js';
import { innerMtu, maxSegment } from '../packet/mtu.js';
import type { Secret } from '../secret.js';
import type { Announced } from '../service/drained.js';
import { ServerHost } from '../service/host.js';
import type { Roster, RosterChange } from '../service/roster.js';
import { RelayServer } from './server.js';
import type { RelayEvent, RelayStatus } from './server-api.js';

const ETHERNET_MTU = 1500;
/** One device serves all sessions: what fits in the mode that adds most fits in any. */
const DEFAULT_MTU = innerMtu(ETHERNET_MTU, 4, 'sealed');

export interface RelayServiceOptions {
  /** Names the relay among others on this machine. */
  name: string;
  /** Name of the TUN device. */
  device: string;
  listen: Endpoint;
  /** IPv4 prefix of the leases. */
  pool: string;
  /** Both PEM. */
  certificate: string;
  key: Secret;
  /** With their tokens; stays the caller's. */
  clients: Roster;
  stateDirectory: string;
  ipip: boolean;
  replay?: ReplayBounds;
  /** Time after which a session without packets ends. */
  lifetimeMs?: number;
  /** The largest packet, in bytes, between a client and the network. */
  mtu?: number;
  /** Where the journal of changes to the system is. */
  runDirectory?: string;
  onEvent(event: RelayEvent): void;
}

export class RelayService {
  readonly #host: ServerHost;
  readonly #tun: TunDevice;
  readonly #server: RelayServer;

  private constructor(host: ServerHost, tun: TunDevice, server: RelayServer) {
    this.#host = host;
    this.#tun = tun;
    this.#server = server;
  }

  /** Serves once it resolves; if it throws, everything is as before. */
  static async start(options: RelayServiceOptions): Promise<RelayService> {
    const { name, device, pool, mtu = DEFAULT_MTU, lifetimeMs, runDirectory } = options;
    const host = await ServerHost.open(name, { device, pool, mtu }, runDirectory);
    let tun: TunDevice | undefined;
    let network: Promise<void> | undefined;
    try {
      tun = await openTun({ name: device, offloads: offloadsWanted() });
      network = host.setUp();
      // While it is started anew its clients wait: what can be done at once is.
      const server = await RelayServer.start({
        ...options,
        mtu,
        tun,
        maxSegment: maxSegment(mtu),
        dataPlane: createRelayDataPlane(),
        network,
        ...(lifetimeMs !== undefined && { limits: { lifetimeMs } }),
      });
      return new RelayService(host, tun, server);
    } catch (error) {
      await Promise.allSettled([network]);
      await host.close();
      tun?.close();
      throw error;
    }
  }

  get fingerprint(): string {
    return this.#server.fingerprint;
  }

  get port(): number {
    return this.#server.port;
  }

  status(): RelayStatus {
    return this.#server.status();
  }

  drain(): Promise<Announced> {
    return this.#server.drain();
  }

  clientsChanged(change: RosterChange): Promise<void> {
    return this.#server.clientsChanged(change);
  }

  /** Ends everything and puts the machine's network back. Returns what could not be put back. */
  async stop(): Promise<VpnrError[]> {
    const failures: VpnrError[] = [];
    try {
      await this.#server.stop();
    } catch (error) {
      failures.push(toVpnrError(error));
    }
    this.#tun.close();
    return [...failures, ...(await this.#host.close())];
  }
}
