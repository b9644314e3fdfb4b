/** What every program that is measured can do, whoever made it. */
import { VpnrError } from '../../errors.js';
import { findProgram } from '../../lab/command.js';
import type { Host, LinkPlan } from '../../lab/index.js';

/** In the order in which they are shown. */
export const SYSTEMS = [
  'vpnr',
  'vpnr-relay',
  'vpnr-relay-sealed',
  'openvpn',
  'wireguard-go',
  'strongswan',
  'veth',
] as const;

export type System = (typeof SYSTEMS)[number];

/** The addresses of the pair of interfaces that joins client and gateway: what a tunnel runs over. */
export const CLIENT_ADDRESS = '198.51.100.2';
export const GATEWAY_ADDRESS = '198.51.100.10';
export const PREFIX_LENGTH = 24;

/** The gateway's address on the network behind it, for those whose tunnels lead to a network. */
export const INSIDE_ADDRESS = '10.20.0.1';
export const INSIDE_NETWORK = '10.20.0.0/16';
/** The gateway's host is the relay's, too: this is the relay's address, and this a server's. */
export const RELAY_ADDRESS = '10.20.0.100';
export const SERVER_ADDRESS = '10.30.0.10';
export const SERVER_NETWORK = '10.30.0.0/24';

/** On the network behind the gateway there is nobody else. */
export const INSIDE: LinkPlan = {
  addresses: [`${INSIDE_ADDRESS}/16`, `${RELAY_ADDRESS}/16`, `${SERVER_ADDRESS}/24`],
};

/** Two hosts, joined by nothing but a pair of interfaces. */
export interface Site {
  client: Host;
  gateway: Host;
}

/** A tunnel between the two, or what stands for one. */
export interface Tunnel {
  /** The gateway's address that is reached through the tunnel. */
  address: string;
  /** Process ids of the programs at the client's end and at the gateway's; none where the kernel does it alone. */
  client: readonly number[];
  gateway: readonly number[];
}

/** A program that can be measured. */
export interface Peer {
  readonly system: System;
  /** Why it cannot be measured on this machine, or undefined when it can. */
  obstacle(): string | undefined;
  /** As it says itself. */
  version(): Promise<string>;
  /** Starts both ends. They end with their hosts. Throws VpnrError with one line of reason when they do not start. */
  start(site: Site): Promise<Tunnel>;
}

/** Why a program cannot be run, or undefined when it can. */
export function programObstacle(program: string): string | undefined {
  return findProgram(program) === undefined ? `not installed: ${program}` : undefined;
}

/** The ids of programs that run; throws LAB_FAILED where one has ended. */
export function pidsOf(...programs: readonly { pid: number | undefined }[]): number[] {
  return programs.map(({ pid }) => {
    if (pid === undefined) throw new VpnrError('LAB_FAILED', 'a program has ended');
    return pid;
  });
}
