import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { IkeProbe } from '../../src/client/ike-probe.js';
import { failoverOptions } from '../../src/client/timing.js';
import { clientSchema } from '../../src/config/client.js';
import type { FailoverAction } from '../../src/failover/actions.js';
import { Failover } from '../../src/failover/machine.js';

const OPTIONS = failoverOptions(
  clientSchema.parse({
    name: 'work',
    identity: 'client1',
    gateways: [{ name: 'tokyo', address: '198.51.100.10', identity: 'tokyo', auth: { psk: { env: 'PSK' } } }],
  }),
);

/** Probes a gateway while traffic flows; it answers after `roundTripMs`, until it dies at `diesAt`. When it failed. */
function run(roundTripMs: number, diesAt: number, until: number): number | undefined {
  const policy = new Failover(OPTIONS, () => 0.5);
  const request = new IkeProbe();
  let answerAt: number | undefined;
  let failedAt: number | undefined;
  const carryOut = (actions: readonly FailoverAction[], now: number) => {
    for (const action of actions) {
      if (action.type === 'connect') carryOut(policy.connected(action.gateway, now), now);
      if (action.type === 'failed' || action.type === 'stuck') failedAt ??= now;
      if (action.type !== 'probe') continue;
      request.due(action.id, now);
      answerAt ??= now + roundTripMs;
    }
  };
  carryOut(policy.start(0), 0);
  for (let now = 0; now <= until && failedAt === undefined; now += 5) {
    carryOut(policy.traffic(0, now, now, now), now);
    if (answerAt !== undefined && answerAt <= now && now < diesAt) {
      answerAt = undefined;
      const answered = request.answered(now);
      assert.ok(answered);
      carryOut(policy.probeReply(0, answered.id, answered.waitedMs, now), now);
    }
    if (now >= (policy.nextTimer() ?? Number.POSITIVE_INFINITY)) carryOut(policy.tick(now), now);
  }
  return failedAt;
}

test('a distant gateway does not fail for the probes that had to wait', () => {
  for (const roundTripMs of [20, 300, 700, 1000, 1500])
    assert.is(run(roundTripMs, 60_000, 60_000), undefined);
});

test('a dead gateway fails', () => {
  for (const roundTripMs of [20, 300, 1000]) {
    const failedAt = run(roundTripMs, 30_000, 60_000);
    assert.ok(failedAt !== undefined && failedAt < 36_000, `${roundTripMs} ms: ${failedAt}`);
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
