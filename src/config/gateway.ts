/** `gateway.yaml`: what `vpnr gateway` needs to know. */
import * as z from 'zod';
import { SELECTORS_MAX } from '../packet/abi.js';
import { contains } from '../prefix.js';
import { IKE_PORT, lifetimes, metrics } from './client.js';
import {
  addressPort,
  deviceName,
  durationBetween,
  identity,
  ipv4Network,
  name,
  nameServers,
  poolNetwork,
  readPrefix,
  secretSource,
  section,
} from './values.js';

/** The packet core holds 1024 associations each way, and a client's rekeying needs some at a time. */
export const GATEWAY_CLIENTS_MAX = 250;

export const gatewaySchema = section({
  name: name.default('gateway'),
  listen: addressPort(IKE_PORT),
  identity,
  pool: poolNetwork,
  networks: z
    .array(ipv4Network)
    .min(1, { error: 'expected at least one network that clients may reach' })
    .max(SELECTORS_MAX, { error: `expected at most ${SELECTORS_MAX} networks` }),
  clients: z
    .array(section({ identity, psk: secretSource }))
    .min(1, { error: 'expected at least one client' })
    .max(GATEWAY_CLIENTS_MAX, { error: `expected at most ${GATEWAY_CLIENTS_MAX} clients` })
    .refine(list => new Set(list.map(entry => entry.identity)).size === list.length, {
      error: 'two clients have the same identity',
    }),
  /** Handed out to clients. */
  dns: nameServers.prefault({}),
  device: deviceName.default('vpnr-gateway0'),
  lifetimes: lifetimes.prefault({}),
  metrics,
  silence: durationBetween(5000, 3_600_000, 'from 5s to 1h').default(30_000),
})
  .refine(({ pool, networks }) => !networks.some(network => lies(network, pool)), {
    path: ['networks'],
    error: 'one of the networks lies in the pool: clients would reach other clients in its place',
  })
  .refine(({ pool, listen }) => !lies(listen.host, pool), {
    path: ['pool'],
    error: 'the address that the gateway listens on lies in the pool',
  });

/** Whether an address or network lies in another; what could not be read does not. */
function lies(inner: string, outer: string): boolean {
  const [part, whole] = [readPrefix(inner), readPrefix(outer)];
  return part !== undefined && whole !== undefined && contains(whole, part);
}

export type GatewayConfig = z.output<typeof gatewaySchema>;
