import { execFile } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createClientDataPlane } from '../../src/dataplane/client.js';
import { REPORTS_MAX } from '../../src/dataplane/shared.js';
import { VpnrError } from '../../src/errors.js';
import { monotonicMs } from '../../src/io/clock.js';
import { close } from '../../src/io/libc.js';
import { openUdp, sendDatagram } from '../../src/io/udp.js';
import { namespacesPossible } from '../support/namespace.js';
import { PATIENT, replies } from '../support/ping.js';
import {
  DEVICE,
  installChildren,
  openDescriptors,
  openPath,
  type Pair,
  PORT,
  type Side,
  SUITES,
  settled,
  startPair,
  until,
} from '../support/planes.js';

const CASES = 13;
const turn = () => new Promise(resolve => setImmediate(resolve));

/** Waits until the counter has at least this value. */
function counted(side: Side, name: string, value: number): Promise<void> {
  return until(() => (side.plane.counters()[name] ?? 0) >= value);
}

function ping(pair: Pair, ...options: string[]): string {
  return pair.left.space.run('ping', '-n', '-i', '0.01', ...options, pair.right.inner);
}

/** A socket in the right namespace that is the gateway of the left side's path 1, for saying what no gateway would. */
function rogueGateway({ left, right }: Pair): number {
  const address = right.outer;
  const remote = { address: left.outer, port: PORT + 1 };
  const fd = right.space.inside(() => openUdp({ local: { address, port: PORT + 1 }, remote }));
  openPath(left, right, 1);
  return fd;
}

/** Runs a test with a pair, which is stopped whatever happens. */
async function withPair(body: (pair: Pair) => Promise<void>): Promise<void> {
  const pair = await startPair();
  try {
    await body(pair);
  } finally {
    await pair.stop();
  }
}

const MARKER = new Uint8Array(4);
/** An IKE header and something to tell messages apart. */
const message = (index: number) => Uint8Array.from({ length: 30 }, (_, at) => (at === 29 ? index : at));
const isMessage = (datagram: Uint8Array, index: number) => Buffer.compare(datagram, message(index)) === 0;

