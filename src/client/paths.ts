/** The tunnels to the gateways: building them up, taking them down, and why one of them is not to be had. */
import type { ClientConfig, GatewayEntry } from '../config/client.js';
import type { ClientDataPlane } from '../dataplane/api.js';
import { toVpnrError, VpnrError } from '../errors.js';
import type { NetworkChanges } from '../io/changes.js';
import type { NameServers } from '../io/name-servers.js';
import type { Secret } from '../secret.js';
import { type Clock, systemClock } from './clock.js';
import type { KillSwitch } from './kill-switch.js';
import type { NetworkWatch } from './network-watch.js';
import type { GatewayResolver } from './resolver.js';
import { Tunnel } from './tunnel.js';

export interface PathsOptions {
  config: ClientConfig;
  /** Pre-shared keys, in the order of the gateways. */
  psks: readonly Secret[];
  resolver: Pick<GatewayResolver, 'resolve'>;
  plane: ClientDataPlane;
  changes: Pick<NetworkChanges, 'keepOutside'>;
  watch: Pick<NetworkWatch, 'watch' | 'forget'>;
  killSwitch: Pick<KillSwitch, 'admit'> | undefined;
  clock?: Clock;
  openTunnel?: OpenTunnel;
}

/** A tunnel that is not started yet. */
export type OpenTunnel = (...parameters: ConstructorParameters<typeof Tunnel>) => TunnelHandle;

/** What is made use of. */
export type TunnelHandle = Pick<
  Tunnel,
  | 'endpoint'
  | 'virtualAddress'
  | 'configuration'
  | 'start'
  | 'receive'
  | 'traffic'
  | 'rehome'
  | 'probe'
  | 'close'
>;

/** What becomes of the tunnels. None of it is told after `disconnect`. */
export interface PathEvents {
  connecting(gateway: number, address: string): void;
  /** `ms`: since the attempt began. */
  up(gateway: number, address: string, virtualAddress: string, ms: number): void;
  /** An attempt came to nothing. */
  connectFailed(gateway: number, error: VpnrError, ms: number): void;
  /** A tunnel that was up is gone. */
  lost(gateway: number, error: VpnrError, byPeer: boolean): void;
  /** The gateway is about to stop, and asks us to go elsewhere. */
  drain(gateway: number): void;
  /** The gateway does not know of the tunnel any more. */
  forgotten(gateway: number): void;
  /** The gateway answered a request of IKE. */
  alive(gateway: number, roundTripMs: number | undefined): void;
}

interface Path {
  readonly entry: GatewayEntry;
  tunnel: TunnelHandle | undefined;
  up: boolean;
  /** Counts attempts, so that what belongs to an earlier one is recognised. */
  attempt: number;
  /** When the last attempt began. */
  startedAt: number;
  /** The address that the gateway assigned last. */
  virtualAddress: string | undefined;
  /** Times it failed or could not be connected. */
  failures: number;
  /** Why, since the last attempt began. */
  lastError: VpnrError | undefined;
}

export class GatewayPaths {
  readonly #options: PathsOptions;
  readonly #events: PathEvents;
  readonly #clock: Clock;
  readonly #openTunnel: OpenTunnel;
  readonly #paths: readonly Path[];

