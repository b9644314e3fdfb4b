/** What `vpnr init client` writes: one configuration and the secrets it names. */
import { clientSchema } from '../config/client.js';
import { VpnrError } from '../errors.js';
import type { NewFile } from './files.js';
import type { GatewayInvitation, Invitation, RelayInvitation } from './invitation.js';
import { checked } from './server-files.js';
import { quoted } from './yaml.js';

export const CLIENT_FILE = 'client.yaml';
const TOKEN_FILE = 'relay.token';

export interface ClientAnswers {
  /** Of the connection. */
  name: string;
  /** Gateways in order of preference, and at most one relay. */
  invitations: readonly Invitation[];
  /** What goes through the tunnel; what the invitations say when empty. */
  routes: readonly string[];
}

/** Throws USAGE when the invitations do not fit together. */
export function clientFiles({ name, invitations, routes }: ClientAnswers): NewFile[] {
  const { identity, gateways, relay } = combine(invitations);
  if (identity === undefined || gateways.length === 0) {
    throw new VpnrError('USAGE', 'no invitation is of a gateway', {
      remedy: 'give that of each gateway, in order of preference, and that of the relay',
    });
  }
  const wanted =
    routes.length > 0 ? routes : (relay?.networks ?? gateways.flatMap(({ networks }) => networks));
  return plannedFiles({ name, identity, gateways, relay, routes: wanted });
}

/** What several invitations say together. Throws USAGE when they are for different clients, or of several relays. */
export function combine(invitations: readonly Invitation[]): {
  /** The client's; undefined without an invitation. */
  identity: string | undefined;
  gateways: GatewayInvitation[];
  relay: RelayInvitation | undefined;
} {
  const clients = [...new Set(invitations.map(({ client }) => client))];
  if (clients.length > 1)
    throw new VpnrError('USAGE', `the invitations are for different clients: ${clients.join(', ')}`, {
      remedy: 'take those that were made for this one',
    });
  const [relay, ...others] = invitations.flatMap(entry => entry.relay ?? []);
  if (others.length > 0)
    throw new VpnrError('USAGE', 'there are invitations of several relays: a client has one', {
      remedy: 'give one of them',
    });
  return { identity: clients[0], gateways: invitations.flatMap(({ gateway }) => gateway ?? []), relay };
}

export interface GatewayPlan {
  name: string;
  address: string;
  identity: string;
  psk: string | Uint8Array;
  /** What the client is to this one, if something else than to the others. */
  clientIdentity?: string | undefined;
  /** Of the client, where the gateway assigns none. */
  innerAddress?: string | undefined;
  /** Proposals; all that vpnr has when there are none. */
  ike?: readonly string[];
  esp?: readonly string[];
}

export interface ClientPlan {
  name: string;
  identity: string;
  gateways: readonly GatewayPlan[];
  relay: RelayInvitation | undefined;
  routes: readonly string[];
}

/** Throws USAGE when `vpnr connect` would not take the configuration. */
export function plannedFiles(plan: ClientPlan): NewFile[] {
  const { gateways, relay } = plan;
  const configuration = clientConfiguration(plan);
  checked(configuration, clientSchema);
  const secret = (name: string, content: string | Uint8Array) => ({
    name,
    content: Buffer.concat([Buffer.from(content), Buffer.from('\n')]),
    isSecret: true,
  });
  return [
    { name: CLIENT_FILE, content: configuration, isSecret: false },
    ...gateways.map(({ name, psk }) => secret(`${name}.psk`, psk)),
    ...(relay === undefined ? [] : [secret(TOKEN_FILE, relay.token)]),
  ];
}

function clientConfiguration({ name, identity, gateways, relay, routes }: ClientPlan): string {
  return `# vpnr connect -c ${CLIENT_FILE}
name: ${quoted(name)}
identity: ${quoted(identity)}
gateways:    # in order of preference
${gateways.map(describeGateway).join('')}${relay === undefined ? '' : describeRelay(relay)}tunnel:
  routes: ${quoted([...new Set(routes)])}    # what goes through the tunnel
`;
}

function describeGateway({ name, address, identity, ike = [], esp = [], ...rest }: GatewayPlan): string {
  const { clientIdentity, innerAddress } = rest;
  const more = [
    ...(clientIdentity === undefined ? [] : [`    client_identity: ${quoted(clientIdentity)}\n`]),
    ...(innerAddress === undefined ? [] : [`    inner_address: ${quoted(innerAddress)}\n`]),
    ...(ike.length > 0 ? [`    ike: ${quoted(ike)}\n`] : []),
    ...(esp.length > 0 ? [`    esp: ${quoted(esp)}\n`] : []),
  ];
  return `  - name: ${quoted(name)}
    address: ${quoted(address)}
    identity: ${quoted(identity)}
    auth: { psk: { file: ${quoted(`${name}.psk`)} } }
${more.join('')}`;
}

function describeRelay({ address, fingerprint }: RelayInvitation): string {
  return `relay:
  address: ${quoted(address)}    # as seen from behind the gateways
  fingerprint: ${JSON.stringify(fingerprint)}
  token: { file: ${TOKEN_FILE} }
  mode: clear    # sealed: gateways, too, see nothing of what passes
`;
}
