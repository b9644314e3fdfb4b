/** `relay.yaml`: what `vpnr relay` needs to know. */
import * as z from 'zod';
import { RELAY_PORT } from './client.js';
import { deviceName, durationBetween, ipv4Port, name, poolNetwork, secretSource, section } from './values.js';

export const relaySchema = section({
  name: name.default('relay'),
  listen: ipv4Port(RELAY_PORT),
  pool: poolNetwork,
  certificate: z.string().min(1),
  key: z.string().min(1),
  clients: z
    .array(section({ name, token: secretSource }))
    .min(1, { error: 'expected at least one client' })
    .refine(list => new Set(list.map(entry => entry.name)).size === list.length, {
      error: 'two clients have the same name',
    }),
  state: z.string().min(1).optional(),
  trust_network: z.boolean().default(false),
  device: deviceName.default('vpnr-relay0'),
  idle: durationBetween(60_000, 30 * 86_400_000, 'from 1m to 30d').default(86_400_000),
});

export type RelayConfig = z.output<typeof relaySchema>;
