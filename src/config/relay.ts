/** `relay.yaml`: what `vpnr relay` needs to know. */
import * as z from 'zod';
import { metrics, RELAY_PORT } from './client.js';
import {
  bytesBetween,
  deviceName,
  durationBetween,
  identity,
  ipv4Port,
  name,
  poolNetwork,
  secretSource,
  section,
} from './values.js';

export const relaySchema = section({
  name: name.default('relay'),
  listen: ipv4Port(RELAY_PORT),
  pool: poolNetwork,
  certificate: z.string().min(1),
  key: z.string().min(1),
  clients: z
    .array(section({ identity, token: secretSource }))
    .min(1, { error: 'expected at least one client' })
    .refine(list => new Set(list.map(entry => entry.identity)).size === list.length, {
      error: 'two clients have the same identity',
    }),
  state: z.string().min(1).optional(),
  trust_network: z.boolean().default(false),
  device: deviceName.default('vpnr-relay0'),
  /** What is kept of the packets sent last, for clients that failover: in all, and for each. */
  replay: section({
    bytes: bytesBetween(2 ** 16, 240 * 2 ** 20, 'from 64KiB to 240MiB').prefault('64MiB'),
    per_client: bytesBetween(2 ** 16, 2 ** 26, 'from 64KiB to 64MiB').prefault('8MiB'),
    age: durationBetween(100, 30_000, 'from 100ms to 30s').default(2000),
  }).prefault({}),
  idle: durationBetween(60_000, 30 * 86_400_000, 'from 1m to 30d').default(86_400_000),
  metrics,
});

export type RelayConfig = z.output<typeof relaySchema>;
