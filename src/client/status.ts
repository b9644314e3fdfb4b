import type { Offloads } from '../dataplane/offloads.js';
import type { FailoverMode, GatewayState } from '../failover/actions.js';
import type { Failover } from '../failover/machine.js';
import type { Traffic } from '../packet/traffic.js';
import { formatHostPort } from './host-port.js';
import type { GatewayPaths } from './paths.js';

/** What `vpnr status` shows of a connection: plain data, ready for JSON. */
export interface GatewayStatus {
  name: string;
  /** As configured. */
  address: string;
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

export function describeGateways(count: number, paths: GatewayPaths, policy: Failover): GatewayStatus[] {
  return Array.from({ length: count }, (_, gateway) => {
    const { entry, tunnel, failures, lastError } = paths.describe(gateway);
    return {
      name: entry.name,
      address: formatHostPort(entry.address),
      state: policy.stateOf(gateway),
      virtualAddress: tunnel?.virtualAddress ?? null,
      roundTripMs: rounded(policy.smoothedRoundTripMs(gateway)),
      loss: rounded(policy.lossRate(gateway)),
      failures,
      lastError: lastError?.message ?? null,
    };
  });
}

function rounded(value: number | undefined): number | null {
  return value === undefined ? null : Number(value.toFixed(3));
}
