import type { Offloads } from '../dataplane/offloads.js';
import type { Traffic } from '../packet/traffic.js';

/** What `vpnr status` shows of a connection: plain data, ready for JSON. */
export interface GatewayStatus {
  name: string;
  /** As configured. */
  address: string;
  state: 'active' | 'suspect' | 'connecting' | 'down';
  virtualAddress: string | null;
  roundTripMs: number | null;
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
  gateways: GatewayStatus[];
  relay: { address: string; mode: string; connected: boolean; lease: string | null } | null;
  /** In use: packets of up to 64 KiB from and to the device; datagrams sent and received many at a time. */
  offloads: Offloads;
  traffic: Traffic;
}
