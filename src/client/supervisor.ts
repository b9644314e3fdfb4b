/**
 * Carries out what the failover policy decides: opens and closes tunnels, points the data plane to the active one,
 * keeps the relay session, and reports back to the policy what became of it.
 */
import type { ClientConfig } from '../config/client.js';
import type { ClientDataPlane, RelayBinding } from '../dataplane/api.js';
import { toVpnrError, VpnrError } from '../errors.js';
import { ColdFailover, type FailoverAction } from '../failover/cold.js';
import type { NetworkChanges } from '../io/changes.js';
import { monotonicMs } from '../io/clock.js';
import { trafficOf } from '../packet/traffic.js';
import type { Secret } from '../secret.js';
import { Addressing } from './addressing.js';
import { Alarm } from './alarm.js';
import { CONTROL_ADDRESS, type Device } from './device.js';
import type { ConnectionEvent } from './events.js';
import { GatewayRecords } from './gateway-records.js';
import { IkeProbe } from './ike-probe.js';
import { Milestones } from './milestones.js';
import { RelayLink } from './relay-link.js';
import type { GatewayResolver } from './resolver.js';
import type { ConnectionStatus } from './status.js';
import { failoverTiming } from './timing.js';
import { Tunnel } from './tunnel.js';

export interface SupervisorOptions {
  config: ClientConfig;
  /** Pre-shared keys, in the order of the gateways. */
  psks: readonly Secret[];
  relayToken: Secret | undefined;
  relayCa: string | undefined;
  resolver: GatewayResolver;
  plane: ClientDataPlane;
  device: Device;
  changes: NetworkChanges;
  /** Go on for ever even if no gateway can be connected in the first round. */
  persist: boolean;
  emit(event: ConnectionEvent): void;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #policy: ColdFailover;
  readonly #alarm = new Alarm(() => this.#apply(this.#policy.tick(monotonicMs())));
  readonly #gateways: GatewayRecords;
  readonly #relay: RelayLink | undefined;
  readonly #milestones: Milestones;
  readonly #pending: FailoverAction[] = [];
  #applying = false;
  #stopped = false;
  #waiting = false;
  readonly #ikeProbe = new IkeProbe();
  readonly #addressing: Addressing;
  #reject: (error: VpnrError) => void = () => {};
  /** Rejects when the connection cannot go on. */
  readonly failure: Promise<never>;

  constructor(options: SupervisorOptions) {
    const { config } = options;
    this.#options = options;
    this.failure = new Promise<never>((_, reject) => {
      this.#reject = reject;
    });
    this.failure.catch(() => {});
    this.#milestones = new Milestones(options.emit);
    this.#addressing = new Addressing(options);
    this.#policy = new ColdFailover(config.gateways.length, failoverTiming(config), Math.random);
    this.#gateways = new GatewayRecords(config.gateways);
    this.#relay = this.#createRelayLink();
  }

  start(): void {
    const { config, plane } = this.#options;
    if (config.relay !== undefined) {
      const { host: address, port } = config.relay.address;
      plane.setRelay({ address, port });
    }
    this.#addressing.begin();
    this.#apply(this.#policy.start(monotonicMs()));
  }

  /** Says goodbye to the relay and to the gateways. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#alarm.clear();
    await this.#relay?.close();
    this.#gateways.closeTunnels();
  }

  // --- What the data plane reports

  receiveIke(path: number, datagram: Uint8Array): void {
    if (!this.#stopped) this.#gateways.at(path).tunnel?.receive(datagram);
  }

  probeReply(path: number, id: number, roundTripMs: number): void {
    if (this.#stopped) return;
    this.#policy.probeReply(path, id, roundTripMs, monotonicMs());
    this.#proven(path);
    this.#alarm.set(this.#policy.nextTimer());
  }

  /** The relay leaves: its control connection will end, and is opened again when it is back. */
  drain(): void {
    if (!this.#stopped) this.#policy.relayAway(monotonicMs());
  }

  traffic(): void {
    if (this.#stopped) return;
    this.#policy.traffic(monotonicMs());
    this.#alarm.set(this.#policy.nextTimer());
  }

  fail(error: unknown): void {
    this.#reject(toVpnrError(error));
  }

  // --- What the policy decides

  #apply(actions: FailoverAction[]): void {
    this.#pending.push(...actions);
    if (this.#applying) return;
    this.#applying = true;
    for (
      let action = this.#pending.shift();
      action !== undefined && !this.#stopped;
      action = this.#pending.shift()
    ) {
      this.#carryOut(action);
    }
    this.#applying = false;
    if (!this.#stopped) this.#alarm.set(this.#policy.nextTimer());
  }

  #carryOut(action: FailoverAction): void {
    switch (action.type) {
      case 'connect':
        this.#waiting = false;
        void this.#connect(action.gateway);
        return;
      case 'disconnect':
        this.#disconnect(action.gateway);
        return;
      case 'activate':
        this.#activate(action.gateway, action.epoch);
        return;
      case 'probe':
        this.#probe(action.gateway, action.id);
        return;
      case 'failed':
        this.#gateways.at(action.gateway).failures++;
        this.#milestones.failed(this.#gateways.nameOf(action.gateway));
        this.#options.emit({
          event: 'gateway-failed',
          gateway: this.#gateways.nameOf(action.gateway),
          reason: action.reason,
          ms: Math.round(action.silentMs),
        });
        return;
      case 'wait':
        this.#wait(action.waitMs);
        return;
    }
  }

