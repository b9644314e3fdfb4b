/** Looking at this machine and a configuration before connecting: what would go wrong, and what to do about it. */
import { accessSync, constants } from 'node:fs';
import type { ClientConfig, GatewayEntry } from '../config/client.js';
import type { Loaded } from '../config/load.js';
import { readSecret } from '../config/secrets.js';
import { runtimeFolder } from '../control/folders.js';
import { type ErrorCode, toVpnrError, VpnrError } from '../errors.js';
import type { Endpoint } from '../ike/api.js';
import { Journal } from '../io/journal.js';
import { describeRoute, findLink, hopOutside, listRoutes } from '../io/network.js';
import { openTun } from '../io/tun.js';
import { parseAddress, parsePrefix, samePrefix } from '../prefix.js';
import { deviceMtu } from './device.js';
import { answersIke } from './ike-check.js';
import { GatewayResolver } from './resolver.js';

/** How long the MTU's check waits for names; each gateway's own has said already which cannot be found. */
const LOOK_UP_MS = 2000;

/** One point that was looked at. */
export interface CheckPoint {
  point: string;
  ok: boolean;
  /** What was found. */
  message: string;
  code?: ErrorCode;
  remedy?: string;
}

/** Looks at one point after the other; each is reported as soon as it is known. */
export async function checkConnection(
  loaded: Loaded<ClientConfig>,
  report: (point: CheckPoint) => void,
): Promise<void> {
  const { config } = loaded;
  const resolver = new GatewayResolver();
  const look = async (point: string, test: () => string | Promise<string>): Promise<void> => {
    try {
      report({ point, ok: true, message: await test() });
    } catch (error) {
      const { code, message, remedy } = toVpnrError(error);
      report({ point, ok: false, message, code, ...(remedy === undefined ? {} : { remedy }) });
    }
  };
  await look('configuration', () => `${loaded.file} is well-formed`);
  for (const gateway of config.gateways) {
    await look(`pre-shared key of ${gateway.name}`, () => checkSecret(gateway.auth.psk, loaded.folder));
  }
  if (config.relay !== undefined) {
    const { token } = config.relay;
    await look('relay token', () => checkSecret(token, loaded.folder));
  }
  await look('rights', checkRights);
  await look('other instances', () => checkName(config.name));
  await look('TUN device', () => checkDevice(config));
  await look('routes', () => checkRoutes(config));
  for (const gateway of config.gateways) {
    await look(`gateway ${gateway.name}`, () => checkGateway(gateway, config, resolver));
  }
  await look('MTU', () => checkMtu(config, resolver));
}

function checkSecret(source: GatewayEntry['auth']['psk'], folder: string): string {
  const secret = readSecret(source, folder, 'the secret');
  secret.wipe();
  return 'can be read, by its owner only';
}

function checkRights(): string {
  if (process.geteuid?.() !== 0) {
    throw new VpnrError('NOT_ROOT', 'this is not root: no right to create devices and routes', {
      remedy: 'run it with sudo',
    });
  }
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch (error) {
    throw new VpnrError('NO_TUN', 'there is no /dev/net/tun', {
      remedy: 'load the kernel module: modprobe tun',
      cause: error,
    });
  }
  return 'root, and /dev/net/tun is there';
}

function checkName(name: string): string {
  const owner = Journal.owner(name, runtimeFolder());
  if (owner !== undefined) {
    throw new VpnrError('ALREADY_RUNNING', `"${name}" is running already (process ${owner.pid})`, {
      remedy: `end it with "vpnr disconnect ${name}", or give this one another name`,
    });
  }
  return `no other "${name}" is running`;
}

async function checkDevice({ tunnel }: ClientConfig): Promise<string> {
  if ((await findLink(tunnel.device)) !== undefined) {
    throw new VpnrError('DEVICE_BUSY', `the network device ${tunnel.device} exists already`, {
      remedy: 'choose another name (tunnel.device), or end the program that uses it',
    });
  }
  (await openTun({ name: tunnel.device, driver: tunnel.driver })).close();
  return `${tunnel.device} can be created`;
}

async function checkRoutes({ tunnel }: ClientConfig): Promise<string> {
  for (const text of tunnel.routes) {
    const wanted = parsePrefix(text);
    const present = (await listRoutes(wanted.family)).find(
      route => !route.ours && wanted.length > 0 && samePrefix(route.destination, wanted),
    );
    if (present !== undefined) {
      throw new VpnrError('ROUTE_EXISTS', `there is a route for ${text} already: ${describeRoute(present)}`, {
        remedy: `remove it (ip route del ${describeRoute(present)}), or take ${text} out of tunnel.routes`,
      });
    }
  }
  return tunnel.routes.length === 0
    ? 'none are configured: nothing will go through the tunnel'
    : `free: ${tunnel.routes.join(', ')}`;
}

async function checkGateway(
  gateway: GatewayEntry,
  { identity, tunnel }: ClientConfig,
  resolver: GatewayResolver,
): Promise<string> {
  const endpoint = await resolver.resolve(gateway);
  const hop = await hopOutside(parseAddress(endpoint.address), tunnel.device);
  if (hop === undefined) {
    throw new VpnrError('GATEWAY_TIMEOUT', `there is no route to ${endpoint.address}`, {
      remedy: 'connect this machine to a network that reaches the gateway',
    });
  }
  if (!(await answersIke(gateway, identity, endpoint))) throw silent(endpoint);
  return `${endpoint.address} answers IKE on UDP port ${endpoint.port}, by way of ${hop.device}`;
}

function silent({ address, port }: Endpoint): VpnrError {
  return new VpnrError('GATEWAY_TIMEOUT', `${address} does not answer IKE on UDP port ${port}`, {
    remedy: `check the address, that the gateway runs, and that firewalls let UDP port ${port} pass`,
  });
}

async function checkMtu(config: ClientConfig, resolver: GatewayResolver): Promise<string> {
  const addresses = await resolver.resolveAll(config.gateways, LOOK_UP_MS);
  return `${await deviceMtu(config, addresses)} bytes fit on the way to every gateway`;
}
