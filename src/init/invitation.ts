/**
 * Invitations: what `vpnr init gateway` and `vpnr init relay` write for each client, and `vpnr init client` reads. One holds all
 * that the client has to know of that machine, its secret included.
 */
import * as z from 'zod';
import { IKE_PORT, RELAY_PORT } from '../config/client.js';
import { parseConfig } from '../config/load.js';
import { fingerprint, hostPort, identity, ipv4Port, name, network, section } from '../config/values.js';
import { VpnrError } from '../errors.js';
import { quoted } from './yaml.js';

const secret = z.string().regex(/^[!-~]{16,256}$/, { error: 'expected a secret of 16 to 256 characters' });
const networks = z.array(network).max(64);

export const invitationSchema = section({
  invitation: z.literal(1, { error: 'expected 1: it is of another release of vpnr' }),
  client: identity,
  gateway: section({ name, address: z.string(), identity, networks, psk: secret })
    .refine(({ address }) => hostPort(IKE_PORT).safeParse(address).success, {
      path: ['address'],
      error: 'expected an address or a host name',
    })
    .optional(),
  relay: section({ address: z.string(), fingerprint, networks, token: secret })
    .refine(({ address }) => ipv4Port(RELAY_PORT).safeParse(address).success, {
      path: ['address'],
      error: 'expected an IPv4 address',
    })
    .optional(),
}).refine(({ gateway, relay }) => (gateway === undefined) !== (relay === undefined), {
  error: 'expected either "gateway" or "relay"',
});

export type Invitation = z.output<typeof invitationSchema>;
export type GatewayInvitation = NonNullable<Invitation['gateway']>;
export type RelayInvitation = NonNullable<Invitation['relay']>;

const HEAD =
  '# An invitation of vpnr. It holds a secret: bring it to the client by a safe way, then remove it here.\n';

/** The text of an invitation. */
export function describeInvitation({ client, gateway, relay }: Invitation): string {
  const { kind, fields } =
    gateway === undefined ? { kind: 'relay', fields: relay ?? {} } : { kind: 'gateway', fields: gateway };
  const lines = Object.entries(fields).map(([key, value]) => `  ${key}: ${quoted(value)}`);
  return `${HEAD}invitation: 1\nclient: ${quoted(client)}\n${kind}:\n${lines.join('\n')}\n`;
}

/** Reads one or several invitations, one behind the other. `file` is for messages. Throws CONFIG_SYNTAX or CONFIG_INVALID. */
export function readInvitations(text: string, file: string): Invitation[] {
  const parts = text.split(/^(?=invitation:)/m).filter(part => !/^(\s*(#.*)?\n)*\s*$/.test(`${part}\n`));
  if (parts.length === 0) {
    throw new VpnrError('CONFIG_INVALID', `${file}: there is no invitation in it`, {
      remedy: 'take the file that `vpnr init gateway` or `vpnr init relay` has written',
    });
  }
  return parts.map(part => parseConfig(part, file, invitationSchema));
}
