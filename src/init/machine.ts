/** What can be guessed of this machine's place in the network, for defaults. */
import { hostname, networkInterfaces } from 'node:os';
import { formatPrefix, parsePrefix } from '../prefix.js';

export interface LocalAddress {
  address: string;
  /** In CIDR notation. */
  network: string;
}

/** Its IPv4 addresses, loopback and tunnels of vpnr's own left out. */
export function localAddresses(): LocalAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([device, addresses = []]) =>
    device.startsWith('vpnr')
      ? []
      : addresses
          .filter(({ family, internal, cidr }) => family === 'IPv4' && !internal && cidr !== null)
          .map(({ address, cidr }) => ({ address, network: formatPrefix(parsePrefix(cidr ?? address)) })),
  );
}

export function machineName(): string {
  return hostname();
}
