import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PathProbes, type ProbeTiming } from '../../src/failover/probes.js';
import { RoundTripEstimator } from '../../src/failover/round-trip.js';

const TIMING: ProbeTiming = {
  intervalMs: 25,
  idleIntervalMs: 1000,
  idleAfterMs: 2000,
  misses: 3,
  timeoutFloorMs: 200,
  timeoutCeilingMs: 1000,
};

/** Runs probes from `from` until `until` (ms); `answer` gives the round trip of a probe sent at a time, or undefined. */
function run(
  probes: PathProbes,
  from: number,
  until: number,
  answer: (sentAt: number) => number | undefined,
): { sent: number[]; failedAt: number | undefined } {
  const sent: number[] = [];
  const answers: { at: number; id: number; roundTrip: number }[] = [];
  for (let now = from; now <= until; now++) {
    for (const due of answers.filter(entry => entry.at === now)) probes.reply(due.id, due.roundTrip, now);
    if (now < probes.nextTimer()) continue;
    for (const id of probes.tick(now)) {
      sent.push(now);
      const roundTrip = answer(now);
      if (roundTrip !== undefined) answers.push({ at: now + roundTrip, id, roundTrip });
    }
    if (probes.failed) return { sent, failedAt: now };
  }
  return { sent, failedAt: undefined };
}

test('RFC 6298: the first sample and the ones after it', () => {
  const estimator = new RoundTripEstimator();
  assert.is(estimator.timeoutMs(1, 1000), 1000);
  estimator.sample(100);
  assert.is(estimator.smoothedMs, 100);
  assert.is(estimator.varianceMs, 50);
  assert.is(estimator.timeoutMs(1, 1000), 300);
  estimator.sample(200);
  assert.is(estimator.smoothedMs, 112.5);
  assert.is(estimator.varianceMs, 62.5);
  assert.is(estimator.timeoutMs(500, 1000), 500);
  assert.is(estimator.timeoutMs(1, 200), 200);
});

test('idle paths are probed rarely, busy ones often', () => {
  const probes = new PathProbes(TIMING, 0);
  const idle = run(probes, 0, 4500, () => 10);
  assert.is(idle.sent.length, 5);
  probes.traffic(4501);
  const busy = run(probes, 4501, 5500, () => 10);
  assert.ok(busy.sent.length >= 38 && busy.sent.length <= 41, `${busy.sent.length} probes`);
});

test('a silent path fails after three timeouts, and not before', () => {
  const probes = new PathProbes(TIMING, 0);
  probes.traffic(0);
  const { failedAt } = run(probes, 0, 5000, sentAt => (sentAt < 1000 ? 13 : undefined));
  assert.ok(
    failedAt !== undefined && failedAt >= 1200 + 50 && failedAt <= 1200 + 100,
    `failed at ${failedAt}`,
  );
});

test('an idle path that falls silent is probed at the short interval as soon as it is suspect', () => {
  const probes = new PathProbes(TIMING, 0);
  const { failedAt } = run(probes, 0, 20_000, sentAt => (sentAt < 5000 ? 13 : undefined));
  // The first lost probe leaves by 6000 at the latest.
  assert.ok(failedAt !== undefined && failedAt <= 6000 + 200 + 200 + 3 * 25 + 25, `failed at ${failedAt}`);
});

test('single losses and a jump in delay are no failure', () => {
  const probes = new PathProbes(TIMING, 0);
  probes.traffic(0);
  let count = 0;
  const { failedAt } = run(probes, 0, 1900, sentAt =>
    ++count % 3 === 0 ? undefined : sentAt < 900 ? 13 : 63,
  );
  assert.is(failedAt, undefined);
  assert.ok((probes.smoothedRoundTripMs ?? 0) > 40);
});

test('a late answer starts the count anew', () => {
  const probes = new PathProbes(TIMING, 0);
  probes.traffic(0);
  for (let now = 0; now <= 1025; now++) if (now >= probes.nextTimer()) probes.tick(now);
  assert.ok(probes.suspect && !probes.failed);
  probes.reply(1, 1025, 1025);
  assert.not(probes.suspect);
});

test('a clock that stood still blames nobody', () => {
  const probes = new PathProbes(TIMING, 0);
  probes.traffic(0);
  run(probes, 0, 500, () => 13);
  const id = probes.tick(501)[0];
  probes.tick(60_000);
  assert.not(probes.failed);
  if (id !== undefined) probes.reply(id, 13, 60_001);
  assert.not(probes.suspect);
});

test.run();
