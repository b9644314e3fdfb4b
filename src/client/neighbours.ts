/** Other connections that run on this machine. */

import { hostAndPort } from '../address.js';
import type { ClientConfig } from '../config/client.js';
import { ask, runningNames } from '../control/client.js';
import { VpnrError } from '../errors.js';
import type { ConnectionStatus } from './status.js';

/**
 * A gateway takes whoever proves the same identity for the same client, connected anew (RFC 7296, 2.4), and ends the tunnel of
 * before: two connections would take each other's tunnels away without end. Throws ALREADY_RUNNING where another one has one.
 */
export async function refuseSharedIdentity({ name, identity, gateways }: ClientConfig): Promise<void> {
  for (const other of runningNames()) {
    if (other === name) continue;
    // Whoever does not answer has ended, or is none of ours.
    const status = await ask<ConnectionStatus>(other, { command: 'status' }).catch(() => undefined);
    if (status?.role !== 'client') continue;
    const place = (address: string, own: string) => `${own} at ${address}`;
    const taken = new Set(status.gateways.map(entry => place(entry.address, entry.identity)));
    const shared = gateways.find(({ address, client_identity: own = identity }) =>
      taken.has(place(hostAndPort(address.host, address.port), own)),
    );
    if (shared === undefined) continue;
    throw new VpnrError(
      'ALREADY_RUNNING',
      `"${other}" uses the gateway ${shared.name} (${hostAndPort(shared.address.host, shared.address.port)}) as ${shared.client_identity ?? identity} already, and a gateway keeps one tunnel for each client`,
      {
        remedy: `give this connection an identity and a key of its own at that gateway, or other gateways; or add its routes to those of "${other}"`,
      },
    );
  }
}
