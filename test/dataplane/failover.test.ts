// A path that fails under traffic, with sockets and devices: what is lost, what is sent again, what each end says of it.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { namespacesPossible } from '../support/namespace.js';
import { settled, until } from '../support/planes.js';
import { REPLAY, STANDBY, startTwoPaths, type TwoPaths } from '../support/two_paths.js';

const CASES = 10;
const PINGS = 400;

async function withPaths(
  options: Parameters<typeof startTwoPaths>,
  body: (paths: TwoPaths) => Promise<void>,
): Promise<void> {
  const paths = await startTwoPaths(...options);
  try {
    await body(paths);
    assert.equal(paths.failures, []);
  } finally {
    await paths.stop();
  }
}

/** Of what `ping` printed: answers, and answers that came twice. */
function outcome(printed: string): { sent: number; received: number; doubled: number } {
  const number = (pattern: RegExp) => Number(pattern.exec(printed)?.[1] ?? 0);
  return {
    sent: number(/(\d+) packets transmitted/),
    received: number(/(\d+) received/),
    doubled: number(/\+(\d+) duplicates/),
  };
}

if (namespacesPossible()) {
  for (const mode of ['clear', 'sealed'] as const) {
    test(`${mode}: with replay nothing is lost on a path that fails, and nothing doubled`, () =>
      withPaths([REPLAY, mode], async ({ client, relay, cut, ping, sent }) => {
        const pinging = ping(PINGS);
        await sent(100);
        cut(0);
        await sent(40);
        client.plane.activate(1, 2, 'failed');
        const [, path, epoch, ms, answered] = await client.next('switched');
        assert.equal([path, epoch, answered], [1, 2, true]);
        assert.ok(ms < 1000);
        const printed = await pinging;
        const { sent: total, received, doubled } = outcome(printed);
        assert.equal([received, doubled], [total, 0], printed.split('\n').slice(-4).join('\n'));
        const replayed = client.plane.counters().replayed ?? 0;
        assert.ok(replayed >= 40, `${replayed} sent again`);
        assert.is(relay.counters()['replay-overflows'], 0);
      }));
  }

  for (const mode of ['clear', 'sealed'] as const) {
    test(`${mode}: a relay that is started anew is sent what that of before has not delivered, once`, () =>
      withPaths([REPLAY, mode], async paths => {
        const { client, ping, sent } = paths;
        const before = paths.relay;
        const already = before.counters()['rx-packets'] ?? 0;
        const pinging = ping(PINGS);
        await sent(100);
        const received = await paths.endRelay();
        assert.ok(received);
        client.plane.relayGone(true);
        await sent(40);
        await paths.restartRelay(received);
        const { sent: total, doubled } = outcome(await pinging);
        const delivered = () =>
          [before, paths.relay].reduce((all, relay) => all + (relay.counters()['rx-packets'] ?? 0), -already);
        await until(() => delivered() >= total);
        assert.equal([delivered(), doubled], [total, 0]);
        const replayed = client.plane.counters().replayed ?? 0;
        assert.ok(replayed >= 40, `${replayed} sent again`);
        assert.is(paths.relay.counters()['relay-duplicate'], 0);
      }));
  }

  test('in standby what was on its way is lost, and the rest goes on', () =>
    withPaths([STANDBY], async ({ client, relay, cut, ping, sent }) => {
      const pinging = ping(PINGS);
      await sent(100);
      cut(0);
      await sent(40);
      client.plane.activate(1, 2, 'failed');
      const { sent: total, received, doubled } = outcome(await pinging);
      assert.ok(received <= total - 40 && received > total / 2, `${received} of ${total}`);
      assert.is(doubled, 0);
      assert.equal([client.plane.counters().replayed, relay.counters().replayed], [0, 0]);
      assert.not(client.reports.some(([kind]) => kind === 'switched'));
    }));

  test('a path that still works is left without losing, doubling or holding anything', () =>
    withPaths([REPLAY], async ({ client, ping, sent }) => {
      const pinging = ping(PINGS);
      await sent(100);
      client.plane.activate(1, 2, 'alive');
      await sent(100);
      const { sent: total, received, doubled } = outcome(await pinging);
      assert.equal([received, doubled], [total, 0]);
      const [, , , , answered] = await client.next('switched');
      assert.ok(answered);
      assert.is(client.plane.counters()['held-packets'], 0);
    }));

  test('with two paths nothing is lost when one fails, whichever, and nothing doubled', () =>
    withPaths([REPLAY], async ({ client, relay, cut, ping, sent }) => {
      client.plane.setSecondPath(1);
      await ping(3);
      await until(() => (client.plane.counters()['probe-replies'] ?? 0) >= 3);
      const pinging = ping(PINGS);
      await sent(100);
      cut(0);
      await sent(100);
      client.plane.activate(1, 2, 'failed');
      const { sent: total, received, doubled } = outcome(await pinging);
      assert.equal([received, doubled], [total, 0]);
      assert.ok((client.plane.counters()['second-packets'] ?? 0) >= 200);
      assert.ok((relay.counters()['relay-duplicate'] ?? 0) >= 100);
      assert.ok((client.plane.counters()['relay-duplicate'] ?? 0) >= 100);
    }));

  test('only the flows that are chosen take two paths, there and back, and lose nothing when one fails', async () => {
    const [ICMP, TCP] = [1, 6];
    await withPaths([{ ...STANDBY, duplicate: [{ protocol: TCP }] }], async ({ client, relay, ping }) => {
      client.plane.setSecondPath(1);
      await until(() => (client.plane.counters()['probe-replies'] ?? 0) >= 2);
      const { sent, received } = outcome(await ping(20));
      assert.is(received, sent);
      assert.equal([client.plane.counters()['second-packets'], relay.counters()['second-packets']], [0, 0]);
    });
    const chosen = [{ port: 22 }, { protocol: ICMP }];
    await withPaths([{ ...STANDBY, duplicate: chosen }], async ({ client, relay, ping, sent, cut }) => {
      client.plane.setSecondPath(1);
      await until(() => (client.plane.counters()['probe-replies'] ?? 0) >= 2);
      const pinging = ping(PINGS);
      await sent(100);
      cut(0);
      const { sent: total, received, doubled } = outcome(await pinging);
      assert.equal([received, doubled], [total, 0]);
      for (const { 'second-packets': copies } of [client.plane.counters(), relay.counters()])
        assert.ok((copies ?? 0) >= PINGS, `${copies} copies`);
    });
  });

  test('replies say what the relay hears, and the relay that hears nothing says so', () =>
    withPaths([REPLAY], async ({ client, ping }) => {
      client.plane.probe(1, 2);
      await until(() => client.reports.some(([kind, , id]) => kind === 'probeReply' && id === 2));
      const reply = client.reports.find(([kind, , id]) => kind === 'probeReply' && id === 2);
      assert.ok(reply?.[0] === 'probeReply' && reply[4] < 60_000);
      assert.match(await ping(3), '3 received');
    }));

  test('without an answer from the relay the client goes on after its time', () =>
    withPaths([REPLAY], async ({ client, cut }) => {
      cut(1);
      client.plane.activate(1, 2, 'failed');
      await settled(client);
      const [, path, , ms, answered] = await client.next('switched');
      assert.equal([path, answered], [1, false]);
      assert.ok(ms >= 1000);
    }));
} else {
  console.log(`# skipped ${CASES}: not root, or no /dev/net/tun`);
}

test('more flow rules than the core keeps are refused', async () => {
  const { createClientDataPlane } = await import('../../src/dataplane/client.js');
  const duplicate = Array.from({ length: 17 }, () => ({ port: 22 }));
  const plane = createClientDataPlane();
  assert.throws(() => plane.setFailover({ ...REPLAY, duplicate }), /flow rules/);
  await plane.stop();
});

test.run();
