/** `client.yaml`: what `vpnr connect` needs to know. */
import * as z from 'zod';
import {
  DEFAULT_IKE_PROPOSALS,
  deviceName,
  durationBetween,
  ESP_SUITES,
  espSuite,
  fingerprint,
  hostPort,
  ikeProposal,
  ipv4Host,
  ipv4Port,
  name,
  network,
  secretSource,
  section,
  word,
} from './values.js';

export const IKE_PORT = 4500;
export const RELAY_PORT = 7511;

const gateway = section({
  name,
  address: hostPort(IKE_PORT),
  identity: z.string().min(1),
  auth: section({ psk: secretSource }),
  ike: z
    .array(ikeProposal)
    .min(1)
    .default([...DEFAULT_IKE_PROPOSALS]),
  esp: z
    .array(espSuite)
    .min(1)
    .default([...ESP_SUITES]),
});

const relay = section({
  /** Sessions are for IPv4. */
  address: ipv4Port(RELAY_PORT),
  fingerprint: fingerprint.optional(),
  ca: z.string().min(1).optional(),
  token: secretSource,
  mode: word('clear', 'ipip').default('clear'),
  trust_network: z.boolean().default(false),
})
  .refine(value => (value.fingerprint === undefined) !== (value.ca === undefined), {
    error: 'expected either "fingerprint" or "ca", so that the relay can be recognised',
  })
  .refine(value => value.mode !== 'ipip' || value.trust_network, {
    path: ['mode'],
    error: 'mode ipip sends packets without authentication to the relay: it needs "trust_network: true"',
  });

const tunnel = section({
  device: deviceName.default('vpnr0'),
  driver: word('koffi', 'tuntap2').default('koffi'),
  routes: z.array(network).default([]),
  mtu: z
    .union([z.literal('auto'), z.int().min(576).max(9000)], {
      error: 'expected "auto" or a number from 576 to 9000',
    })
    .default('auto'),
  address: ipv4Host.optional(),
});

const failover = section({
  /** Only `cold` is carried out so far; `connect` says so when another one is asked for. */
  mode: word('cold', 'standby', 'replay', 'duplicate').default('cold'),
  probe: section({
    interval: durationBetween(10, 60_000, 'from 10ms to 60s').default(25),
    misses: z.int().min(1).max(100).default(3),
  }).prefault({}),
});

export const lifetimes = section({
  ike: durationBetween(10_000, 86_400_000, 'from 10s to 1d').default(4 * 3_600_000),
  child: durationBetween(10_000, 86_400_000, 'from 10s to 1d').default(3_600_000),
});

export const clientSchema = section({
  name,
  identity: z.string().min(1),
  gateways: z
    .array(gateway)
    .min(1, { error: 'expected at least one gateway' })
    .max(16, { error: 'expected at most 16 gateways' })
    .refine(list => new Set(list.map(entry => entry.name)).size === list.length, {
      error: 'two gateways have the same name',
    }),
  relay: relay.optional(),
  tunnel: tunnel.prefault({}),
  failover: failover.prefault({}),
  lifetimes: lifetimes.prefault({}),
});

export type ClientConfig = z.output<typeof clientSchema>;
export type GatewayEntry = ClientConfig['gateways'][number];
export type RelayEntry = NonNullable<ClientConfig['relay']>;
