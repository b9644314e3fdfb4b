/** What every kind of gateway in the laboratory can do. */
import type { Host } from './host.js';

export interface Gateway {
  readonly host: Host;
  /** Of its process, while it runs. */
  readonly pid: number | undefined;
  /** Resolves when it takes connections. */
  start(): Promise<void>;
  /** SIGTERM: it deletes its associations, telling its peers. */
  stop(): Promise<void>;
  /** SIGKILL: no DELETE, no goodbye. */
  kill(): Promise<void>;
  /** SIGSTOP: the process stays, its sockets stay, nothing is answered. */
  freeze(): void;
  thaw(): void;
}

/** Who may connect, and as what the gateway answers. */
export interface GatewayIdentity {
  identity: string;
  /** Addresses for clients, in CIDR notation. */
  pool: string;
  clients: readonly { identity: string; psk: string }[];
}

export interface GatewaySite extends GatewayIdentity {
  /** Where clients find it. */
  address: string;
}