  constructor(options: PathsOptions, events: PathEvents) {
    this.#options = options;
    this.#events = events;
    this.#clock = options.clock ?? systemClock;
    this.#openTunnel = options.openTunnel ?? ((...parameters) => new Tunnel(...parameters));
    this.#paths = options.config.gateways.map(entry => ({
      entry,
      tunnel: undefined,
      up: false,
      attempt: 0,
      startedAt: 0,
      virtualAddress: undefined,
      failures: 0,
      lastError: undefined,
    }));
  }

  nameOf(gateway: number): string {
    return this.#at(gateway).entry.name;
  }

  /** The gateway of this name. */
  named(name: string): number | undefined {
    const index = this.#paths.findIndex(({ entry }) => entry.name === name);
    return index < 0 ? undefined : index;
  }

  get names(): string[] {
    return this.#paths.map(({ entry }) => entry.name);
  }

  /** Gateways whose tunnels are up. */
  get up(): number[] {
    return this.#paths.flatMap(({ up }, gateway) => (up ? [gateway] : []));
  }

  /** The address that the gateway assigned last. */
  virtualAddressOf(gateway: number): string | undefined {
    return this.#at(gateway).virtualAddress;
  }

  /** The name servers that the gateway assigned. */
  nameServersOf(gateway: number): NameServers {
    const { dns = [], domains = [] } = this.#at(gateway).tunnel?.configuration ?? {};
    return { servers: dns, search: domains };
  }

  /** What is to be shown of it. */
  describe(gateway: number): Pick<Path, 'entry' | 'tunnel' | 'failures' | 'lastError'> {
    return this.#at(gateway);
  }

  /** Something other than an attempt to connect went wrong with it. */
  blame(gateway: number, error?: VpnrError): void {
    const path = this.#at(gateway);
    path.failures++;
    if (error !== undefined) path.lastError = error;
  }

  /** Looks the gateway's address up, sees to the way to it outside the tunnel, and begins IKE. */
  async connect(gateway: number): Promise<void> {
    const { config, psks, resolver, plane, changes, watch, killSwitch } = this.#options;
    const path = this.#at(gateway);
    const psk = psks[gateway] as Secret;
    const attempt = ++path.attempt;
    path.startedAt = this.#clock.now();
    path.lastError = undefined;
    try {
      const endpoint = await resolver.resolve(path.entry);
      if (path.attempt !== attempt) return;
      await killSwitch?.admit(path.entry.name, endpoint);
      if (path.attempt !== attempt) return;
      await changes.keepOutside(endpoint.address);
      if (path.attempt !== attempt) return;
      await watch.watch(gateway, endpoint.address);
      if (path.attempt !== attempt) return;
      this.#events.connecting(gateway, endpoint.address);
      path.tunnel = this.#openTunnel(
        {
          path: gateway,
          gateway: path.entry,
          identity: path.entry.client_identity ?? config.identity,
          psk,
          lifetimes: config.lifetimes,
          wantedAddress: path.virtualAddress,
        },
        endpoint,
        plane,
        {
          up: (_, virtualAddress) => this.#up(gateway, endpoint.address, virtualAddress),
          alive: roundTripMs => this.#events.alive(gateway, roundTripMs),
          forgotten: () => this.#events.forgotten(gateway),
          drain: () => this.#events.drain(gateway),
          closed: (error, byPeer) => this.#closed(gateway, error, byPeer),
        },
      );
      path.tunnel.start();
    } catch (error) {
      if (path.attempt === attempt) this.#failed(gateway, toVpnrError(error));
    }
  }

  /** Takes the tunnel down, established or not. An attempt that nobody has ended before, nor `calledOff`, has taken too long. */
  disconnect(gateway: number, calledOff = false): void {
    const path = this.#at(gateway);
    const { tunnel, up } = path;
    path.attempt++;
    path.tunnel = undefined;
    path.up = false;
    this.#options.watch.forget(gateway);
    if (!up && !calledOff && path.lastError === undefined)
      this.#failed(gateway, this.#timedOut(path, tunnel));
    tunnel?.close();
  }

  /**
   * The way to the gateway has changed: goes on from where we are now. False if the tunnel cannot, and has to be built
   * anew.
   */
  rehome(gateway: number): boolean {
    const path = this.#at(gateway);
    if (path.tunnel === undefined) return true;
    try {
      if (path.tunnel.rehome()) return true;
      if (!path.up) path.lastError = this.#cutShort(path);
    } catch (error) {
      path.lastError = toVpnrError(error);
    }
    return false;
  }

  receive(gateway: number, datagram: Uint8Array): void {
    this.#at(gateway).tunnel?.receive(datagram);
  }

  /** Packets of applications sent and received so far, modulo 2^32. */
  traffic(sent: number, received: number): void {
    for (const { tunnel } of this.#paths) tunnel?.traffic(sent, received);
  }

  /** Asks the gateway for a sign of life by IKE. */
  probe(gateway: number): void {
    this.#at(gateway).tunnel?.probe();
  }

  /** Ends the attempts that are under way; tunnels that are up stay. */
  closeUnfinished(): void {
    for (const path of this.#paths) if (!path.up) this.#close(path);
  }

  /** Says goodbye to all gateways. */
  close(): void {
    for (const path of this.#paths) this.#close(path);
  }

  /** Why nothing could be connected: the preferred gateway's reason, and the others' in the message. */
  summary(): VpnrError {
    const errors = this.#paths.flatMap(({ lastError }) => lastError ?? []);
    const [first] = errors;
    if (first === undefined) return new VpnrError('GATEWAY_TIMEOUT', 'no gateway could be connected');
    return new VpnrError(first.code, errors.map(error => error.message).join('; '), {
      ...(first.remedy === undefined ? {} : { remedy: first.remedy }),
      cause: first,
    });
  }

  #up(gateway: number, address: string, virtualAddress: string): void {
    const path = this.#at(gateway);
    path.up = true;
    path.virtualAddress = virtualAddress;
    this.#events.up(gateway, address, virtualAddress, this.#clock.now() - path.startedAt);
  }

  #closed(gateway: number, error: VpnrError, byPeer: boolean): void {
    const path = this.#at(gateway);
    if (!path.up) {
      this.#failed(gateway, error);
      return;
    }
    path.up = false;
    path.lastError = error;
    this.#events.lost(gateway, error, byPeer);
  }

  #close(path: Path): void {
    path.attempt++;
    path.up = false;
    path.tunnel?.close();
    path.tunnel = undefined;
  }

  #failed(gateway: number, error: VpnrError): void {
    const path = this.#at(gateway);
    path.failures++;
    path.lastError = error;
    this.#events.connectFailed(gateway, error, this.#clock.now() - path.startedAt);
  }

  /** No fault of the gateway's. */
  #cutShort({ entry }: Path): VpnrError {
    return new VpnrError(
      'GATEWAY_TIMEOUT',
      `gateway ${entry.name} had not answered when the network changed`,
    );
  }

  #timedOut({ entry, startedAt }: Path, tunnel: TunnelHandle | undefined): VpnrError {
    const seconds = ((this.#clock.now() - startedAt) / 1000).toFixed(0);
    if (tunnel === undefined) {
      return new VpnrError(
        'GATEWAY_UNRESOLVED',
        `gateway ${entry.name}: the address of ${entry.address.host} was not found within ${seconds} s`,
        { remedy: 'check the name, and that a name server answers on this network' },
      );
    }
    const { address, port } = tunnel.endpoint;
    return new VpnrError(
      'GATEWAY_TIMEOUT',
      `gateway ${entry.name} (${address}, UDP port ${port}) did not answer within ${seconds} s`,
      { remedy: 'check its address, and that a firewall lets UDP port 4500 pass' },
    );
  }

  #at(gateway: number): Path {
    const path = this.#paths[gateway];
    if (path === undefined) throw new VpnrError('INTERNAL', `there is no gateway ${gateway}`);
    return path;
  }
}
