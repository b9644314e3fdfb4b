/**
 * One connection at work: what the data plane, the network and the tunnels report goes to the failover policy;
 * `executor.ts` carries out what that decides, `relay-side.ts` sees to the relay, `presence.ts` to what applications see.
 */
import { toVpnrError, type VpnrError } from '../errors.js';
import { Failover } from '../failover/machine.js';
import type { Secret } from '../secret.js';
import { Addressing } from './addressing.js';
import { type Clock, systemClock } from './clock.js';
import type { Face } from './device.js';
import type { ConnectionEvent } from './events.js';
import { Executor } from './executor.js';
import { Milestones } from './milestones.js';
import type { NameService } from './name-service.js';
import { Narrator } from './narrator.js';
import type { PathChange } from './network-watch.js';
import { OperatorSwitch, type Switched } from './operator-switch.js';
import { GatewayPaths, type PathEvents, type PathsOptions } from './paths.js';
import { PolicyDriver } from './policy-driver.js';
import { Presence } from './presence.js';
import { Probing } from './probing.js';
import type { RelayLinkOptions } from './relay-link.js';
import { RelaySide, type RelaySurroundings } from './relay-side.js';
import { type ConnectionStatus, describeConnection } from './status.js';
import { failoverOptions, planeSettings } from './timing.js';

export interface SupervisorOptions extends PathsOptions {
  relayToken: Secret | undefined;
  relayCa: string | undefined;
  device: Face;
  nameService: Pick<NameService, 'use'>;
  /** Go on for ever even if no gateway can be connected in the first round. */
  persist: boolean;
  emit(event: ConnectionEvent): void;
  relayLink?: Pick<RelayLinkOptions, 'connect' | 'stateFile'>;
  /** Numbers from 0 to 1. */
  random?: () => number;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #clock: Clock;
  readonly #driver: PolicyDriver;
  readonly #paths: GatewayPaths;
  readonly #addressing: Addressing;
  readonly #milestones: Milestones;
  readonly #narrator: Narrator;
  readonly #operator: OperatorSwitch;
  readonly #presence: Presence;
  readonly #relay: RelaySide | undefined;
  readonly #probing: Probing;
  readonly #executor: Executor;
  #reject: (error: VpnrError) => void = () => {};
  /** Rejects when the connection cannot go on. */
  readonly failure: Promise<never>;

  constructor(options: SupervisorOptions) {
    const { config, plane, emit, clock = systemClock, random = Math.random } = options;
    this.#options = options;
    this.#clock = clock;
    this.failure = new Promise<never>((_, reject) => {
      this.#reject = reject;
    });
    this.failure.catch(() => {});
    const policy = new Failover(failoverOptions(config), random);
    const driver = new PolicyDriver(policy, clock, action => this.#executor.carryOut(action));
    const paths = new GatewayPaths(options, this.#pathEvents());
    const parts = {
      ...options,
      clock,
      driver,
      paths,
      addressing: new Addressing(options),
      milestones: new Milestones(emit, clock),
      narrator: new Narrator(emit, gateway => paths.nameOf(gateway)),
      operator: new OperatorSwitch(paths, clock),
      failed: this.#reject,
    };
    const presence = new Presence(parts);
    const relay = createRelaySide({ ...parts, presence }, options);
    const probing = new Probing(plane, paths, relay);
    this.#driver = driver;
    this.#paths = paths;
    this.#addressing = parts.addressing;
    this.#milestones = parts.milestones;
    this.#narrator = parts.narrator;
    this.#operator = parts.operator;
    this.#presence = presence;
    this.#relay = relay;
    this.#probing = probing;
    this.#executor = new Executor({ ...parts, presence, relay, probing });
  }

  start(): void {
    const { config, plane } = this.#options;
    if (config.relay !== undefined) {
      const { host: address, port } = config.relay.address;
      plane.setRelay({ address, port });
    }
    plane.setFailover(planeSettings(config));
    this.#addressing.begin();
    this.#driver.tell((policy, now) => policy.start(now));
  }

  /** Says goodbye to the relay and to the gateways. */
  async stop(): Promise<void> {
    this.#driver.stop();
    this.#operator.abandon();
    this.#paths.closeUnfinished();
    await this.#relay?.close();
    this.#paths.close();
  }

  /** Moves the traffic to the gateway of this name. Throws USAGE for an unknown one, GATEWAY_TIMEOUT if it does not get there. */
  switchTo(name: string): Promise<Switched> {
    const gateway = this.#paths.named(name);
    const switched = this.#operator.begin(name, gateway !== undefined && gateway === this.#active);
    if (gateway !== undefined) this.#driver.tell((policy, now) => policy.switchTo(gateway, now));
    return switched;
  }

  // --- What the data plane reports

  receiveIke(path: number, datagram: Uint8Array): void {
    if (!this.#stopped) this.#paths.receive(path, datagram);
  }

  /** `heardMsAgo`: when the relay last heard us by the active path. */
  probeReply(path: number, id: number, roundTripMs: number, heardMsAgo: number): void {
    this.#answered(path, id, roundTripMs);
    this.#driver.tell((policy, now) => {
      const { active } = policy;
      return active === undefined ? [] : policy.relayHeard(active, heardMsAgo + roundTripMs / 2, now);
    });
  }

  /** The relay hears nothing from us by the active path, over which it sends. */
  suspected(): void {
    if (this.#active !== undefined) this.pathError(this.#active);
  }

  /** The relay answered the first packet over the path that was made active, or did not in time. */
  switched(path: number, answered: boolean): void {
    if (answered) this.#presence.proven(path, this.#clock.now());
  }

  /** Packets of applications sent and received so far, by whichever gateway carried them. */
  traffic(sent: number, received: number): void {
    this.#paths.traffic(sent, received);
    this.#driver.tell((policy, now) => {
      const { active } = policy;
      return active === undefined ? [] : policy.traffic(active, sent, received, now);
    });
  }

