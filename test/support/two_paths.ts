/**
 * A client with two paths to a gateway, which are two peers there; a relay and a server behind the gateway. All of them are
 * data planes with sockets and devices.
 */
import { randomBytes } from 'node:crypto';
import type { FailoverSettings, RelayBinding } from '../../src/dataplane/api.js';
import { createGatewayDataPlane } from '../../src/dataplane/gateway.js';
import { createRelayDataPlane } from '../../src/dataplane/relay.js';
import type { ChildSa, TrafficSelector } from '../../src/ike/api.js';
import { offloadsWanted } from '../../src/io/offloads.js';
import { openTun } from '../../src/io/tun.js';
import type { PacketCore } from '../../src/packet/core.js';
import { Secret } from '../../src/secret.js';
import { Namespace } from './namespace.js';
import { DEVICE, PORT, Side, settled, until } from './planes.js';

const MTU = 1300;
const GATEWAY = { address: '198.18.1.1', port: PORT };
const VIRTUAL_POOL = '198.18.61.0/24';
const VIRTUAL = ['198.18.61.2', '198.18.61.3'] as const;
const RELAY = { address: '198.18.5.1', port: 7511 };
const LEASE_POOL = '198.18.3.0/24';
const LEASE = '198.18.3.5';
const INDEX = 0x1234_5678;
const MIB = 1 << 20;

/** Behind the relay. */
export const SERVER = '198.18.4.1';
export const REPLAY: FailoverSettings = { replay: { bytes: 8 * MIB, ageMs: 2000 }, duplicate: [] };
export const STANDBY: FailoverSettings = { replay: { bytes: 0, ageMs: 0 }, duplicate: [] };

function addresses(first: string, last = first): TrafficSelector {
  return { family: 4, protocol: 0, firstPort: 0, lastPort: 65535, first, last };
}
const ALL = addresses('0.0.0.0', '255.255.255.255');

export type TwoPaths = Awaited<ReturnType<typeof startTwoPaths>>;

