/** What the kernel's network looks like now: links, addresses, routes. Changes are in `changes.ts`. */
import { VpnrError } from '../errors.js';
import { type Address, contains, formatAddress, type Prefix, parsePrefix } from '../prefix.js';
import { IpError, queryIp } from './ip.js';
import { if_nametoindex } from './libc.js';

/** Marks the routes that vpnr makes (`rtm_protocol`), so that it removes no others: 118 is "v". */
export const ROUTE_PROTOCOL = 118;

export interface Link {
  index: number;
  name: string;
  mtu: number;
  up: boolean;
}

export interface InterfaceAddress {
  device: string;
  /** In text form. */
  address: string;
  prefixLength: number;
  scope: string;
}

/** One entry of the main routing table. */
export interface RouteEntry {
  destination: Prefix;
  type: string;
  device?: string;
  via?: NextHop;
  source?: string;
  metric: number;
  /** Made by vpnr. */
  ours: boolean;
  /** False when the kernel passes it over: its link is down. */
  usable: boolean;
}

/** The router to hand packets to; its family may differ from the destination's (RFC 5549). */
export interface NextHop {
  family: 4 | 6;
  address: string;
}

/** How packets to an address leave this machine. `via` is absent when the address is on the link itself. */
export interface Hop {
  device: string;
  via?: NextHop;
  source?: string;
  /** The address is this machine's own. */
  local: boolean;
}

interface IpLink {
  ifindex: number;
  ifname: string;
  mtu: number;
  flags: string[];
}

interface IpAddresses extends IpLink {
  addr_info: { family: string; local: string; prefixlen: number; scope: string }[];
}

interface IpNextHop {
  gateway?: string;
  via?: { family: string; host: string };
  dev?: string;
  flags?: string[];
}

interface IpRoute extends IpNextHop {
  type?: string;
  dst: string;
  protocol?: string;
  metric?: number;
  prefsrc?: string;
  nexthops?: IpNextHop[];
}

/** Undefined when there is no such device. */
export async function findLink(name: string): Promise<Link | undefined> {
  const links = await absentAsEmpty(queryIp<IpLink>(['link', 'show', 'dev', name]));
  const [link] = links;
  return link && { index: link.ifindex, name: link.ifname, mtu: link.mtu, up: link.flags.includes('UP') };
}

/** Throws SYSTEM_CALL when there is no such device. */
export async function linkOf(name: string): Promise<Link> {
  const link = await findLink(name);
  if (link === undefined) throw new VpnrError('SYSTEM_CALL', `there is no network device ${name}`);
  return link;
}

/** The device's index. Throws SYSTEM_CALL when there is no such device. */
export function indexOf(name: string): number {
  const index = if_nametoindex(name);
  if (index === 0) throw new VpnrError('SYSTEM_CALL', `there is no network device ${name}`);
  return index;
}

/** The addresses of one device, or of all. */
export async function listAddresses(device?: string): Promise<InterfaceAddress[]> {
  const args = ['address', 'show', ...(device === undefined ? [] : ['dev', device])];
  const links = await absentAsEmpty(queryIp<IpAddresses>(args));
  return links.flatMap(link =>
    (link.addr_info ?? []).map(info => ({
      device: link.ifname,
      address: info.local,
      prefixLength: info.prefixlen,
      scope: info.scope,
    })),
  );
}

/** The main routing table. */
export async function listRoutes(family: 4 | 6): Promise<RouteEntry[]> {
  const routes = await queryIp<IpRoute>([`-${family}`, 'route', 'show', 'table', 'main']);
  return routes.map(route => routeEntry(family, route));
}

function routeEntry(family: 4 | 6, route: IpRoute): RouteEntry {
  const hops = route.nexthops ?? [route];
  const hop = hops.find(isUp) ?? hops[0] ?? route;
  return {
    ...hopOf(family, hop),
    ...(route.prefsrc !== undefined && { source: route.prefsrc }),
    destination: destinationOf(family, route.dst),
    type: route.type ?? 'unicast',
    metric: route.metric ?? 0,
    ours: route.protocol === String(ROUTE_PROTOCOL),
    usable: isUp(hop),
  };
}

function destinationOf(family: 4 | 6, text: string): Prefix {
  return text === 'default' ? { family, value: 0n, length: 0 } : parsePrefix(text);
}

function isUp(hop: IpNextHop): boolean {
  return !hop.flags?.includes('dead');
}

function hopOf(family: 4 | 6, hop: IpNextHop): { device?: string; via?: NextHop } {
  const via: NextHop | undefined =
    hop.via !== undefined
      ? { family: hop.via.family === 'inet6' ? 6 : 4, address: hop.via.host }
      : hop.gateway !== undefined
        ? { family, address: hop.gateway }
        : undefined;
  return { ...(hop.dev !== undefined && { device: hop.dev }), ...(via && { via }) };
}

/** How packets to the address leave now; undefined when they cannot. */
export async function hopTo(address: Address): Promise<Hop | undefined> {
  const [route] = await unreachableAsEmpty(queryIp<IpRoute>(['route', 'get', formatAddress(address)]));
  if (route === undefined) return undefined;
  const { device, via } = hopOf(address.family, route);
  if (device === undefined) return undefined;
  return {
    device,
    ...(via && { via }),
    ...(route.prefsrc !== undefined && { source: route.prefsrc }),
    local: route.type === 'local',
  };
}

/**
 * How packets to the address would leave if neither vpnr's own routes nor the device `without` were there;
 * undefined when they could not.
 */
export async function hopOutside(address: Address, without: string): Promise<Hop | undefined> {
  const [match] = await unreachableAsEmpty(
    queryIp<IpRoute>(['route', 'get', 'fibmatch', formatAddress(address)]),
  );
  const hidden = match === undefined || match.protocol === String(ROUTE_PROTOCOL) || match.dev === without;
  // The kernel's own answer honours policy routing, so it is asked as long as vpnr is not in its way.
  if (!hidden) return hopTo(address);
  const candidates = (await listRoutes(address.family)).filter(
    route =>
      !route.ours &&
      route.usable &&
      route.type === 'unicast' &&
      route.device !== without &&
      contains(route.destination, address),
  );
  candidates.sort((a, b) => b.destination.length - a.destination.length || a.metric - b.metric);
  const [best] = candidates;
  if (best?.device === undefined) return undefined;
  return {
    device: best.device,
    ...(best.via && { via: best.via }),
    ...(best.source !== undefined && { source: best.source }),
    local: false,
  };
}

/** A route as `ip route show` would print it, for messages. */
export function describeRoute({ destination, type, device, via, metric }: RouteEntry): string {
  const parts = [
    type === 'unicast' ? '' : type,
    destination.length === 0 ? 'default' : `${formatAddress(destination)}/${destination.length}`,
    via === undefined ? '' : `via ${via.address}`,
    device === undefined ? '' : `dev ${device}`,
    metric === 0 ? '' : `metric ${metric}`,
  ];
  return parts.filter(part => part !== '').join(' ');
}

async function absentAsEmpty<T>(query: Promise<T[]>): Promise<T[]> {
  return emptyFor('absent', query);
}

async function unreachableAsEmpty<T>(query: Promise<T[]>): Promise<T[]> {
  return emptyFor('unreachable', query);
}

async function emptyFor<T>(reason: IpError['reason'], query: Promise<T[]>): Promise<T[]> {
  try {
    return await query;
  } catch (error) {
    if (error instanceof IpError && error.reason === reason) return [];
    throw error;
  }
}