if (namespacesPossible()) {
  test('packets pass between two devices under every suite, and are counted', () =>
    withPair(async pair => {
      let sent = 0;
      for (const suite of SUITES) {
        const [leftSpi, rightSpi] = await installChildren(pair, suite);
        const printed = ping(pair, '-c', '5', ...PATIENT, '-s', '1300');
        assert.ok(replies(printed) >= 5);
        sent += Number(/(\d+) packets transmitted/.exec(printed)?.[1]);
        pair.left.plane.removeChild(leftSpi);
        pair.right.plane.removeChild(rightSpi);
      }
      // The worker shows them after it has handed a packet on.
      await counted(pair.left, 'tx-packets', sent);
      await counted(pair.left, 'rx-packets', SUITES.length * 5);
      const counters = pair.left.plane.counters();
      assert.is(counters['tx-packets'], sent);
      assert.is(counters['tx-bytes'], sent * 1328);
      const received = counters['rx-packets'] ?? 0;
      assert.ok(received >= SUITES.length * 5 && received <= sent, `${received} of ${sent}`);
      assert.is(counters['rx-auth'], 0);
    }));

  test('traffic is told when it begins, not more often than useful, and not in its absence', () =>
    withPair(async pair => {
      await installChildren(pair, 'chacha20poly1305');
      const { left } = pair;
      const told = () => left.reports.filter(([kind]) => kind === 'traffic');
      assert.equal(told(), []);
      const began = monotonicMs();
      ping(pair, '-c', '20', ...PATIENT);
      const [, sent, received] = await left.next('traffic');
      assert.ok(sent >= 1 && received <= 20, `${sent} and ${received}`);
      await settled(left);
      assert.ok(told().length <= (monotonicMs() - began) / 50 + 1, `${told().length} times`);
      const before = told().length;
      left.plane.sendIke(0, message(0));
      await pair.right.next('ike');
      assert.is(told().length, before);
    }));

  test('rekeying again and again loses nothing', () =>
    withPair(async pair => {
      let [leftSpi, rightSpi] = await installChildren(pair, 'chacha20poly1305');
      const pinging = pair.left.space.spawn('ping', '-n', '-i', '0.002', '-c', '500', pair.right.inner);
      let printed = '';
      let ended = false;
      pinging.stdout?.on('data', chunk => {
        printed += chunk;
      });
      pinging.once('close', () => {
        ended = true;
      });
      while (!ended) {
        const before = pair.left.plane.counters()['tx-packets'] ?? 0;
        const [nextLeft, nextRight] = await installChildren(pair, 'aes128gcm16');
        // The old child is removed, as IKE would, when the new one is in use.
        await until(() => ended || (pair.left.plane.counters()['tx-packets'] ?? 0) > before + 20);
        pair.left.plane.removeChild(leftSpi);
        pair.right.plane.removeChild(rightSpi);
        [leftSpi, rightSpi] = [nextLeft, nextRight];
      }
      assert.match(printed, '500 received');
    }));

  test('a path moves to other addresses without its associations, and its old socket is closed', () =>
    withPair(async pair => {
      const { left, right } = pair;
      await installChildren(pair, 'chacha20poly1305');
      assert.ok(replies(ping(pair, '-c', '3', ...PATIENT)) >= 3);
      const descriptors = openDescriptors();
      left.space.ip('address', 'add', '198.18.1.11/24', 'dev', 'cable');
      const [near, far] = [
        { address: '198.18.1.11', port: 4511 },
        { address: right.outer, port: 4522 },
      ];
      const moved = left.space.inside(() => left.plane.movePath(0, far, near));
      assert.equal(moved.local, near);
      right.space.inside(() => right.plane.movePath(0, near, far));
      await until(() => openDescriptors() === descriptors);
      left.space.ip('address', 'delete', `${left.outer}/24`, 'dev', 'cable');
      left.space.ip('address', 'add', '198.18.1.11/24', 'dev', 'cable');
      assert.ok(replies(ping(pair, '-c', '3', ...PATIENT)) >= 3);
      const nowhere = { address: '203.0.113.1', port: PORT };
      const unreachable = () => left.space.inside(() => left.plane.movePath(0, nowhere));
      assert.throws(unreachable, (error: VpnrError) => error.code === 'SYSTEM_CALL');
      assert.ok(replies(ping(pair, '-c', '3', ...PATIENT)) >= 3);
      assert.is(openDescriptors(), descriptors);
    }));

  test('without an active path, or without a child, packets are dropped and counted', () =>
    withPair(async pair => {
      assert.throws(() => ping(pair, '-c', '3', '-W', '0.1'));
      await counted(pair.left, 'tx-no-tunnel', 3);
      const [leftSpi] = await installChildren(pair, 'chacha20poly1305');
      assert.ok(replies(ping(pair, '-c', '1', ...PATIENT)) >= 1);
      pair.left.plane.activate(undefined, 2);
      await settled(pair.left);
      assert.throws(() => ping(pair, '-c', '3', '-W', '0.1'));
      await counted(pair.left, 'tx-no-tunnel', 6);
      pair.left.plane.activate(0, 3);
      pair.left.plane.removeChild(leftSpi);
      await settled(pair.left);
      assert.throws(() => ping(pair, '-c', '3', '-W', '0.1'));
      await counted(pair.left, 'tx-no-tunnel', 9);
    }));

  test('IKE messages pass between the main threads', () =>
    withPair(async pair => {
      pair.left.plane.sendIke(0, message(1));
      const [, path, datagram] = await pair.right.next('ike');
      assert.is(path, 0);
      assert.equal(datagram, message(1));
      assert.throws(() => pair.left.plane.sendIke(5, message(1)), /not open/);
    }));

  test('IKE messages that the main thread does not take in time are dropped', () =>
    withPair(async pair => {
      const rogue = rogueGateway(pair);
      for (let index = 0; index < REPORTS_MAX + 20; index++) sendDatagram(rogue, [MARKER, message(index)]);
      // This thread does not look at its messages until the worker has dropped some.
      while ((pair.left.plane.counters()['rx-control-full'] ?? 0) < 20);
      assert.is(pair.left.plane.counters().control, REPORTS_MAX);
      await until(() => pair.left.reports.length === REPORTS_MAX);
      sendDatagram(rogue, [MARKER, message(255)]);
      await until(() => pair.left.reports.length === REPORTS_MAX + 1);
      assert.equal(pair.left.reports.at(-1), ['ike', 1, message(255)]);
      close(rogue);
    }));

  test('a flood of nonsense is dropped and changes nothing', () =>
    withPair(async pair => {
      const [leftSpi] = await installChildren(pair, 'chacha20poly1305');
      const rogue = rogueGateway(pair);
      const printed = ping(pair, '-c', '2', ...PATIENT);
      assert.ok(replies(printed) >= 2);
      const before = process.memoryUsage.rss();
      const total = 100_000;
      const noise = randomBytes(70_000);
      const known = new Uint8Array(4);
      new DataView(known.buffer).setUint32(0, leftSpi);
      let sent = 0;
      while (sent < total) {
        for (let burst = 0; burst < 200; burst++, sent++) {
          const length = randomInt(0, 10) === 0 ? randomInt(0, 20_000) : randomInt(0, 200);
          const part = noise.subarray(randomInt(0, 50_000)).subarray(0, length);
          const start = [new Uint8Array(0), known, MARKER, Uint8Array.of(0xff)][sent % 4] as Uint8Array;
          assert.ok(sendDatagram(rogue, [start, part]));
        }
        pair.left.reports.length = 0;
        await turn();
      }
      // The receive buffer may be full, so it is sent until it arrives.
      await until(() => {
        sendDatagram(rogue, [MARKER, message(255)]);
        return pair.left.reports.some(report => report[0] === 'ike' && isMessage(report[2], 255));
      });
      const counters = pair.left.plane.counters();
      assert.ok((counters['rx-auth'] ?? 0) > 1000);
      assert.ok((counters['rx-unknown-spi'] ?? 0) > 1000);
      const pings = Number(/(\d+) packets transmitted/.exec(printed)?.[1]);
      assert.ok((counters['rx-packets'] ?? 0) <= pings, `${counters['rx-packets']} of ${pings} pings`);
      assert.ok(replies(ping(pair, '-c', '5', ...PATIENT)) >= 5);
      assert.ok(process.memoryUsage.rss() - before < 100e6, 'memory stays bounded');
      assert.not(pair.left.reports.some(([kind]) => kind === 'failed'));
      close(rogue);
    }));

  test('a gateway that is not there is reported, not more often than useful, and ends nothing', () =>
    withPair(async pair => {
      await installChildren(pair, 'chacha20poly1305');
      openPath(pair.left, pair.right, 1);
      for (let index = 0; index < 50; index++) pair.left.plane.sendIke(1, message(index));
      assert.equal(await pair.left.next('pathError'), ['pathError', 1, 'ECONNREFUSED']);
      assert.ok(replies(ping(pair, '-c', '2', ...PATIENT)) >= 2);
      assert.ok(pair.left.reports.length < 10);
    }));

  test('a link that goes down is reported', () =>
    withPair(async pair => {
      await installChildren(pair, 'chacha20poly1305');
      pair.left.space.ip('link', 'set', 'cable', 'down');
      assert.throws(() => ping(pair, '-c', '3', '-W', '0.1'));
      assert.equal(await pair.left.next('pathError'), ['pathError', 0, 'ENETUNREACH']);
      await counted(pair.left, 'tx-send', 3);
      pair.left.space.ip('link', 'set', 'cable', 'up');
      assert.match(ping(pair, '-c', '10'), / [1-9]\d* received/);
    }));

  test('a closed path is gone, its descriptor too, and can be opened again', () =>
    withPair(async pair => {
      const before = openDescriptors();
      for (let round = 0; round < 20; round++) {
        pair.left.plane.openPath(3, { address: '127.0.0.1', port: PORT });
        pair.left.plane.closePath(3);
      }
      pair.left.plane.closePath(3);
      await until(() => openDescriptors() === before);
      openPath(pair.left, pair.right, 3);
      assert.throws(() => openPath(pair.left, pair.right, 3), /open already/);
      assert.throws(() => pair.left.plane.openPath(16, { address: '198.18.1.2', port: 1 }), /no path 16/);
      await installChildren(pair, 'chacha20poly1305');
      assert.ok(replies(ping(pair, '-c', '2', ...PATIENT)) >= 2);
    }));

  test('a device that is removed is a failure, and stopping still works', async () => {
    const before = openDescriptors();
    await withPair(async pair => {
      await installChildren(pair, 'chacha20poly1305');
      pair.left.space.ip('link', 'delete', DEVICE);
      const [, error] = await pair.left.next('failed');
      assert.instance(error, VpnrError);
      assert.is(error.code, 'SYSTEM_CALL');
      assert.match(error.remedy ?? '', /removed/);
      pair.left.plane.activate(0, 2);
      pair.left.plane.closePath(0);
      assert.is(pair.left.reports.filter(([kind]) => kind === 'failed').length, 1);
    });
    await until(() => openDescriptors() === before);
  });

  test('stopping leaves no descriptor open, and a process that exits does not wait', async () => {
    const before = openDescriptors();
    await withPair(async pair => {
      await installChildren(pair, 'aes256gcm16');
      assert.ok(replies(ping(pair, '-c', '2', ...PATIENT)) >= 2);
      await pair.left.plane.stop();
    });
    await until(() => openDescriptors() === before);
    const module = fileURLToPath(new URL('../support/exit.js', import.meta.url));
    const running = promisify(execFile)(process.execPath, [module], { timeout: 20_000 });
    const { code } = (await running.catch(error => error)) as { code?: number };
    assert.is(code, 7);
  });
} else {
  console.log(`# skipped ${CASES}: not root, or no /dev/net/tun`);
}

test('a data plane that was not started says so', async () => {
  const plane = createClientDataPlane();
  assert.throws(() => plane.openPath(0, { address: '127.0.0.1', port: 1 }), /not been started/);
  assert.throws(() => plane.setRelay({ address: '2001:db8::1', port: 1 }), /not an IPv4 address/);
  await plane.stop();
});

test.run();
