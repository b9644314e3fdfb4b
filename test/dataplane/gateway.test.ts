import { randomBytes } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { GatewayPlaneEvents } from '../../src/dataplane/api.js';
import { createGatewayDataPlane } from '../../src/dataplane/gateway.js';
import type { VpnrError } from '../../src/errors.js';
import type { ChildSa, EspSuite, TrafficSelector } from '../../src/ike/api.js';
import { close } from '../../src/io/libc.js';
import { openTun } from '../../src/io/tun.js';
import { openUdp } from '../../src/io/udp.js';
import { SA_INDEX_MASK, SA_MAX } from '../../src/packet/abi.js';
import { Secret } from '../../src/secret.js';
import { Namespace, namespacesPossible } from '../support/namespace.js';
import { PATIENT, replies } from '../support/ping.js';
import { openDescriptors, PORT, Side, SUITES, settled, until } from '../support/planes.js';

const CASES = 7;
const LISTEN = { address: '198.18.0.10', port: PORT };
const POOL = '198.18.61.0/24';
/** Of the gateway's device. */
const INNER = '198.18.61.1';

function range(first: string, last = first): TrafficSelector {
  return { family: 4, protocol: 0, firstPort: 0, lastPort: 65535, first, last };
}

/** A gateway, and two clients on cables of their own. */
async function startScene() {
  const space = new Namespace('vpnr-gw');
  space.ip('address', 'add', `${LISTEN.address}/32`, 'dev', 'lo');
  const clients = [1, 2].map(n => new Side(`198.18.${n}.2`, `198.18.61.${n + 1}`));
  for (const [i, client] of clients.entries()) {
    const cable = `cable${i}`;
    space.ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'cable', 'netns', client.space.name);
    space.ip('address', 'add', `198.18.${i + 1}.1/24`, 'dev', cable);
    space.ip('link', 'set', cable, 'up');
    client.space.ip('address', 'add', `${client.outer}/24`, 'dev', 'cable');
    client.space.ip('link', 'set', 'cable', 'up');
    client.space.ip('route', 'add', 'default', 'via', `198.18.${i + 1}.1`);
    await client.start(1300);
  }
  const tun = await space.inside(() => openTun({ name: 'vpnrgw' }));
  space.ip('link', 'set', 'vpnrgw', 'mtu', '1400', 'up');
  space.ip('address', 'add', `${INNER}/24`, 'dev', 'vpnrgw');
  const plane = createGatewayDataPlane();
  const messages: Parameters<GatewayPlaneEvents['ike']>[] = [];
  const moves: Parameters<GatewayPlaneEvents['peerMoved']>[] = [];
  const failures: Error[] = [];
  const events: GatewayPlaneEvents = {
    ike: (...args) => void messages.push(args),
    peerMoved: (...args) => void moves.push(args),
    failed: error => void failures.push(error),
  };
  const options = { tun, listen: LISTEN, pool: POOL, maxSegment: 1300 };
  const { local } = await space.inside(() => plane.start(options, events));
  assert.equal(local, LISTEN);

  const open = (client: Side, port = PORT) => {
    client.space.inside(() => client.plane.openPath(0, LISTEN, { address: client.outer, port }));
    client.plane.setVirtualAddress(0, client.inner);
  };
  /** Both ends of a child; neither sends before the other can receive. */
  const install = async (client: Side, peer: number, suite: EspSuite): Promise<[number, number]> => {
    const size = suite === 'aes128gcm16' ? 20 : 36;
    const [up, down] = [randomBytes(size), randomBytes(size)];
    const [clientSpi, gatewaySpi] = [client.plane.allocateSpi(), plane.allocateSpi()];
    const child = (inboundSpi: number, outboundSpi: number, keys: [Uint8Array, Uint8Array]): ChildSa => ({
      suite,
      inboundSpi,
      outboundSpi,
      inboundKey: new Secret(Uint8Array.from(keys[0])),
      outboundKey: new Secret(Uint8Array.from(keys[1])),
      localSelectors: [range('198.18.61.0', '198.18.61.255')],
      remoteSelectors: [range('198.18.61.0', '198.18.61.255')],
    });
    client.plane.installChild(0, child(clientSpi, gatewaySpi, [down, up]), true);
    const atGateway = child(gatewaySpi, clientSpi, [up, down]);
    plane.installChild(peer, { ...atGateway, remoteSelectors: [range(client.inner)] }, true);
    await settled(client);
    await plane.activity();
    client.plane.sendOnChild(0, clientSpi);
    plane.sendOnChild(peer, gatewaySpi);
    client.plane.activate(0, 1);
    await settled(client);
    await plane.activity();
    return [clientSpi, gatewaySpi];
  };
  return {
    space,
    plane,
    clients: clients as [Side, Side],
    messages,
    moves,
    failures,
    open,
    install,
    stop: async () => {
      await plane.stop();
      tun.close();
      for (const client of clients) await client.stop();
      space.remove();
    },
  };
}

