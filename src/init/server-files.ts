/** What `vpnr init gateway` and `vpnr init relay` write: configuration, secrets, and an invitation for each client. */
import { createHash, randomBytes } from 'node:crypto';
import { gatewaySchema } from '../config/gateway.js';
import { parseConfig } from '../config/load.js';
import { relaySchema } from '../config/relay.js';
import { name as nameSchema } from '../config/values.js';
import { VpnrError } from '../errors.js';
import { makeCertificate } from './certificate.js';
import type { NewFile } from './files.js';
import { describeInvitation } from './invitation.js';
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

export const invitationFile = (client: string, from: string) => `${client}.${from}.invitation`;

/** Throws USAGE when an answer does not fit. */
export function gatewayFiles(answers: GatewayAnswers): NewFile[] {
  const { name, address, listen, identity, pool, networks, clients } = answers;
  const secrets = clients.map(client => ({ client, psk: makeSecret(), file: `${client}.psk` }));
  const configuration = `# vpnr gateway -c ${GATEWAY_FILE}
listen: ${quoted(listen)}    # UDP port 4500, for IKE and ESP
identity: ${quoted(identity)}    # what it proves to be to clients
pool: ${quoted(pool)}    # virtual addresses for clients; the networks need a route to it by way of this machine
networks: ${quoted(networks)}    # what clients may reach
clients:
${secrets.map(({ client, file }) => `  - { identity: ${quoted(client)}, psk: { file: ${quoted(file)} } }\n`).join('')}`;
  checked(configuration, gatewaySchema);
  // They name files.
  for (const word of [name, ...clients]) checked(quoted(word), nameSchema, `"${word}": `);
  return [
    { name: GATEWAY_FILE, content: configuration, isSecret: false },
    ...secrets.flatMap(({ client, psk, file }) => [
      { name: file, content: `${psk}\n`, isSecret: true },
      {
        name: invitationFile(client, name),
        content: describeInvitation({
          invitation: 1,
          client,
          gateway: { name, address, identity, networks: [...networks], psk },
        }),
        isSecret: true,
      },
    ]),
  ];
}

/** Throws USAGE when an answer does not fit. */
export function relayFiles({ address, pool, networks, clients }: RelayAnswers): NewFile[] {
  const { certificate, key, fingerprint } = makeCertificate(address, CERTIFICATE_DAYS);
  const secrets = clients.map(client => ({ client, token: makeSecret(), file: `${client}.token` }));
  const configuration = `# vpnr relay -c ${RELAY_FILE}
listen: ${quoted(address)}    # port 7511, TCP and UDP; to be reached from behind the gateways only
pool: ${quoted(pool)}    # addresses under which servers see clients; they need a route to it by way of this machine
certificate: relay.crt    # ${fingerprint}
key: relay.key
clients:
${secrets.map(({ client, file }) => `  - { name: ${quoted(client)}, token: { file: ${quoted(file)} } }\n`).join('')}state: relay-state    # leases and sessions survive a restart
`;
  checked(configuration, relaySchema);
  return [
    { name: RELAY_FILE, content: configuration, isSecret: false },
    { name: 'relay.crt', content: certificate, isSecret: false },
    { name: 'relay.key', content: key, isSecret: true },
    ...secrets.flatMap(({ client, token, file }) => [
      { name: file, content: `${token}\n`, isSecret: true },
      {
        name: invitationFile(client, 'relay'),
        content: describeInvitation({
          invitation: 1,
          client,
          relay: { address, fingerprint, networks: [...networks], token },
        }),
        isSecret: true,
      },
    ]),
  ];
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
