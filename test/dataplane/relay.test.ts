import { randomBytes } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { RelayEvents, RelayMode } from '../../src/dataplane/api.js';
import { createRelayDataPlane } from '../../src/dataplane/relay.js';
import { VpnrError } from '../../src/errors.js';
import { close } from '../../src/io/libc.js';
import { openTun } from '../../src/io/tun.js';
import { openUdp, sendDatagram } from '../../src/io/udp.js';
import { RELAY_KEY, RELAY_SEALED_KEY } from '../../src/packet/abi.js';
import { Secret } from '../../src/secret.js';
import { namespacesPossible } from '../support/namespace.js';
import { PATIENT, replies } from '../support/ping.js';
import {
  DEVICE,
  installChildren,
  openDescriptors,
  openPath,
  type Pair,
  settled,
  startPair,
  until,
} from '../support/planes.js';

const CASES = 7;
const PORT = 7511;
const CLIENT_PORT = 40_000;
const POOL = '198.18.3.0/24';
const LEASE = '198.18.3.5';
const CONTROL = '192.0.0.2';
/** Behind the relay. */
const SERVER = '198.18.4.1';
const INDEX = 0x1234_5678;

/**
 * The left side is a client; the right namespace holds its gateway, the relay with a device of its own, and a server.
 * The left device has the address `device`.
 */
async function startScene(mode: RelayMode, device: string) {
  const pair: Pair = await startPair(1300);
  const { left, right } = pair;
  await installChildren(pair, 'chacha20poly1305');
  right.space.ip('address', 'add', `${SERVER}/32`, 'dev', 'lo');
  const tun = await right.space.inside(() => openTun({ name: 'vpnrpool' }));
  right.space.ip('link', 'set', 'vpnrpool', 'up');
  right.space.ip('route', 'add', POOL, 'dev', 'vpnrpool');
  const relay = createRelayDataPlane();
  const moves: Parameters<RelayEvents['sessionMoved']>[] = [];
  const failures: Error[] = [];
  const endpoint = { address: right.inner, port: PORT };
  const options = { tun, listen: endpoint, ipip: true, pool: POOL, maxSegment: 1200 };
  const events: RelayEvents = {
    sessionMoved: (...args) => void moves.push(args),
    failed: error => void failures.push(error),
  };
  const { local } = await right.space.inside(() => relay.start(options, events));
  assert.equal(local, endpoint);
  left.space.ip('address', 'add', `${device}/32`, 'dev', DEVICE);
  left.space.ip('address', 'add', `${CONTROL}/32`, 'dev', DEVICE);
  left.space.ip('route', 'add', SERVER, 'dev', DEVICE, 'src', device);
  left.plane.setAddresses({ device, control: CONTROL, maxSegment: 1200 });
  left.plane.setRelay(endpoint);
  /** Both ends take up the session, with fresh keys. */
  const bind = async () => {
    const size = mode === 'sealed' ? RELAY_SEALED_KEY : RELAY_KEY;
    const [up, down] = [randomBytes(size), randomBytes(size)];
    const secret = (bytes: Uint8Array) => new Secret(Uint8Array.from(bytes));
    const common = { mode, lease: LEASE };
    relay.installSession({ ...common, index: INDEX, sendKey: secret(down), receiveKey: secret(up) });
    left.plane.bindRelay({
      ...common,
      relay: endpoint,
      clientPort: CLIENT_PORT,
      sessionIndex: INDEX,
      sendKey: secret(up),
      receiveKey: secret(down),
    });
    await settled(left);
    await relay.activity([]);
  };
  await bind();
  // In ipip mode only tagged packets tell the relay where the session is.
  left.plane.probe(0, 7);
  const [, path, id, roundTripMs] = await left.next('probeReply');
  assert.equal([path, id], [0, 7]);
  assert.ok(roundTripMs > 0 && roundTripMs < 10_000);
  return {
    ...pair,
    relay,
    moves,
    failures,
    bind,
    ping: (...args: string[]) => left.space.run('ping', '-n', '-i', '0.01', ...args, SERVER),
    stop: async () => {
      await relay.stop();
      tun.close();
      await pair.stop();
    },
  };
}

type Scene = Awaited<ReturnType<typeof startScene>>;

async function withScene(
  mode: RelayMode,
  device: string,
  body: (scene: Scene) => Promise<void>,
): Promise<void> {
  const scene = await startScene(mode, device);
  try {
    await body(scene);
    assert.equal(scene.failures, []);
  } finally {
    await scene.stop();
  }
}

