/** Where a system is measured: a laboratory of its own, in which it stays until the end of the benchmark. */
import { mustRun } from '../../lab/command.js';
import { Lab, until } from '../../lab/index.js';
import { unlessAborted } from '../context.js';
import {
  CLIENT_ADDRESS,
  GATEWAY_ADDRESS,
  INSIDE,
  type Peer,
  PREFIX_LENGTH,
  type Site,
  type System,
  type Tunnel,
} from '../peers/index.js';
import { startIperfServer } from './iperf.js';

const OUTSIDE = 'outside';
const REACHABLE_MS = 10_000;

export interface Scene extends Site {
  system: System;
  version: string;
  tunnel: Tunnel;
  /** Of the tunnel's device at the client's end: the longest packet that passes in one piece. */
  mtu: number;
  close(): void;
}

/**
 * Starts the system between two hosts of its own and waits until packets pass. When it fails, or the signal is
 * aborted, everything is removed.
 */
export async function openScene(peer: Peer, signal: AbortSignal): Promise<Scene> {
  const version = await peer.version();
  const lab = await Lab.create({
    networks: ['inside'],
    hosts: {
      client: { links: {}, privateRun: true },
      gateway: { links: { inside: INSIDE }, privateRun: true },
    },
  });
  try {
    return await unlessAborted({ signal }, stage(lab, peer, version));
  } catch (error) {
    lab.close();
    throw error;
  }
}

async function stage(lab: Lab, peer: Peer, version: string): Promise<Scene> {
  const site = { client: lab.host('client'), gateway: lab.host('gateway') };
  await join(site);
  const tunnel = await peer.start(site);
  await until(`${peer.system} carries packets`, REACHABLE_MS, async () => {
    const { status } = await site.client.try(['ping', '-c', '1', '-W', '1', tunnel.address]);
    return status === 0 || undefined;
  });
  await startIperfServer(site.gateway, tunnel.address);
  const mtu = await mtuTo(site, tunnel.address);
  return { ...site, system: peer.system, version, tunnel, mtu, close: () => lab.close() };
}

/** A pair of interfaces, without the laboratory's bridge: nothing between the two that costs time. */
async function join({ client, gateway }: Site): Promise<void> {
  const ends = [
    { host: client, address: CLIENT_ADDRESS },
    { host: gateway, address: GATEWAY_ADDRESS },
  ];
  await mustRun([
    ...['ip', '-n', client.namespace, 'link', 'add', OUTSIDE, 'type', 'veth'],
    ...['peer', 'name', OUTSIDE, 'netns', gateway.namespace],
  ]);
  for (const { host, address } of ends) {
    await host.run(['ip', 'address', 'add', `${address}/${PREFIX_LENGTH}`, 'dev', OUTSIDE]);
    await host.run(['ip', 'link', 'set', OUTSIDE, 'up']);
  }
}

async function mtuTo({ client }: Site, address: string): Promise<number> {
  const [route] = JSON.parse(await client.run(['ip', '-j', 'route', 'get', address])) as { dev: string }[];
  const [link] = JSON.parse(await client.run(['ip', '-j', 'link', 'show', 'dev', route?.dev ?? ''])) as {
    mtu: number;
  }[];
  return link?.mtu ?? 0;
}
