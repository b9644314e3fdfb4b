/** strongSwan's configuration language (strongswan.conf, swanctl.conf), and the configurations used here. */

import type { GatewayIdentity } from './gateway.js';

/** A section: settings and further sections, by name. */
export interface Block {
  [name: string]: string | Block;
}

export function formatConfiguration(block: Block, indent = ''): string {
  return Object.entries(block)
    .map(([name, value]) =>
      typeof value === 'string'
        ? `${indent}${name} = ${value}\n`
        : `${indent}${name} {\n${formatConfiguration(value, `${indent}  `)}${indent}}\n`,
    )
    .join('');
}

export interface GatewayOptions extends GatewayIdentity {
  /** What clients may reach: one of the gateway's own addresses must be inside. */
  networks?: readonly string[];
  ikeProposals?: readonly string[];
  espProposals?: readonly string[];
  /** Handed to clients. */
  dns?: readonly string[];
  /** Seconds after which the gateway begins to rekey; its own hours when absent. */
  rekey?: { childSeconds?: number; ikeSeconds?: number };
  /** Seconds of silence after which the gateway asks whether the client is there. */
  dpdSeconds?: number;
  /** Packets; charon's 32 when absent. */
  replayWindow?: number;
  /** False: without MOBIKE. */
  mobike?: boolean;
  /** False: it joins networks and assigns no addresses; clients are expected to have one of `pool`. */
  assigns?: boolean;
}

export const IKE_PROPOSALS = ['chacha20poly1305-prfsha256-curve25519', 'aes256gcm16-prfsha256-curve25519'];
export const ESP_PROPOSALS = ['chacha20poly1305', 'aes256gcm16'];

/** Between the beginning of a rekey and the end of what it replaces. */
const REKEY_MARGIN_SECONDS = 60;

/** A gateway for road warriors: pre-shared keys, an address from a pool unless told otherwise, ESP in UDP always. */
export function gatewayConfiguration(options: GatewayOptions): Block {
  const { identity, clients, rekey = {}, assigns = true } = options;
  const child: Block = {
    local_ts: (options.networks ?? ['0.0.0.0/0']).join(','),
    ...(assigns ? {} : { remote_ts: options.pool }),
    esp_proposals: (options.espProposals ?? ESP_PROPOSALS).join(','),
    ...(rekey.childSeconds === undefined
      ? {}
      : { ...rekeyTime(rekey.childSeconds), life_time: `${rekey.childSeconds + REKEY_MARGIN_SECONDS}s` }),
    ...(options.replayWindow === undefined ? {} : { replay_window: `${options.replayWindow}` }),
  };
  const connection: Block = {
    version: '2',
    proposals: (options.ikeProposals ?? IKE_PROPOSALS).join(','),
    encap: 'yes',
    fragmentation: 'yes',
    ...(options.mobike === false ? { mobike: 'no' } : {}),
    ...(assigns ? { pools: 'clients' } : {}),
    // A client that comes back after its own failure is not held up by the association it has lost.
    unique: 'replace',
    ...(rekey.ikeSeconds === undefined
      ? {}
      : { ...rekeyTime(rekey.ikeSeconds), over_time: `${REKEY_MARGIN_SECONDS}s` }),
    ...(options.dpdSeconds === undefined ? {} : { dpd_delay: `${options.dpdSeconds}s` }),
    local: { auth: 'psk', id: identity },
    children: { networks: child },
  };
  // A connection for each client, so that a stranger has none.
  const connections = clients.map((client, index) => [
    `client-${index + 1}`,
    { ...connection, remote: { auth: 'psk', id: client.identity } },
  ]);
  return {
    connections: Object.fromEntries(connections) as Block,
    pools: {
      clients: {
        addrs: options.pool,
        ...(options.dns === undefined ? {} : { dns: options.dns.join(',') }),
      },
    },
    secrets: Object.fromEntries(
      clients.map((client, index) => [
        `ike-${index + 1}`,
        { 'id-1': identity, 'id-2': client.identity, secret: JSON.stringify(client.psk) },
      ]),
    ),
  };
}

export interface RoadWarriorOptions {
  identity: string;
  psk: string;
  gateway: { address: string; identity: string };
  /** What goes through the tunnel. */
  networks: readonly string[];
  /** Seconds after which the client begins to rekey; its own hours when absent. */
  rekey?: { childSeconds: number; ikeSeconds: number };
}

/** The connection's and the child's name in `roadWarriorConfiguration`. */
export const ROAD_WARRIOR = 'gateway';

/** A client of `gatewayConfiguration`, that takes its address from the gateway. */
export function roadWarriorConfiguration(options: RoadWarriorOptions): Block {
  const { identity, gateway, rekey } = options;
  return {
    connections: {
      [ROAD_WARRIOR]: {
        version: '2',
        proposals: IKE_PROPOSALS.join(','),
        encap: 'yes',
        vips: '0.0.0.0',
        remote_addrs: gateway.address,
        remote_port: '4500',
        local_port: '4500',
        ...(rekey === undefined ? {} : { ...rekeyTime(rekey.ikeSeconds), over_time: '60s' }),
        local: { auth: 'psk', id: identity },
        remote: { auth: 'psk', id: gateway.identity },
        children: {
          [ROAD_WARRIOR]: {
            remote_ts: options.networks.join(','),
            esp_proposals: ESP_PROPOSALS.join(','),
            // Or it would end so shortly after the rekeying began that seconds are too coarse to tell them apart.
            ...(rekey === undefined ? {} : { ...rekeyTime(rekey.childSeconds), life_time: '60s' }),
          },
        },
      },
    },
    secrets: { 'ike-1': { 'id-1': identity, 'id-2': gateway.identity, secret: JSON.stringify(options.psk) } },
  };
}

/** At exactly this age: charon otherwise takes a random tenth off, so that both ends do not collide. */
function rekeyTime(seconds: number): Block {
  return { rekey_time: `${seconds}s`, rand_time: '0s' };
}