async function withScene(
  body: (scene: Awaited<ReturnType<typeof startScene>>) => Promise<void>,
): Promise<void> {
  const scene = await startScene();
  try {
    await body(scene);
    assert.equal(scene.failures, []);
  } finally {
    await scene.stop();
  }
}

function ping(client: Side, address: string): void {
  const printed = client.space.run('ping', '-n', '-c', '5', ...PATIENT, '-i', '0.01', '-s', '1200', address);
  assert.ok(replies(printed) >= 5);
}

if (namespacesPossible()) {
  test('packets pass between the gateway and its clients, under every suite', () =>
    withScene(async ({ plane, clients, open, install }) => {
      for (const client of clients) open(client);
      const peers = clients.map(({ inner, outer }) => plane.addPeer(inner, { address: outer, port: PORT }));
      for (const suite of SUITES) {
        for (const [i, client] of clients.entries()) {
          const [clientSpi, gatewaySpi] = await install(client, peers[i] as number, suite);
          ping(client, INNER);
          client.plane.removeChild(clientSpi);
          plane.removeChild(gatewaySpi);
        }
      }
      const received = await plane.activity();
      for (const [i, peer] of peers.entries()) {
        const count = received.get(peer) ?? 0;
        const sent = clients[i]?.plane.counters()['tx-packets'] ?? 0;
        // One that ping has sent beyond what was asked for may have found its association gone.
        assert.ok(count >= 5 * SUITES.length && count <= sent, `${count} of ${sent}`);
      }
    }));

  test('clients reach each other through the gateway', () =>
    withScene(async ({ space, plane, clients, open, install }) => {
      space.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
      for (const client of clients) {
        open(client);
        const peer = plane.addPeer(client.inner, { address: client.outer, port: PORT });
        await install(client, peer, 'chacha20poly1305');
      }
      ping(clients[0], clients[1].inner);
    }));

  test('a client that comes from another port is followed, and told of', () =>
    withScene(async ({ plane, clients: [client], moves, open, install }) => {
      open(client);
      const peer = plane.addPeer(client.inner, { address: client.outer, port: PORT });
      await install(client, peer, 'chacha20poly1305');
      ping(client, INNER);
      const before = openDescriptors();
      client.plane.closePath(0);
      await until(() => openDescriptors() < before);
      open(client, PORT + 7);
      await install(client, peer, 'aes256gcm16');
      ping(client, INNER);
      await until(() => moves.length > 0);
      assert.equal(moves, [[peer, { address: client.outer, port: PORT + 7 }]]);
      // As IKE would tell it: back to where nobody is.
      plane.movePeer(peer, { address: client.outer, port: PORT });
      await plane.activity();
      ping(client, INNER);
      await until(() => moves.length > 1);
    }));

  test('IKE messages pass both ways, with the address they came from', () =>
    withScene(async ({ plane, clients: [client], messages, open }) => {
      open(client);
      const first = randomBytes(100);
      first.fill(0, 8, 16);
      const second = randomBytes(9000);
      client.plane.sendIke(0, first);
      client.plane.sendIke(0, second);
      await until(() => messages.length === 2);
      const from = { address: client.outer, port: PORT };
      assert.equal(
        messages.map(([at, datagram]) => [at, Buffer.from(datagram).toString('hex')]),
        [first, second].map(datagram => [from, datagram.toString('hex')]),
      );
      plane.sendIke(from, first);
      const [, , datagram] = await client.next('ike');
      assert.is(Buffer.compare(datagram, first), 0);
      assert.is(plane.counters().control, 2);
    }));

  test('places are given back: many peers come and go', () =>
    withScene(async ({ plane, clients: [client], open, install }) => {
      open(client);
      for (let i = 0; i < 3000; i++) {
        const peer = plane.addPeer(client.inner, { address: client.outer, port: PORT });
        const key = () => new Secret(new Uint8Array(36).fill(i));
        plane.installChild(peer, {
          suite: 'chacha20poly1305',
          inboundSpi: plane.allocateSpi(),
          outboundSpi: 0x1000 + i,
          inboundKey: key(),
          outboundKey: key(),
          localSelectors: [range(INNER)],
          remoteSelectors: [range(client.inner)],
        });
        plane.removePeer(peer);
      }
      const peer = plane.addPeer(client.inner, { address: client.outer, port: PORT });
      await install(client, peer, 'chacha20poly1305');
      ping(client, INNER);
      assert.equal([...(await plane.activity())], [[peer, 5]]);
    }));

  test('an association too many is refused, and all others work', () =>
    withScene(async ({ plane, clients: [client], open, install }) => {
      open(client);
      const peer = plane.addPeer(client.inner, { address: client.outer, port: PORT });
      const childOf = (inboundSpi: number): ChildSa => ({
        suite: 'chacha20poly1305',
        inboundSpi,
        outboundSpi: 0x1000,
        inboundKey: new Secret(new Uint8Array(36)),
        outboundKey: new Secret(new Uint8Array(36)),
        localSelectors: [range(INNER)],
        remoteSelectors: [range(client.inner)],
      });
      const spis = Array.from({ length: SA_MAX - 1 }, () => plane.allocateSpi());
      for (const spi of spis) plane.installChild(peer, childOf(spi), true);
      await install(client, peer, 'chacha20poly1305');
      assert.throws(
        () => plane.allocateSpi(),
        (error: VpnrError) => error.code === 'ASSOCIATIONS_FULL',
      );
      // Neither an SPI whose place is in use, nor one that was not given out, gets as far as the core.
      const [taken = 0] = spis;
      for (const spi of [taken, (taken ^ 0x8000_0000) >>> 0]) {
        assert.throws(
          () => plane.installChild(peer, childOf(spi)),
          (error: VpnrError) => error.code === 'INTERNAL',
        );
      }
      ping(client, INNER);
      plane.removeChild(taken);
      const next = plane.allocateSpi();
      assert.is(next & SA_INDEX_MASK, taken & SA_INDEX_MASK);
      plane.installChild(peer, childOf(next), true);
      ping(client, INNER);
      assert.equal([...(await plane.activity())], [[peer, 10]]);
    }));

  test('a port that is taken is refused, and nothing is left open', async () => {
    const space = new Namespace('vpnr-gw');
    space.ip('address', 'add', `${LISTEN.address}/32`, 'dev', 'lo');
    const tun = await space.inside(() => openTun({ name: 'vpnrgw' }));
    const taken = space.inside(() => openUdp({ local: LISTEN }));
    const before = openDescriptors();
    const plane = createGatewayDataPlane();
    const events = { ike: () => {}, peerMoved: () => {}, failed: () => {} };
    try {
      await space.inside(() => plane.start({ tun, listen: LISTEN, pool: POOL, maxSegment: 1300 }, events));
      assert.unreachable();
    } catch (error) {
      assert.is((error as VpnrError).code, 'ADDRESS_IN_USE');
    }
    await plane.stop();
    assert.is(openDescriptors(), before);
    close(taken);
    tun.close();
    space.remove();
  });
} else {
  console.log(`# skipped ${CASES}: no network namespaces here`);
}
test.run();
