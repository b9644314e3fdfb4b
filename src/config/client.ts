/** `client.yaml`: what `vpnr connect` needs to know. */
import * as z from 'zod';
import {
  addressPort,
  bytesBetween,
  DEFAULT_IKE_PROPOSALS,
  deviceName,
  dscp,
  durationBetween,
  ESP_SUITES,
  espSuite,
  fingerprint,
  hostPort,
  ikeProposal,
  ipv4Host,
  ipv4Port,
  name,
  nameServers,
  network,
  protocol,
  secretSource,
  section,
  word,
} from './values.js';

export const IKE_PORT = 4500;
export const RELAY_PORT = 7511;
const METRICS_PORT = 9108;

/** Where figures for Prometheus are served, if anywhere. */
export const metrics = addressPort(METRICS_PORT).optional();

const gateway = section({
  name,
  address: hostPort(IKE_PORT),
  identity: z.string().min(1),
  /** What we are to this one, if not `identity` of the connection. */
  client_identity: z.string().min(1).optional(),
  auth: section({ psk: secretSource }),
  /** For gateways that assign no address: the one that they expect us to have in the tunnel. */
  inner_address: ipv4Host.optional(),
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
  mode: word('clear', 'sealed', 'ipip').default('clear'),
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
  kill_switch: z.boolean().default(false),
  /** `auto`: those that the gateway assigns. */
  dns: z
    .union(
      [
        word('auto', 'off'),
        nameServers.refine(({ servers }) => servers.length > 0, { error: 'expected at least one server' }),
      ],
      { error: 'expected auto, off or { servers: [ADDRESS, ...], search: [DOMAIN, ...] }' },
    )
    .default('auto'),
});

/** Traffic of which two copies are sent: by the port at either end, the IP protocol, the DSCP, or several of them at once. */
const flow = section({
  port: z.int().min(1).max(65535).optional(),
  protocol: protocol.optional(),
  dscp: dscp.optional(),
}).refine(rule => rule.port !== undefined || rule.protocol !== undefined || rule.dscp !== undefined, {
  error: 'expected at least one of port, protocol and dscp',
});

const failover = section({
  /** Unless given `replay` with a relay that numbers packets, else `standby`. */
  mode: word('cold', 'standby', 'replay', 'duplicate').optional(),
  probe: section({
    /** Of the active path while traffic flows. */
    interval: durationBetween(10, 60_000, 'from 10ms to 60s').default(25),
    misses: z.int().min(1).max(100).default(3),
    /** Of the other paths while traffic flows. */
    standby: durationBetween(10, 60_000, 'from 10ms to 60s').default(500),
    /** Of any path that has been without traffic for long. */
    idle: durationBetween(1000, 600_000, 'from 1s to 10m').default(15_000),
  }).prefault({}),
  prefer: word('order', 'latency').default('order'),
  failback: z
    .union(
      [
        z.literal('never'),
        section({ after: durationBetween(0, 86_400_000, 'from 0s to 1d').default(60_000) }),
      ],
      { error: 'expected "never" or { after: DURATION }' },
    )
    .prefault({}),
  /** What each end keeps of the packets it sent last. */
  replay: section({
    bytes: bytesBetween(2 ** 16, 2 ** 26, 'from 64KiB to 64MiB').prefault('8MiB'),
    age: durationBetween(100, 30_000, 'from 100ms to 30s').default(2000),
  }).prefault({}),
  /** Mode `duplicate` for these flows only. */
  duplicate: z.array(flow).min(1, { error: 'expected at least one flow' }).max(16).optional(),
}).refine(({ mode, duplicate }) => duplicate === undefined || mode === 'duplicate', {
  path: ['duplicate'],
  error: 'chosen flows need "mode: duplicate"',
});

export const lifetimes = section({
  ike: durationBetween(10_000, 86_400_000, 'from 10s to 1d').default(4 * 3_600_000),
  child: durationBetween(10_000, 86_400_000, 'from 10s to 1d').default(3_600_000),
});

const client = section({
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
  metrics,
});

export const clientSchema = client
  .refine(
    ({ gateways, relay, failover: { mode } }) => {
      const inner = gateways.flatMap(gateway => gateway.inner_address ?? []);
      return relay === undefined || mode === 'cold' || new Set(inner).size === inner.length;
    },
    {
      path: ['gateways'],
      error:
        'two gateways have the same inner_address: the relay tells paths apart by it, so each needs one of its own (but in mode cold)',
    },
  )
  .refine(
    ({ relay, failover: { mode } }) =>
      (mode !== 'replay' && mode !== 'duplicate') || (relay !== undefined && relay.mode !== 'ipip'),
    {
      path: ['failover', 'mode'],
      error:
        'replay and duplicate need a relay that numbers packets (any relay.mode but ipip); standby does without',
    },
  )
  .transform(({ failover: { mode, ...rest }, ...config }) => {
    const numbered = config.relay !== undefined && config.relay.mode !== 'ipip';
    return {
      ...config,
      failover: { ...rest, mode: mode ?? (numbered ? ('replay' as const) : ('standby' as const)) },
    };
  });

export type ClientConfig = z.output<typeof clientSchema>;
export type GatewayEntry = ClientConfig['gateways'][number];
export type RelayEntry = NonNullable<ClientConfig['relay']>;