if (namespacesPossible()) {
  for (const [mode, device] of [
    ['clear', LEASE],
    ['clear', '192.168.77.2'],
    ['sealed', LEASE],
    ['ipip', LEASE],
  ] as const) {
    test(`packets pass through the relay in ${mode} mode, from the device address ${device}`, () =>
      withScene(mode, device, async ({ left, relay, moves, ping }) => {
        const printed = ping('-c', '20', ...PATIENT, '-s', '1100');
        assert.ok(replies(printed) >= 20);
        const sent = Number(/(\d+) packets transmitted/.exec(printed)?.[1]);
        // The control connection goes past the relay's data plane.
        assert.ok(
          replies(
            left.space.run('ping', '-n', '-c', '2', ...PATIENT, '-i', '0.01', '-I', CONTROL, '198.18.2.2'),
          ) >= 2,
        );
        const counters = relay.counters();
        for (const name of ['rx-packets', 'tx-packets']) {
          const count = counters[name] ?? 0;
          assert.ok(count >= 20 && count <= sent, `${name}: ${count} of ${sent}`);
        }
        const path = { address: left.inner, port: CLIENT_PORT };
        await until(() => moves.length > 0);
        assert.equal(moves, [[INDEX, path, 1]]);
        const activity = await relay.activity([INDEX, 99]);
        const received = activity.get(INDEX)?.received ?? 0;
        assert.ok(received >= 21 && received <= sent + 1, `${received} of ${sent} pings and a probe`);
        assert.equal([...activity], [[INDEX, { received, epoch: 1, path }]]);
      }));
  }

  test('a session follows its client to another path, is drained and removed', () =>
    withScene('clear', LEASE, async ({ left, right, relay, moves, bind, ping }) => {
      openPath(left, right, 1);
      openPath(right, left, 1);
      left.plane.setVirtualAddress(1, '198.18.2.77');
      await installChildren({ left, right }, 'aes256gcm16', 1);
      left.plane.activate(1, 2);
      await settled(left);
      assert.ok(replies(ping('-c', '5', ...PATIENT)) >= 5);
      await until(() => moves.length === 2);
      assert.equal(moves[1], [INDEX, { address: '198.18.2.77', port: CLIENT_PORT }, 1]);
      relay.drain();
      await left.next('drain');
      relay.removeSession(INDEX);
      relay.removeSession(INDEX);
      assert.is((await relay.activity([INDEX])).size, 0);
      assert.throws(() => ping('-c', '1', '-W', '0.1'));
      await until(() => (relay.counters()['relay-session'] ?? 0) > 0);
      await bind();
      assert.ok(replies(ping('-c', '2', ...PATIENT)) >= 2);
    }));

  test('a session that the core would refuse is refused at once', () =>
    withScene('clear', LEASE, async ({ relay }) => {
      const session = (index: number, lease: string) => ({
        index,
        mode: 'clear' as const,
        lease,
        sendKey: new Secret(new Uint8Array(16)),
        receiveKey: new Secret(new Uint8Array(16)),
      });
      assert.throws(() => relay.installSession(session(0, '198.18.3.6')), /no place/);
      assert.throws(() => relay.installSession(session(INDEX ^ 0x8000_0000, '198.18.3.6')), /no place/);
      assert.throws(() => relay.installSession(session(1, LEASE)), /collides/);
      assert.throws(() => relay.installSession(session(1, '198.18.5.5')), /outside the pool/);
      relay.installSession(session(1, '198.18.3.6'));
      const [activity] = (await relay.activity([1])).values();
      assert.equal(activity, { received: 0, epoch: 0 });
    }));

  test('nonsense at the data port is dropped; stopping leaves no descriptor open', async () => {
    const before = openDescriptors();
    await withScene('clear', LEASE, async ({ right, relay, moves, ping }) => {
      const rogue = right.space.inside(() => openUdp({ local: { address: right.inner, port: 0 } }));
      const to = { address: right.inner, port: PORT };
      const noise = randomBytes(4096);
      // Version 2, DATA, and the session's own index in every second datagram.
      const header = Uint8Array.of(0x21, 0, 0, 9, 0x12, 0x34, 0x56, 0x78);
      for (let sent = 0; sent < 50_000; sent++) {
        const part = noise.subarray(sent % 2000, (sent % 2000) + (sent % 300));
        sendDatagram(rogue, sent % 2 === 0 ? [header, part] : [part], to);
      }
      await until(
        () => (relay.counters()['relay-tag'] ?? 0) + (relay.counters()['relay-duplicate'] ?? 0) > 1000,
      );
      assert.ok(replies(ping('-c', '5', ...PATIENT)) >= 5);
      assert.is((await relay.activity([INDEX])).get(INDEX)?.received, 6);
      assert.is(moves.length, 1);
      close(rogue);
    });
    await until(() => openDescriptors() === before);
  });
} else {
  console.log(`# skipped ${CASES}: not root, or no /dev/net/tun`);
}

test('a relay data plane that was not started says so', async () => {
  const relay = createRelayDataPlane();
  assert.throws(() => relay.drain(), /not been started/);
  await relay.stop();
});

test('a worker that cannot start rejects the start, and nothing stays open', async () => {
  const before = openDescriptors();
  const relay = createRelayDataPlane();
  const listen = { address: '127.0.0.1', port: 0 };
  const options = { tun: { fd: -1 }, listen, ipip: false, pool: '10.0.0.0/8', maxSegment: 1200 };
  const events: RelayEvents = { sessionMoved() {}, failed: () => assert.unreachable() };
  const outcome = await relay.start(options, events).then(
    () => undefined,
    error => error,
  );
  assert.instance(outcome, VpnrError);
  assert.is(outcome.code, 'CONFIG_INVALID');
  await relay.stop();
  await until(() => openDescriptors() === before);
});

test.run();