  /** Anyone on the way can send an ICMP error: the policy makes sure by a quick probe. */
  pathError(path: number): void {
    this.#driver.tell((policy, now) => policy.pathError(path, now));
  }

  /** The relay is about to stop. */
  drain(): void {
    if (!this.#stopped) this.#relay?.announced();
  }

  // --- What the network watch reports

  /** The interface that carries these paths is down. */
  linkDown(paths: readonly number[]): void {
    this.#driver.tell((policy, now) => policy.linkDown(paths, now));
  }

  /** These paths' packets leave by another way now, and any gateway may have come within reach or out of it. */
  networkChanged(moved: readonly PathChange[]): void {
    if (this.#stopped) return;
    this.linkDown(moved.filter(({ reachable }) => !reachable).map(({ path }) => path));
    for (const { path, reachable } of moved) {
      if (reachable && !this.#paths.rehome(path))
        this.#driver.tell((policy, now) => policy.lost(path, 'link', now));
    }
    this.#driver.tell((policy, now) => policy.refresh(now));
  }

  /** The machine has slept. */
  resumed(sleptMs: number): void {
    if (this.#stopped) return;
    this.#narrator.resumed(sleptMs);
    // A NAT on the way may have forgotten us.
    for (const gateway of this.#paths.up) this.#paths.rehome(gateway);
    this.#driver.tell((policy, now) => policy.refresh(now, true));
  }

  notice(message: string): void {
    this.#narrator.notice(message);
  }

  fail(error: unknown): void {
    this.#reject(toVpnrError(error));
  }

  // --- What becomes of the paths

  #pathEvents(): PathEvents {
    return {
      connecting: (gateway, address) => this.#narrator.connecting(gateway, address),
      up: (gateway, address, virtualAddress, ms) => {
        this.#narrator.tunnelUp(gateway, address, virtualAddress, ms);
        this.#probing.renewed(gateway);
        this.#driver.tell((policy, now) => policy.connected(gateway, now));
      },
      connectFailed: (gateway, error, ms) => {
        this.#narrator.connectFailed(gateway, error, ms);
        this.#driver.tell((policy, now) => policy.connectFailed(gateway, now));
      },
      lost: (gateway, _, byPeer) => {
        const reason = byPeer ? 'closed-by-gateway' : 'ike';
        this.#driver.tell((policy, now) => policy.lost(gateway, reason, now));
      },
      drain: gateway => {
        this.#narrator.drain(gateway);
        this.#driver.tell((policy, now) => policy.drain(gateway, now));
      },
      forgotten: gateway => this.#driver.tell((policy, now) => policy.forgotten(gateway, now)),
      alive: (gateway, roundTripMs) => this.#alive(gateway, roundTripMs),
    };
  }

  #alive(gateway: number, roundTripMs: number | undefined): void {
    if (this.#relay !== undefined) {
      this.#driver.tell((policy, now) => policy.gatewayAlive(gateway, now));
      return;
    }
    const probe = this.#probing.gatewayAnswered(gateway, this.#clock.now());
    if (probe !== undefined) this.#answered(gateway, probe.id, roundTripMs ?? probe.waitedMs);
  }

  /** A probe's answer came over this gateway's path. */
  #answered(gateway: number, id: number, roundTripMs: number): void {
    if (this.#stopped) return;
    const now = this.#clock.now();
    this.#driver.tell(policy => policy.probeReply(gateway, id, roundTripMs, now));
    this.#presence.proven(gateway, now - roundTripMs);
  }

  // --- Status

  /** The gateway that carries the traffic. */
  get #active(): number | undefined {
    return this.#driver.policy.active;
  }

  get #stopped(): boolean {
    return this.#driver.stopped;
  }

  status(): ConnectionStatus {
    return describeConnection({
      ...this.#options,
      policy: this.#driver.policy,
      paths: this.#paths,
      milestones: this.#milestones,
      relay: this.#relay?.status ?? null,
      stopped: this.#stopped,
      waiting: this.#executor.waiting,
    });
  }
}

function createRelaySide(
  surroundings: RelaySurroundings,
  { config, device, relayToken: token, relayCa: ca, relayLink, clock }: SupervisorOptions,
): RelaySide | undefined {
  const { name: connection, identity, relay } = config;
  const { controlAddress: localAddress } = device;
  if (relay === undefined || token === undefined || localAddress === undefined) return undefined;
  const link = { connection, identity, relay, token, ca, localAddress };
  return new RelaySide({ ...link, ...relayLink, ...(clock && { clock }) }, surroundings);
}