export async function startTwoPaths(
  settings: FailoverSettings,
  mode: Parameters<PacketCore['bindRelay']>[0]['mode'] = 'clear',
) {
  const space = new Namespace('vpnr-2p');
  const client = new Side('198.18.1.2', LEASE);
  const failures: Error[] = [];
  space.ip('link', 'add', 'cable', 'type', 'veth', 'peer', 'name', 'cable', 'netns', client.space.name);
  space.ip('address', 'add', `${GATEWAY.address}/24`, 'dev', 'cable');
  space.ip('link', 'set', 'cable', 'up');
  for (const address of [RELAY.address, SERVER]) space.ip('address', 'add', `${address}/32`, 'dev', 'lo');
  client.space.ip('address', 'add', `${client.outer}/24`, 'dev', 'cable');
  client.space.ip('link', 'set', 'cable', 'up');
  await client.start(MTU);
  client.space.ip('route', 'add', SERVER, 'dev', DEVICE, 'src', LEASE);

  const device = async (name: string, pool: string) => {
    const tun = await space.inside(() => openTun({ name, offloads: offloadsWanted() }));
    space.ip('link', 'set', name, 'up');
    space.ip('route', 'add', pool, 'dev', name);
    return tun;
  };
  const failed = (error: Error) => void failures.push(error);
  const gateway = createGatewayDataPlane();
  const gatewayTun = await device('vpnrgw', VIRTUAL_POOL);
  await space.inside(() =>
    gateway.start(
      { tun: gatewayTun, listen: GATEWAY, pool: VIRTUAL_POOL, maxSegment: MTU - 40 },
      { ike() {}, peerMoved() {}, failed },
    ),
  );
  let relay = createRelayDataPlane();
  const relayTun = await device('vpnrpool', LEASE_POOL);
  const replay = { bytes: 32 * MIB, sessionBytes: 8 * MIB, ageMs: 2000 };
  const options = {
    tun: relayTun,
    listen: RELAY,
    ipip: false,
    pool: LEASE_POOL,
    maxSegment: MTU - 40,
    replay,
  };
  const startRelay = () => space.inside(() => relay.start(options, { sessionMoved() {}, failed }));
  await startRelay();

  const { plane } = client;
  plane.setAddresses({ device: LEASE, maxSegment: MTU - 40 });
  plane.setRelay(RELAY);
  plane.setFailover(settings);
  const peers: number[] = [];
  for (const [path, virtual] of VIRTUAL.entries()) {
    const local = { address: client.outer, port: PORT + path };
    client.space.inside(() => plane.openPath(path, GATEWAY, local));
    plane.setVirtualAddress(path, virtual);
    const peer = gateway.addPeer(virtual, local);
    peers.push(peer);
    const [up, down] = [randomBytes(36), randomBytes(36)];
    const [clientSpi, gatewaySpi] = [plane.allocateSpi(), gateway.allocateSpi()];
    const child = (
      inboundSpi: number,
      outboundSpi: number,
      keys: Uint8Array[],
      far: TrafficSelector,
    ): ChildSa => ({
      suite: 'chacha20poly1305',
      inboundSpi,
      outboundSpi,
      inboundKey: new Secret(Uint8Array.from(keys[0] ?? [])),
      outboundKey: new Secret(Uint8Array.from(keys[1] ?? [])),
      localSelectors: [ALL],
      remoteSelectors: [far],
    });
    plane.installChild(path, child(clientSpi, gatewaySpi, [down, up], ALL));
    gateway.installChild(peer, child(gatewaySpi, clientSpi, [up, down], addresses(virtual)));
  }
  /** Both ends take the session up, with fresh keys. */
  const bind = (resumed?: RelayBinding['resumed']) => {
    const size = mode === 'sealed' ? 36 : 16;
    const [up, down] = [randomBytes(size), randomBytes(size)];
    const secret = (bytes: Uint8Array) => new Secret(Uint8Array.from(bytes));
    const common = { mode, lease: LEASE };
    relay.installSession({ ...common, index: INDEX, sendKey: secret(down), receiveKey: secret(up) });
    plane.bindRelay({
      ...common,
      relay: RELAY,
      clientPort: 40_000,
      sessionIndex: INDEX,
      sendKey: secret(up),
      receiveKey: secret(down),
      ...(resumed && { resumed }),
    });
  };
  bind();
  await settled(client);
  await gateway.activity();
  await relay.activity([]);
  plane.activate(0, 1);
  plane.probe(0, 1);
  await client.next('probeReply');
  if (settings.replay.bytes > 0) await client.next('switched');
  client.reports.length = 0;

  return {
    client,
    get relay() {
      return relay;
    },
    /** Ends it in order. */
    endRelay: async () => {
      const received = (await relay.halt([INDEX])).get(INDEX);
      await relay.stop();
      return received;
    },
    /** Starts it anew. `received`: what it tells the client that it had received. */
    restartRelay: async (received: Uint8Array | undefined) => {
      relay = createRelayDataPlane();
      await startRelay();
      bind({ received });
    },
    failures,
    /** Nothing passes over the path any more, and nobody is told. */
    cut: (path: number) => gateway.removePeer(peers[path] as number),
    /** Replies to so many pings, one every two milliseconds, until all have come back; what `ping` printed. */
    ping: (count: number) => {
      const options = ['-n', '-i', '0.002', '-c', String(count), '-w', '20', '-s', '600'];
      const running = client.space.spawn('ping', ...options, SERVER);
      let printed = '';
      running.stdout?.on('data', chunk => {
        printed += chunk;
      });
      return new Promise<string>(resolve => running.once('close', () => resolve(printed)));
    },
    /** Waits until the client has sent that many packets of applications since now. */
    sent: (packets: number) => {
      const before = plane.counters()['tx-packets'] ?? 0;
      return until(() => (plane.counters()['tx-packets'] ?? 0) >= before + packets);
    },
    stop: async () => {
      await relay.stop();
      await gateway.stop();
      for (const tun of [relayTun, gatewayTun]) tun.close();
      await client.stop();
      space.remove();
    },
  };
}
