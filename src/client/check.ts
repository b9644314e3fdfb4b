/** Looking at this machine and a configuration before connecting: what would go wrong, and what to do about it. */
import {
  checkClock,
  checkDevice,
  checkMetrics,
  checkName,
  checkRights,
  checkSecret,
} from '../check/machine.js';
import { looking, type Report } from '../check/points.js';
import { checkExec, checkPrograms, type Program } from '../check/programs.js';
import type { ClientConfig, GatewayEntry } from '../config/client.js';
import type { Loaded } from '../config/load.js';
import { VpnrError } from '../errors.js';
import type { Endpoint } from '../ike/api.js';
import { isResolvedUsed } from '../io/name-servers.js';
import { describeRoute, hopOutside, listRoutes } from '../io/network.js';
import { tryNft } from '../io/nft.js';
import { innerMtu, outerSize } from '../packet/mtu.js';
import { parseAddress, parsePrefix, samePrefix } from '../prefix.js';
import { deviceMtu } from './device.js';
import { answersIke } from './ike-check.js';
import { refuseSharedIdentity } from './neighbours.js';
import { largestAnswered } from './path-size.js';
import { checkRelayCertificate } from './relay-check.js';
import { GatewayResolver } from './resolver.js';

/** How long the MTU's check waits for names; each gateway's own has said already which cannot be found. */
const LOOK_UP_MS = 2000;
/** Looks at one point after the other; each is reported as soon as it is known. */
export async function checkConnection(loaded: Loaded<ClientConfig>, report: Report): Promise<void> {
  const { config } = loaded;
  const resolver = new GatewayResolver();
  const look = looking(report);
  await look('configuration', () => `${loaded.file} is well-formed`);
  for (const gateway of config.gateways) {
    await look(`pre-shared key of ${gateway.name}`, () => checkSecret(gateway.auth.psk, loaded.folder));
  }
  if (config.relay !== undefined) {
    const { token } = config.relay;
    await look('relay token', () => checkSecret(token, loaded.folder));
  }
  await look('clock', checkClock);
  await look('rights', checkRights);
  await look('programs', () => checkPrograms(programsFor(config)));
  await look('vpnr exec', checkExec);
  await look('other instances', () => checkInstances(config));
  await look('TUN device', () => checkDevice(config.tunnel.device, 'tunnel.device', config.tunnel.driver));
  await look('routes', () => checkRoutes(config));
  const { metrics } = config;
  if (metrics !== undefined) await look('metrics', () => checkMetrics(metrics));
  if (config.tunnel.kill_switch) await look('kill switch', checkKillSwitch);
  const answering: GatewayEntry[] = [];
  for (const gateway of config.gateways) {
    await look(`gateway ${gateway.name}`, async () => {
      const found = await checkGateway(gateway, config, resolver);
      answering.push(gateway);
      return found;
    });
  }
  await look('MTU', () => checkMtu(config, resolver));
  for (const gateway of answering) {
    await look(`path MTU to ${gateway.name}`, () => checkPathMtu(gateway, config, resolver));
  }
  if (config.relay !== undefined) {
    const { relay } = config;
    await look('relay certificate', () => checkRelayCertificate(relay, loaded.folder));
  }
}

function programsFor({ tunnel }: ClientConfig): Program[] {
  return [
    'ip',
    ...(tunnel.kill_switch ? (['nft'] as const) : []),
    ...(tunnel.dns !== 'off' && isResolvedUsed() ? (['resolvectl'] as const) : []),
  ];
}

async function checkInstances(config: ClientConfig): Promise<string> {
  const found = checkName(config.name);
  await refuseSharedIdentity(config);
  return found;
}

async function checkKillSwitch(): Promise<string> {
  await tryNft();
  return '`nft` takes its rules';
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
  const { mtu } = config.tunnel;
  const fitting = await deviceMtu({ ...config, tunnel: { ...config.tunnel, mtu: 'auto' } }, addresses);
  if (mtu !== 'auto' && mtu > fitting) {
    throw new VpnrError('CONFIG_INVALID', `tunnel.mtu is ${mtu}, but no more than ${fitting} bytes fit`, {
      remedy: `lower it to ${fitting}, or leave it out`,
    });
  }
  return `packets of ${mtu === 'auto' ? fitting : mtu} bytes fit the links that lead to the gateways`;
}

/** Sends the gateway datagrams as large as those that will carry the largest packets. */
async function checkPathMtu(
  gateway: GatewayEntry,
  config: ClientConfig,
  resolver: GatewayResolver,
): Promise<string> {
  const endpoint = await resolver.resolve(gateway);
  const { family } = parseAddress(endpoint.address);
  const encapsulation = config.relay?.mode ?? 'none';
  const mtu = await deviceMtu(config, await resolver.resolveAll(config.gateways, LOOK_UP_MS));
  const wanted = outerSize(mtu, family, encapsulation, gateway.esp);
  const largest = await largestAnswered(gateway, config.identity, endpoint, wanted);
  if (largest === undefined)
    return `cannot be tried: ${endpoint.address} says nothing to those whom it refuses`;
  if (largest === wanted)
    return `datagrams of ${wanted} bytes reach ${endpoint.address}, the largest that packets of ${mtu} bytes need`;
  const fitting = innerMtu(largest, family, encapsulation, gateway.esp);
  throw new VpnrError(
    'PATH_MTU',
    `datagrams of ${wanted} bytes, which packets of ${mtu} bytes need, do not reach ${endpoint.address}, but those of ${largest} do`,
    { remedy: `set tunnel.mtu to ${fitting}` },
  );
}