  async #connect(gateway: number): Promise<void> {
    const { config, resolver, plane, changes, psks, emit } = this.#options;
    const record = this.#gateways.at(gateway);
    const entry = config.gateways[gateway];
    const psk = psks[gateway];
    if (entry === undefined || psk === undefined)
      throw new VpnrError('INTERNAL', `there is no gateway ${gateway}`);
    const attempt = ++record.attempt;
    record.startedAt = monotonicMs();
    record.lastError = undefined;
    const outdated = () => this.#stopped || record.attempt !== attempt;
    try {
      const endpoint = await resolver.resolve(entry);
      if (outdated()) return;
      await changes.keepOutside(endpoint.address);
      if (outdated()) return;
      emit({ event: 'connecting', gateway: entry.name, address: endpoint.address });
      record.tunnel = new Tunnel(
        {
          path: gateway,
          gateway: entry,
          identity: config.identity,
          psk,
          lifetimes: config.lifetimes,
          wantedAddress: record.virtualAddress,
        },
        endpoint,
        plane,
        {
          up: (_, virtualAddress) => this.#tunnelUp(gateway, endpoint.address, virtualAddress),
          alive: roundTripMs => this.#alive(gateway, roundTripMs),
          closed: (error, byPeer) => this.#tunnelClosed(gateway, error, byPeer),
        },
      );
      record.tunnel.start();
    } catch (error) {
      if (!outdated()) this.#connectFailed(gateway, toVpnrError(error));
    }
  }

  #disconnect(gateway: number): void {
    const record = this.#gateways.at(gateway);
    record.attempt++;
    const { tunnel } = record;
    record.tunnel = undefined;
    if (!tunnel?.up && record.lastError === undefined)
      this.#remember(gateway, this.#timedOut(gateway, tunnel));
    tunnel?.close();
    if (this.#policy.active !== undefined) return;
    this.#options.plane.activate(undefined, 0);
    this.#relay?.pathLost();
  }

  /** Why nothing came of an attempt in its time. */
  #timedOut(gateway: number, tunnel: Tunnel | undefined): VpnrError {
    const name = this.#gateways.nameOf(gateway);
    const seconds = ((monotonicMs() - this.#gateways.at(gateway).startedAt) / 1000).toFixed(0);
    if (tunnel === undefined) {
      const host = this.#options.config.gateways[gateway]?.address.host;
      return new VpnrError(
        'GATEWAY_UNRESOLVED',
        `gateway ${name}: the address of ${host} was not found within ${seconds} s`,
        { remedy: 'check the name, and that a name server answers on this network' },
      );
    }
    const { address, port } = tunnel.endpoint;
    return new VpnrError(
      'GATEWAY_TIMEOUT',
      `gateway ${name} (${address}, UDP port ${port}) did not answer within ${seconds} s`,
      { remedy: 'check its address, and that a firewall lets UDP port 4500 pass' },
    );
  }

  #activate(gateway: number, epoch: number): void {
    this.#options.plane.activate(gateway, epoch);
    this.#ikeProbe.forget();
    if (this.#relay !== undefined) this.#relay.pathChanged();
    else void this.#useVirtualAddress(gateway);
  }

  #probe(gateway: number, id: number): void {
    if (this.#relay !== undefined) {
      if (this.#relay.bound) this.#options.plane.probe(gateway, id);
      return;
    }
    this.#ikeProbe.due(id, monotonicMs());
    this.#gateways.at(gateway).tunnel?.probe();
  }

  #wait(waitMs: number): void {
    if (this.#milestones.connected || this.#options.persist) {
      this.#waiting = true;
      this.#options.emit({ event: 'waiting', ms: Math.round(waitMs) });
      return;
    }
    this.#reject(this.#gateways.summary());
  }

  // --- What became of it

  #tunnelUp(gateway: number, address: string, virtualAddress: string): void {
    const record = this.#gateways.at(gateway);
    record.virtualAddress = virtualAddress;
    this.#options.emit({
      event: 'tunnel-up',
      gateway: this.#gateways.nameOf(gateway),
      address,
      virtualAddress,
      ms: Math.round(monotonicMs() - record.startedAt),
    });
    this.#apply(this.#policy.connected(gateway, monotonicMs()));
  }

  #tunnelClosed(gateway: number, error: VpnrError, byPeer: boolean): void {
    if (this.#policy.active === gateway) {
      this.#gateways.at(gateway).lastError = error;
      this.#apply(this.#policy.lost(gateway, byPeer ? 'closed-by-gateway' : 'ike', monotonicMs()));
    } else this.#connectFailed(gateway, error);
  }

  #connectFailed(gateway: number, error: VpnrError): void {
    this.#remember(gateway, error);
    this.#apply(this.#policy.connectFailed(gateway, monotonicMs()));
  }

  #alive(gateway: number, roundTripMs: number | undefined): void {
    if (this.#relay !== undefined || this.#policy.active !== gateway) return;
    const now = monotonicMs();
    const probe = this.#ikeProbe.answered(now);
    if (probe === undefined) return;
    this.#policy.probeReply(gateway, probe.id, roundTripMs ?? probe.waitedMs, now);
  }

  /** Without a relay, the address of the device is the one that the gateway assigned. */
  async #useVirtualAddress(gateway: number): Promise<void> {
    const address = this.#gateways.at(gateway).virtualAddress;
    if (address === undefined) return;
    try {
      await this.#addressing.use(address);
    } catch (error) {
      this.#reject(toVpnrError(error));
      return;
    }
    if (this.#policy.active === gateway) {
      this.#announceConnected(gateway);
      this.#proven(gateway);
    }
  }

  #announceConnected(gateway: number): void {
    this.#milestones.ready(this.#gateways.nameOf(gateway), this.#options.device);
  }

  /** An answer came over this gateway's path. */
  #proven(gateway: number): void {
    if (this.#policy.active === gateway) this.#milestones.proven(this.#gateways.nameOf(gateway));
  }

  // --- The relay

  #createRelayLink(): RelayLink | undefined {
    const { config, relayToken, relayCa, emit } = this.#options;
    const { relay } = config;
    if (relay === undefined || relayToken === undefined) return undefined;
    return new RelayLink(
      {
        connection: config.name,
        identity: config.identity,
        relay,
        token: relayToken,
        ca: relayCa,
        localAddress: CONTROL_ADDRESS,
      },
      {
        session: (binding, ms) => this.#relaySession(binding, ms),
        resumed: (lease, ms) => this.#announceRelay(lease, 'kept', ms),
        notice: message => emit({ event: 'notice', message }),
        lost: (error, away) => this.#relayLost(error, away),
      },
    );
  }

  async #relaySession(binding: RelayBinding, ms: number): Promise<void> {
    const { lease } = binding;
    this.#options.plane.bindRelay(binding);
    await this.#addressing.use(lease);
    const gateway = this.#policy.active;
    if (gateway === undefined || this.#stopped) return;
    this.#announceRelay(lease, 'fresh', ms);
    this.#policy.relayBack(monotonicMs());
    this.#announceConnected(gateway);
    this.#apply([]);
  }

  #announceRelay(lease: string, keys: 'fresh' | 'kept', ms: number): void {
    const gateway = this.#policy.active;
    if (gateway === undefined) return;
    this.#options.emit({
      event: 'relay-session',
      gateway: this.#gateways.nameOf(gateway),
      lease,
      keys,
      ms: Math.round(ms),
    });
  }

  #relayLost(error: VpnrError, away: boolean): void {
    const gateway = this.#policy.active;
    if (this.#stopped || gateway === undefined) return;
    this.#options.emit({
      event: 'relay-lost',
      gateway: this.#gateways.nameOf(gateway),
      code: error.code,
      message: error.message,
    });
    // Another gateway cannot help with a refusal.
    if (!this.#milestones.connected && !this.#options.persist && error.exitStatus !== 5) {
      this.#reject(error);
      return;
    }
    if (this.#relay?.bound === false) {
      this.#gateways.at(gateway).lastError = error;
      this.#apply(this.#policy.lost(gateway, 'relay-unreachable', monotonicMs()));
    } else if (away) {
      this.#policy.relayAway(monotonicMs());
      this.#apply([]);
    }
  }

  #remember(gateway: number, error: VpnrError): void {
    const record = this.#gateways.at(gateway);
    record.failures++;
    record.lastError = error;
    this.#options.emit({
      event: 'connect-failed',
      gateway: this.#gateways.nameOf(gateway),
      code: error.code,
      message: error.message,
      ms: Math.round(monotonicMs() - record.startedAt),
    });
  }

  status(): ConnectionStatus {
    const { config, device, plane } = this.#options;
    const { active } = this.#policy;
    return {
      role: 'client',
      name: config.name,
      pid: process.pid,
      state: this.#state(),
      gateway: active === undefined ? null : this.#gateways.nameOf(active),
      device: device.name,
      address: device.address ?? null,
      mtu: device.mtu,
      uptimeMs: this.#milestones.uptimeMs,
      switches: this.#milestones.switches,
      gateways: this.#gateways.statuses(this.#policy),
      relay: this.#relay?.status ?? null,
      offloads: plane.offloads(),
      traffic: trafficOf(plane.counters()),
    };
  }

  #state(): ConnectionStatus['state'] {
    if (this.#stopped) return 'disconnecting';
    if (this.#waiting) return 'waiting';
    if (this.#policy.active !== undefined && this.#milestones.connected) return 'connected';
    return this.#milestones.connected ? 'switching' : 'connecting';
  }
}
