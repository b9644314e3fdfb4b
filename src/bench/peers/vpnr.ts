/** vpnr between its own client and its own gateway; with a relay, that stands on the gateway's host. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type ErrorCode, VpnrError } from '../../errors.js';
import { makeCertificate } from '../../lab/certificate.js';
import { runCommand } from '../../lab/command.js';
import {
  type Configuration,
  Connection,
  type LabProcess,
  type Program,
  startRelay,
  VpnrGateway,
} from '../../lab/index.js';
import {
  GATEWAY_ADDRESS,
  INSIDE_ADDRESS,
  INSIDE_NETWORK,
  type Peer,
  pidsOf,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  SERVER_NETWORK,
  type Site,
} from './peer.js';

const GATEWAY = 'gateway.example.net';
const CLIENT = 'client1';
const GATEWAY_POOL = '10.61.0.0/24';
const RELAY_POOL = '10.31.0.0/24';
const RELAY_PORT = 7511;
const CONNECTION = 'bench';

const SYSTEMS = { none: 'vpnr', clear: 'vpnr-relay', sealed: 'vpnr-relay-sealed' } as const;

export type RelayMode = keyof typeof SYSTEMS;

/** Writes a file that only its owner can read. */
function write(folder: string, name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

const makeSecret = () => randomBytes(24).toString('base64url');

async function startGateway(host: Site['gateway'], program: Program, psk: string): Promise<VpnrGateway> {
  const gateway = new VpnrGateway(host, {
    program,
    address: GATEWAY_ADDRESS,
    identity: GATEWAY,
    pool: GATEWAY_POOL,
    networks: [INSIDE_NETWORK],
    clients: [{ identity: CLIENT, psk }],
  });
  await gateway.start();
  return gateway;
}

/** Also returns the relay's fingerprint. */
async function startRelayOn(host: Site['gateway'], program: Program, token: string) {
  const { folder } = host;
  const files = { certificate: join(folder, 'relay.crt'), key: join(folder, 'relay.key') };
  const fingerprint = makeCertificate(files, 'relay.example.net');
  write(folder, 'relay.token', `${token}\n`);
  const configuration = {
    listen: `${RELAY_ADDRESS}:${RELAY_PORT}`,
    pool: RELAY_POOL,
    certificate: 'relay.crt',
    key: 'relay.key',
    clients: [{ identity: CLIENT, token: { file: 'relay.token' } }],
    state: 'relay-state',
  };
  const file = write(folder, 'relay.yaml', stringify(configuration));
  return { process: await startRelay(host, program, file, RELAY_PORT), fingerprint };
}

async function connect(host: Site['client'], program: Program, settings: Configuration): Promise<LabProcess> {
  const configuration = {
    name: CONNECTION,
    identity: CLIENT,
    gateways: [
      {
        name: 'gateway',
        address: GATEWAY_ADDRESS,
        identity: GATEWAY,
        auth: { psk: { file: 'gateway.psk' } },
      },
    ],
    ...settings,
  };
  const file = write(host.folder, 'client.yaml', stringify(configuration));
  const connection = new Connection(host, program, file, CONNECTION);
  try {
    await connection.event('connected');
  } catch (error) {
    throw reasonIn(connection.process.lines, host.folder) ?? error;
  }
  return connection.process;
}

/** The error that `vpnr --json` ended with; files are told as seen from their folder. */
function reasonIn(lines: readonly string[], folder: string): VpnrError | undefined {
  const last = lines.findLast(line => line.startsWith('{"time"') && line.includes('"event":"error"'));
  if (last === undefined) return undefined;
  const { code, message } = JSON.parse(last) as { code: ErrorCode; message: string };
  return new VpnrError(code, message.replaceAll(`${folder}/`, ''));
}

/** `vpnr` as `program` runs it, `relay`: without, or with one in this mode. */
export function vpnr(program: Program, relay: RelayMode): Peer {
  return {
    system: SYSTEMS[relay],
    obstacle: () => undefined,
    version: async () => {
      const { stdout } = await runCommand([...program, '--version']);
      return /^vpnr (\S+)/m.exec(stdout)?.[1] ?? 'unknown';
    },
    async start(site) {
      const psk = makeSecret();
      write(site.client.folder, 'gateway.psk', `${psk}\n`);
      const gateway = await startGateway(site.gateway, program, psk);
      if (relay === 'none') {
        const client = await connect(site.client, program, { tunnel: { routes: [INSIDE_NETWORK] } });
        return { address: INSIDE_ADDRESS, client: pidsOf(client), gateway: pidsOf(gateway) };
      }
      const token = makeSecret();
      const { process, fingerprint } = await startRelayOn(site.gateway, program, token);
      write(site.client.folder, 'relay.token', `${token}\n`);
      const client = await connect(site.client, program, {
        relay: { address: RELAY_ADDRESS, fingerprint, token: { file: 'relay.token' }, mode: relay },
        tunnel: { routes: [SERVER_NETWORK] },
      });
      return { address: SERVER_ADDRESS, client: pidsOf(client), gateway: pidsOf(gateway, process) };
    },
  };
}
