/**
 * Carries out what the failover policy decides: opens and closes tunnels, points the data plane to the active one,
 * keeps the relay session, and reports back to the policy what became of it.
 */
import type { ClientConfig } from '../config/client.js';
import type { ClientDataPlane, RelayBinding } from '../dataplane/api.js';
import { toVpnrError, type VpnrError } from '../errors.js';
import type { FailoverAction } from '../failover/actions.js';
import { Failover } from '../failover/machine.js';
import { heldCapabilities } from '../io/capabilities.js';
import type { NetworkChanges } from '../io/changes.js';
import { monotonicMs } from '../io/clock.js';
import { trafficOf } from '../packet/traffic.js';
import type { Secret } from '../secret.js';
import { Addressing } from './addressing.js';
import { Alarm } from './alarm.js';
import { CONTROL_ADDRESS, type Device } from './device.js';
import type { ConnectionEvent } from './events.js';
import type { KillSwitch } from './kill-switch.js';
import { Milestones } from './milestones.js';
import type { NameService } from './name-service.js';
import { Narrator } from './narrator.js';
import type { NetworkWatch, PathChange } from './network-watch.js';
import { OperatorSwitch, type Switched } from './operator-switch.js';
import { GatewayPaths } from './paths.js';
import { Probing } from './probing.js';
import { RelayLink } from './relay-link.js';
import type { GatewayResolver } from './resolver.js';
import { type ConnectionStatus, describeGateways } from './status.js';
import { failoverOptions, planeSettings } from './timing.js';

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
  watch: NetworkWatch;
  killSwitch: KillSwitch | undefined;
  nameService: NameService;
  /** Go on for ever even if no gateway can be connected in the first round. */
  persist: boolean;
  emit(event: ConnectionEvent): void;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #policy: Failover;
  readonly #alarm = new Alarm(() => this.#apply(this.#policy.tick(monotonicMs())));
  readonly #paths: GatewayPaths;
  readonly #probing: Probing;
  readonly #relay: RelayLink | undefined;
  readonly #milestones: Milestones;
  readonly #narrator: Narrator;
  readonly #operator: OperatorSwitch;
  readonly #addressing: Addressing;
  readonly #pending: FailoverAction[] = [];
  #applying = false;
  #stopped = false;
  #waiting = false;
  #reject: (error: VpnrError) => void = () => {};
  /** Rejects when the connection cannot go on. */
  readonly failure: Promise<never>;

  constructor(options: SupervisorOptions) {
    const { config, plane } = options;
    this.#options = options;
    this.failure = new Promise<never>((_, reject) => {
      this.#reject = reject;
    });
    this.failure.catch(() => {});
    this.#milestones = new Milestones(options.emit);
    this.#addressing = new Addressing(options);
    this.#policy = new Failover(failoverOptions(config), Math.random);
    this.#paths = this.#createPaths();
    this.#narrator = new Narrator(options.emit, gateway => this.#paths.nameOf(gateway));
    this.#relay = this.#createRelayLink();
    this.#probing = new Probing(plane, this.#paths, this.#relay);
    this.#operator = new OperatorSwitch(this.#paths);
  }

  start(): void {
    const { config, plane } = this.#options;
    if (config.relay !== undefined) {
      const { host: address, port } = config.relay.address;
      plane.setRelay({ address, port });
    }
    plane.setFailover(planeSettings(config));
    this.#addressing.begin();
    this.#apply(this.#policy.start(monotonicMs()));
  }

  /** Says goodbye to the relay and to the gateways. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#alarm.clear();
    this.#operator.abandon();
    await this.#relay?.close();
    this.#paths.close();
  }

  /** Moves the traffic to the gateway of this name. Throws USAGE for an unknown one, GATEWAY_TIMEOUT if it does not get there. */
  switchTo(name: string): Promise<Switched> {
    const gateway = this.#paths.named(name);
    const switched = this.#operator.begin(name, gateway === this.#policy.active);
    if (gateway !== undefined) this.#apply(this.#policy.switchTo(gateway, monotonicMs()));
    return switched;
  }

  // --- What the data plane reports

  receiveIke(path: number, datagram: Uint8Array): void {
    if (!this.#stopped) this.#paths.receive(path, datagram);
  }

  /** `heardMsAgo`: when the relay last heard us by the active path. */
  probeReply(path: number, id: number, roundTripMs: number, heardMsAgo: number): void {
    const now = monotonicMs();
    this.#answered(path, id, roundTripMs, now);
    const { active } = this.#policy;
    if (active !== undefined && !this.#stopped)
      this.#apply(this.#policy.relayHeard(active, heardMsAgo + roundTripMs / 2, now));
  }

  /** The relay hears nothing from us by the active path, over which it sends. */
  suspected(): void {
    const { active } = this.#policy;
    if (active !== undefined) this.pathError(active);
  }

  /** The relay answered the first packet over the path that was made active, or did not in time. */
  switched(path: number, answered: boolean): void {
    if (answered && !this.#stopped && this.#policy.active === path) this.#proven(path, monotonicMs());
  }

  /** Packets of applications sent and received so far, by whichever gateway carried them. */
  traffic(sent: number, received: number): void {
    const { active } = this.#policy;
    if (active !== undefined && !this.#stopped)
      this.#apply(this.#policy.traffic(active, sent, received, monotonicMs()));
  }

  /** Anyone on the way can send an ICMP error: the policy makes sure by a quick probe. */
  pathError(path: number): void {
    if (!this.#stopped) this.#apply(this.#policy.pathError(path, monotonicMs()));
  }

  /** The relay is about to stop. */
  drain(): void {
    if (!this.#stopped) this.#relay?.announced();
  }

  // --- What the network watch reports

  /** The interface that carries these paths is down. */
  linkDown(paths: readonly number[]): void {
    if (!this.#stopped) this.#apply(this.#policy.linkDown(paths, monotonicMs()));
  }

  /** These paths' packets leave by another way now, and any gateway may have come within reach or out of it. */
  networkChanged(moved: readonly PathChange[]): void {
    if (this.#stopped) return;
    const now = monotonicMs();
    this.linkDown(moved.filter(({ reachable }) => !reachable).map(({ path }) => path));
    for (const { path, reachable } of moved) {
      if (reachable && !this.#paths.rehome(path)) this.#apply(this.#policy.lost(path, 'link', now));
    }
    this.#apply(this.#policy.refresh(now));
  }

  /** The machine has slept. */
  resumed(sleptMs: number): void {
    if (this.#stopped) return;
    this.#narrator.resumed(sleptMs);
    // A NAT on the way may have forgotten us.
    for (const gateway of this.#paths.up) this.#paths.rehome(gateway);
    this.#apply(this.#policy.refresh(monotonicMs()));
  }

  notice(message: string): void {
    this.#options.emit({ event: 'notice', message });
  }

  fail(error: unknown): void {
    this.#reject(toVpnrError(error));
  }

  // --- What the policy decides

  #apply(actions: readonly FailoverAction[]): void {
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
        void this.#paths.connect(action.gateway);
        return;
      case 'disconnect':
        this.#disconnect(action.gateway);
        return;
      case 'activate':
        this.#activate(action);
        return;
      case 'second':
        this.#options.plane.setSecondPath(action.gateway);
        return;
      case 'probe':
        this.#probing.probe(action.gateway, action.id, monotonicMs());
        return;
      case 'check-gateway':
        this.#paths.probe(action.gateway);
        return;
      case 'failed':
        this.#milestones.failed(this.#paths.nameOf(action.gateway));
        this.#tellFailure(action);
        return;
      case 'standby-failed':
      case 'stuck':
        this.#tellFailure(action);
        return;
      case 'blame':
      case 'recovered':
        this.#narrator.found(action);
        return;
      case 'wait':
        this.#wait(action.waitMs);
        return;
    }
  }

  #tellFailure(failure: Extract<FailoverAction, { type: 'failed' | 'standby-failed' | 'stuck' }>): void {
    this.#paths.blame(failure.gateway);
    this.#narrator.found(failure);
  }

  #disconnect(gateway: number): void {
    this.#paths.disconnect(gateway);
    if (this.#policy.active !== undefined) return;
    this.#options.plane.activate(undefined, 0);
    this.#relay?.pathLost();
  }

  #activate({ gateway, epoch, cause }: Extract<FailoverAction, { type: 'activate' }>): void {
    // All but a failure leave a path that still works.
    this.#options.plane.activate(
      gateway,
      epoch,
      cause === 'failure' || cause === 'start' ? 'failed' : 'alive',
    );
    this.#milestones.activated(this.#paths.nameOf(gateway), cause);
    if (this.#relay !== undefined) this.#relay.pathChanged();
    else void this.#useVirtualAddress(gateway);
    if (this.#milestones.connected) this.#useNameServers(gateway);
  }

  #wait(waitMs: number): void {
    if (this.#milestones.connected || this.#options.persist) {
      this.#waiting = true;
      this.#narrator.waiting(waitMs);
      return;
    }
    this.#reject(this.#paths.summary());
  }

  // --- What becomes of the tunnels

  #createPaths(): GatewayPaths {
    return new GatewayPaths(this.#options, {
      connecting: (gateway, address) => this.#narrator.connecting(gateway, address),
      up: (gateway, address, virtualAddress, ms) => {
        this.#narrator.tunnelUp(gateway, address, virtualAddress, ms);
        this.#probing.renewed(gateway);
        this.#apply(this.#policy.connected(gateway, monotonicMs()));
      },
      connectFailed: (gateway, error, ms) => {
        this.#narrator.connectFailed(gateway, error, ms);
        this.#apply(this.#policy.connectFailed(gateway, monotonicMs()));
      },
      lost: (gateway, _, byPeer) =>
        this.#apply(this.#policy.lost(gateway, byPeer ? 'closed-by-gateway' : 'ike', monotonicMs())),
      drain: gateway => this.#drained(gateway),
      alive: (gateway, roundTripMs) => this.#alive(gateway, roundTripMs),
    });
  }

  #drained(gateway: number): void {
    this.#narrator.drain(gateway);
    this.#apply(this.#policy.drain(gateway, monotonicMs()));
  }

  #alive(gateway: number, roundTripMs: number | undefined): void {
    const now = monotonicMs();
    if (this.#relay !== undefined) {
      this.#apply(this.#policy.gatewayAlive(gateway, now));
      return;
    }
    const probe = this.#probing.gatewayAnswered(gateway, now);
    if (probe !== undefined) this.#answered(gateway, probe.id, roundTripMs ?? probe.waitedMs, now);
  }

  /** A probe's answer came over this gateway's path. */
  #answered(gateway: number, id: number, roundTripMs: number, now: number): void {
    if (this.#stopped) return;
    this.#apply(this.#policy.probeReply(gateway, id, roundTripMs, now));
    if (this.#policy.active === gateway) this.#proven(gateway, now - roundTripMs);
  }

  /** The active path answered what was sent at `sentAt`. */
  #proven(gateway: number, sentAt: number): void {
    const name = this.#paths.nameOf(gateway);
    const ms = this.#milestones.proven(name, sentAt);
    if (ms !== undefined) this.#operator.switched(name, ms);
  }

  /** Without a relay, the address of the device is the one that the gateway assigned. */
  async #useVirtualAddress(gateway: number): Promise<void> {
    const address = this.#paths.virtualAddressOf(gateway);
    if (address === undefined) return;
    try {
      await this.#addressing.use(address);
    } catch (error) {
      this.#reject(toVpnrError(error));
      return;
    }
    if (this.#policy.active === gateway) {
      this.#announceConnected(gateway);
      this.#proven(gateway, monotonicMs());
    }
  }

  #announceConnected(gateway: number): void {
    this.#milestones.ready(this.#paths.nameOf(gateway), this.#options.device);
    this.#useNameServers(gateway);
  }

  #useNameServers(gateway: number): void {
    this.#options.nameService.use(this.#paths.nameServersOf(gateway));
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
        leaving: () => this.#narrator.relayDrain(),
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
    this.#announceConnected(gateway);
    this.#apply(this.#policy.relayBound(monotonicMs()));
  }

  #announceRelay(lease: string, keys: 'fresh' | 'kept', ms: number): void {
    const gateway = this.#policy.active;
    if (gateway === undefined) return;
    this.#narrator.relaySession(gateway, lease, keys, ms);
  }

  #relayLost(error: VpnrError, away: boolean): void {
    const gateway = this.#policy.active;
    if (this.#stopped || gateway === undefined) return;
    this.#narrator.relayLost(gateway, error);
    // Another gateway cannot help with a refusal.
    if (!this.#milestones.connected && !this.#options.persist && error.exitStatus !== 5) {
      this.#reject(error);
      return;
    }
    const now = monotonicMs();
    if (this.#relay?.bound === false) {
      this.#paths.blame(gateway, error);
      this.#apply(this.#policy.relayUnreachable(gateway, now));
    } else if (away) {
      this.#apply(this.#policy.relayAway(now));
    }
  }

  // --- Status

  status(): ConnectionStatus {
    const { config, device, plane } = this.#options;
    const { active } = this.#policy;
    return {
      role: 'client',
      name: config.name,
      pid: process.pid,
      state: this.#state(),
      gateway: active === undefined ? null : this.#paths.nameOf(active),
      device: device.name,
      address: device.address ?? null,
      mtu: device.mtu,
      uptimeMs: this.#milestones.uptimeMs,
      switches: this.#milestones.switches,
      failover: config.failover.mode,
      gateways: describeGateways(config.gateways.length, this.#paths, this.#policy),
      relay: this.#relay?.status ?? null,
      killSwitch: this.#options.killSwitch !== undefined,
      capabilities: heldCapabilities(),
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
