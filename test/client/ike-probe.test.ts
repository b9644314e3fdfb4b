import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { IkeProbe } from '../../src/client/ike-probe.js';
import { failoverTiming } from '../../src/client/timing.js';
import { clientSchema } from '../../src/config/client.js';
import { PathProbes } from '../../src/failover/probes.js';

const { probe: TIMING } = failoverTiming(
  clientSchema.parse({
    name: 'work',
    identity: 'client1',
    gateways: [{ name: 'tokyo', address: '198.51.100.10', identity: 'tokyo', auth: { psk: { env: 'PSK' } } }],
  }),
);

/** Probes a gateway while traffic flows; it answers after `roundTripMs`, until it dies at `diesAt`. When it failed. */
function run(roundTripMs: number, diesAt: number, until: number): number | undefined {
  const probes = new PathProbes(TIMING, 0);
  const request = new IkeProbe();
  let answerAt: number | undefined;
  for (let now = 0; now <= until; now += 5) {
    probes.traffic(now);
    if (answerAt !== undefined && answerAt <= now && now < diesAt) {
      answerAt = undefined;
      const answered = request.answered(now);
      assert.ok(answered);
      probes.reply(answered.id, answered.waitedMs, now);
    }
    if (now < probes.nextTimer()) continue;
    for (const id of probes.tick(now)) {
      request.due(id, now);
      answerAt ??= now + roundTripMs;
    }
    if (probes.failed) return now;
  }
  return undefined;
}

test('a distant gateway does not fail for the probes that had to wait', () => {
  for (const roundTripMs of [20, 300, 700, 1000, 1500])
    assert.is(run(roundTripMs, 60_000, 60_000), undefined);
});

test('a dead gateway fails', () => {
  for (const roundTripMs of [20, 300, 1000]) {
    const failedAt = run(roundTripMs, 30_000, 60_000);
    assert.ok(failedAt !== undefined && failedAt < 34_000, `${roundTripMs} ms: ${failedAt}`);
  }
});

test('an answer without a probe is nothing, and another path begins anew', () => {
  const probe = new IkeProbe();
  assert.is(probe.answered(5), undefined);
  probe.due(1, 10);
  probe.forget();
  assert.is(probe.answered(15), undefined);
});

test.run();
