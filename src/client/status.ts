import { hostAndPort } from '../address.js';
import type { ClientConfig } from '../config/client.js';
import type { ClientDataPlane } from '../dataplane/api.js';
import type { Offloads } from '../dataplane/offloads.js';
import type { FailoverMode, GatewayState } from '../failover/actions.js';
import type { Failover } from '../failover/machine.js';
import { heldCapabilities } from '../io/capabilities.js';
import { type Traffic, trafficOf } from '../packet/traffic.js';
import type { Face } from './device.js';
import type { Milestones } from './milestones.js';
import type { GatewayPaths } from './paths.js';

/** What `vpnr status` shows of a connection: plain data, ready for JSON. */
export interface GatewayStatus {
  name: string;
  /** As configured. */
  address: string;
  /** What we are to it. */
  identity: string;
  state: GatewayState;
  virtualAddress: string | null;
  roundTripMs: number | null;
  /** Share of the probes that were lost lately, from 0 to 1. */
  loss: number | null;
  /** Times it failed or could not be connected. */
  failures: number;
  lastError: string | null;
}

export interface ConnectionStatus {
  role: 'client';
  name: string;
  /** By which the relay knows it, and gateways that know it by no other. */
  identity: string;
  pid: number;
  state: 'connecting' | 'connected' | 'switching' | 'waiting' | 'disconnecting';
  /** The gateway that carries the traffic. */
  gateway: string | null;
  device: string;
  /** What applications see. */
  address: string | null;
  mtu: number;
  uptimeMs: number;
  switches: number;
  /** What happens when a gateway fails. */
  failover: FailoverMode;
  gateways: GatewayStatus[];
  relay: { address: string; mode: string; connected: boolean; lease: string | null } | null;
  /** Nothing leaves beside the tunnel. */
  killSwitch: boolean;
  /** Rights that a thread of it holds. */
  capabilities: string[];
  /** In use: packets of up to 64 KiB from and to the device; datagrams sent and received many at a time. */
  offloads: Offloads;
  traffic: Traffic;
}

/** The parts of a connection that its status tells of. */
export interface Described {
  config: ClientConfig;
  device: Face;
  plane: ClientDataPlane;
  policy: Failover;
  paths: GatewayPaths;
  milestones: Milestones;
  relay: ConnectionStatus['relay'];
  /** It has been asked to end. */
  stopped: boolean;
  /** No gateway can be connected, and none is tried now. */
  waiting: boolean;
}

export function describeConnection(described: Described): ConnectionStatus {
  const { config, device, plane, policy, paths, milestones, relay } = described;
  const { active } = policy;
  return {
    role: 'client',
    name: config.name,
    identity: config.identity,
    pid: process.pid,
    state: stateOf(described),
    gateway: active === undefined ? null : paths.nameOf(active),
    device: device.name,
    address: device.address ?? null,
    mtu: device.mtu,
    uptimeMs: milestones.uptimeMs,
    switches: milestones.switches,
    failover: config.failover.mode,
    gateways: config.gateways.map((_, gateway) => describeGateway(gateway, config.identity, paths, policy)),
    relay,
    killSwitch: config.tunnel.kill_switch,
    capabilities: heldCapabilities(),
    offloads: plane.offloads(),
    traffic: trafficOf(plane.counters()),
  };
}

function stateOf({ stopped, waiting, policy, milestones }: Described): ConnectionStatus['state'] {
  if (stopped) return 'disconnecting';
  if (waiting) return 'waiting';
  if (policy.active !== undefined && milestones.connected) return 'connected';
  return milestones.connected ? 'switching' : 'connecting';
}

function describeGateway(
  gateway: number,
  identity: string,
  paths: GatewayPaths,
  policy: Failover,
): GatewayStatus {
  const { entry, tunnel, failures, lastError } = paths.describe(gateway);
  return {
    name: entry.name,
    address: hostAndPort(entry.address.host, entry.address.port),
    identity: entry.client_identity ?? identity,
    state: policy.stateOf(gateway),
    virtualAddress: tunnel?.virtualAddress ?? null,
    roundTripMs: rounded(policy.smoothedRoundTripMs(gateway)),
    loss: rounded(policy.lossRate(gateway)),
    failures,
    lastError: lastError?.message ?? null,
  };
}

function rounded(value: number | undefined): number | null {
  return value === undefined ? null : Number(value.toFixed(3));
}
