/** What `vpnr init client` writes: one configuration and the secrets it names. */
import { clientSchema } from '../config/client.js';
import { VpnrError } from '../errors.js';
import type { NewFile } from './files.js';
import type { Invitation, RelayInvitation } from './invitation.js';
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
  const gateways = invitations.flatMap(({ gateway }) => gateway ?? []);
  const [relay, ...others] = invitations.flatMap(entry => entry.relay ?? []);
  const [identity, ...identities] = new Set(invitations.map(({ client }) => client));
  if (identity === undefined || gateways.length === 0) {
    throw new VpnrError('USAGE', 'no invitation is of a gateway', {
      remedy: 'give that of each gateway, in order of preference, and that of the relay',
    });
  }
  if (identities.length > 0)
    throw new VpnrError(
      'USAGE',
      `the invitations are for different clients: ${[identity, ...identities].join(', ')}`,
    );
  if (others.length > 0)
    throw new VpnrError('USAGE', 'there are invitations of several relays: a client has one');
  const wanted =
    routes.length > 0 ? routes : (relay?.networks ?? gateways.flatMap(({ networks }) => networks));
  const configuration = clientConfiguration({
    name,
    identity,
    gateways,
    relay,
    routes: [...new Set(wanted)],
  });
  return [
    { name: CLIENT_FILE, content: configuration, isSecret: false },
    ...gateways.map(gateway => ({
      name: `${gateway.name}.psk`,
      content: `${gateway.psk}\n`,
      isSecret: true,
    })),
    ...(relay === undefined ? [] : [{ name: TOKEN_FILE, content: `${relay.token}\n`, isSecret: true }]),
  ];
}

export interface GatewayPlan {
  name: string;
  address: string;
  identity: string;
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
  relay?: RelayInvitation | undefined;
  routes: readonly string[];
}

/** The text of the configuration. Throws USAGE when `vpnr connect` would not take it. */
export function clientConfiguration({ name, identity, gateways, relay, routes }: ClientPlan): string {
  const configuration = `# vpnr connect -c ${CLIENT_FILE}
name: ${quoted(name)}
identity: ${quoted(identity)}
gateways:    # in order of preference
${gateways.map(describeGateway).join('')}${relay === undefined ? '' : describeRelay(relay)}tunnel:
  routes: ${quoted(routes)}    # what goes through the tunnel
`;
  checked(configuration, clientSchema);
  return configuration;
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
