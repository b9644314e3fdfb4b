/** What `vpnr init gateway` and `vpnr init relay` write: configuration, secrets, and an invitation for each client. */
import { createHash, randomBytes } from 'node:crypto';
import { gatewaySchema } from '../config/gateway.js';
import { parseConfig } from '../config/load.js';
import { relaySchema } from '../config/relay.js';
import { name as nameSchema } from '../config/values.js';
import { VpnrError } from '../errors.js';
import { makeCertificate } from './certificate.js';
import type { NewFile } from './files.js';
import { describeInvitation, type Invitation, invitationSchema } from './invitation.js';
import { quoted } from './yaml.js';

/** Bytes of a secret: more than any cipher here uses. */
const SECRET_BYTES = 32;
const CERTIFICATE_DAYS = 3650;

export const GATEWAY_FILE = 'gateway.yaml';
export const RELAY_FILE = 'relay.yaml';

export interface GatewayAnswers {
  /** What clients call it. */
  name: string;
  /** Where clients reach it: an address or a host name. */
  address: string;
  /** The address of this machine that it listens on. */
  listen: string;
  identity: string;
  pool: string;
  networks: readonly string[];
  clients: readonly string[];
}

export interface RelayAnswers {
  /** Where it is reached from behind the gateways; it listens there. */
  address: string;
  pool: string;
  /** What clients reach through it. */
  networks: readonly string[];
  clients: readonly string[];
}

/** In hexadecimal, which no program takes for an encoded secret. */
const makeSecret = () => randomBytes(SECRET_BYTES).toString('hex');

/** An identity as a part of file names: without what could lead elsewhere, or mean something to a shell. */
const fileName = (identity: string) =>
  identity.replace(/[^A-Za-z0-9._@-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '');

export const invitationFile = (client: string, from: string) => `${fileName(client)}.${from}.invitation`;

/** Throws USAGE when an answer does not fit. */
export function gatewayFiles(answers: GatewayAnswers): NewFile[] {
  const { name, address, listen, identity, pool, networks, clients } = answers;
  const secrets = clients.map(client => ({ client, psk: makeSecret(), file: `${fileName(client)}.psk` }));
  const configuration = `# vpnr gateway -c ${GATEWAY_FILE}
listen: ${quoted(listen)}    # UDP port 4500, for IKE and ESP
identity: ${quoted(identity)}    # what it proves to be to clients
pool: ${quoted(pool)}    # virtual addresses for clients; the networks need a route to it by way of this machine
networks: ${quoted(networks)}    # what clients may reach
clients:
${secrets.map(({ client, file }) => `  - { identity: ${quoted(client)}, psk: { file: ${quoted(file)} } }\n`).join('')}`;
  checked(configuration, gatewaySchema);
  // It names files.
  checked(quoted(name), nameSchema, `"${name}": `);
  return withInvitations(
    name,
    [{ name: GATEWAY_FILE, content: configuration, isSecret: false }],
    secrets.map(({ client, psk, file }) => ({
      file,
      secret: psk,
      invitation: {
        invitation: 1,
        client,
        gateway: { name, address, identity, networks: [...networks], psk },
      },
    })),
  );
}

/** Throws USAGE when an answer does not fit. */
export function relayFiles({ address, pool, networks, clients }: RelayAnswers): NewFile[] {
  const { certificate, key, fingerprint } = makeCertificate(address, CERTIFICATE_DAYS);
  const secrets = clients.map(client => ({ client, token: makeSecret(), file: `${fileName(client)}.token` }));
  const configuration = `# vpnr relay -c ${RELAY_FILE}
listen: ${quoted(address)}    # port 7511, TCP and UDP; to be reached from behind the gateways only
pool: ${quoted(pool)}    # addresses under which servers see clients; they need a route to it by way of this machine
certificate: relay.crt    # ${fingerprint}
key: relay.key
clients:
${secrets.map(({ client, file }) => `  - { identity: ${quoted(client)}, token: { file: ${quoted(file)} } }\n`).join('')}state: relay-state    # leases and sessions survive a restart
`;
  checked(configuration, relaySchema);
  return withInvitations(
    'relay',
    [
      { name: RELAY_FILE, content: configuration, isSecret: false },
      { name: 'relay.crt', content: certificate, isSecret: false },
      { name: 'relay.key', content: key, isSecret: true },
    ],
    secrets.map(({ client, token, file }) => ({
      file,
      secret: token,
      invitation: {
        invitation: 1,
        client,
        relay: { address, fingerprint, networks: [...networks], token },
      },
    })),
  );
}

interface ClientsPart {
  file: string;
  secret: string;
  invitation: Invitation;
}

/** Adds each client's secret and invitation. Throws USAGE when a client could not use it, or when two would have one file. */
function withInvitations(from: string, files: NewFile[], parts: readonly ClientsPart[]): NewFile[] {
  for (const { file, secret, invitation } of parts) {
    const { client } = invitation;
    const content = describeInvitation(invitation);
    checked(content, invitationSchema);
    if (fileName(client) === '')
      throw new VpnrError('USAGE', `no file can be named after the client "${client}"`);
    const made = [file, invitationFile(client, from)];
    const double = made.find(name => files.some(other => other.name === name));
    if (double !== undefined)
      throw new VpnrError('USAGE', `the client ${client} and another one would both have the file ${double}`);
    const [secretFile = '', invited = ''] = made;
    files.push({ name: secretFile, content: `${secret}\n`, isSecret: true });
    files.push({ name: invited, content, isSecret: true });
  }
  return files;
}

/** Out of 10.64.0.0/10, so that those of different machines differ as a rule. */
export function defaultPool(of: string): string {
  const [high = 0, low = 0] = createHash('sha256').update(of).digest();
  return `10.${64 + (high & 63)}.${low}.0/24`;
}

/** What is written must be what the command reads; a complaint is one about an answer, which `of` may name. */
export function checked(configuration: string, schema: Parameters<typeof parseConfig>[2], of = ''): void {
  try {
    parseConfig(configuration, 'configuration', schema);
  } catch (error) {
    if (!(error instanceof VpnrError)) throw error;
    const message = error.message.replace(/^configuration:\d+:\d+: /gm, '');
    throw new VpnrError('USAGE', `this cannot be configured: ${of}${message}`, {
      remedy: 'correct the answer or flag that it is about',
      cause: error,
    });
  }
}
