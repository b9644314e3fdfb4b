/** Looking at the certificate of a relay, and of its authority, before connecting. */
import { X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { describeLife } from '../check/certificate.js';
import type { RelayEntry } from '../config/client.js';
import { formatEndpoint } from '../io/sockaddr.js';
import { lookAtCertificate, readAuthority, trustIn } from '../relay/trust.js';

/** How long a relay may take to show its certificate: most do not answer at all, as they are behind the gateways. */
const RELAY_MS = 2000;

const CA_REMEDY = "set relay.ca to a valid certificate of the relay's authority, or set the clock";
const RELAY_REMEDY = 'have the relay given another certificate (vpnr init relay), or set the clock';

/**
 * What is found of it. A relay behind its gateways is reached through a tunnel only: then it is said that it was not looked at.
 * Throws CERTIFICATE_INVALID, RELAY_CERTIFICATE.
 */
export async function checkRelayCertificate(relay: RelayEntry, folder: string): Promise<string> {
  const ca = relay.ca && readAuthority(resolve(folder, relay.ca));
  const authority =
    ca && `${relay.ca} is ${describeLife(new X509Certificate(ca), relay.ca ?? '', CA_REMEDY)}; `;
  const endpoint = { address: relay.address.host, port: relay.address.port };
  const seen = await lookAtCertificate(endpoint, trustIn(relay, ca), RELAY_MS);
  const found =
    seen === undefined
      ? 'does not answer outside the tunnel, so its certificate is looked at when connecting'
      : `has the expected one, ${describeLife(seen, "the relay's certificate", RELAY_REMEDY)}`;
  return `${authority ?? ''}${formatEndpoint(endpoint)} ${found}`;
}
