/** How soon failures are noticed, what is no failure, and what watching costs: by simulation. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { median } from '../../src/bench/statistics.js';
import { TIMING, World, type WorldOptions } from './world.js';

const OTHERS = [13, 32];
const HOUR_MS = 3_600_000;
/** What `begun` has run for. */
const BEGUN_MS = 5000;

function begun(options: Partial<WorldOptions> = {}): World {
  const world = new World({ roundTripMs: [13, ...OTHERS], seed: 1, ...options });
  world.start();
  world.run(BEGUN_MS);
  return world;
}

/** When traffic left gateway 0, in milliseconds after the fault, sorted; for many phases of the probes. */
function detections(roundTripMs: number, fault: (world: World) => void, runs = 30): number[] {
  return Array.from({ length: runs }, (_, run) => {
    const world = begun({ roundTripMs: [roundTripMs, ...OTHERS], seed: run + 1 });
    world.run(5000 + run * 7.3);
    const at = world.now;
    fault(world);
    world.run(at + 1000);
    const move = world.moves.find(({ gateway }) => gateway !== 0);
    return (move?.at ?? Number.POSITIVE_INFINITY) - at;
  }).sort((a, b) => a - b);
}

const FAULTS: Record<string, (world: World) => void> = {
  'a gateway stopped': world => world.stop(0),
  'a line cut behind the gateway': world => {
    world.place(0).line = false;
  },
  'loss one way out': world => {
    world.place(0).out.loss = 1;
  },
  'loss one way in': world => {
    world.place(0).back.loss = 1;
  },
};

for (const [name, fault] of Object.entries(FAULTS)) {
  test(`${name} is noticed within 100 ms and a round trip`, () => {
    for (const roundTrip of [13, 32, 100]) {
      const times = detections(roundTrip, fault);
      const median = times[times.length / 2] ?? Number.POSITIVE_INFINITY;
      assert.ok(median < 100 + roundTrip, `median ${median} at ${roundTrip} ms`);
      assert.ok((times.at(-1) ?? 0) < 110 + roundTrip, `at most ${times.at(-1)} at ${roundTrip} ms`);
    }
  });
}

test('an hour of 30 % jitter and 2 % loss each way: no false alarm', () => {
  for (const [seed, roundTrip] of [13, 32].entries()) {
    const world = begun({ roundTripMs: [roundTrip, ...OTHERS], seed, jitter: 0.3, loss: 0.02 });
    world.run(HOUR_MS);
    assert.is(world.moves.length, 1, `seed ${seed}`);
    assert.equal(world.said, [], `seed ${seed}`);
    assert.ok((world.probes[0] ?? 0) > 140_000);
  }
});

test('a healthy network: no move, whatever is preferred', () => {
  for (const prefer of ['order', 'latency'] as const) {
    const world = begun({ jitter: 0.1, options: { prefer } });
    world.run(HOUR_MS / 4);
    assert.is(world.moves.length, 1);
    assert.equal(world.said, []);
  }
});

test('a jump of 50 ms in delay is no failure', () => {
  for (const roundTrip of [5, 13, 32, 100]) {
    for (let run = 1; run <= 15; run++) {
      const world = begun({ roundTripMs: [roundTrip, ...OTHERS], seed: run, jitter: 0.1 });
      world.run(5000 + run * 3.3);
      world.place(0).out.delayMs += 50;
      world.run(8000);
      assert.is(world.moves.length, 1, `${roundTrip} ms, run ${run}`);
    }
  }
});

test('a process that did not run for a while blames nobody', () => {
  for (const ms of [15, 30, 60, 100, 300, 2000, 60_000]) {
    const world = begun({ jitter: 0.1 });
    for (let stall = 0; stall < 20; stall++) {
      world.stall(ms);
      world.run(world.now + ms + 303);
    }
    assert.is(world.moves.length, 1, `${ms} ms`);
    assert.equal(world.said, [], `${ms} ms`);
  }
});

test('30 % loss: traffic moves to a clean path within seconds, and does not return', () => {
  const movedAt: number[] = [];
  for (let seed = 1; seed <= 10; seed++) {
    const world = begun({ seed });
    world.place(0).out.loss = 0.3;
    world.run(120_000);
    const [, move, ...later] = world.moves;
    assert.ok(move !== undefined && move.at < 12_000, `seed ${seed}: ${move?.at}`);
    assert.ok([move, ...later].every(({ gateway }) => gateway !== 0) && later.length < 2, `seed ${seed}`);
    movedAt.push(move.at);
  }
  const ms = median(movedAt) - BEGUN_MS;

  assert.ok(ms < 2500, `${ms} ms`);
});

test('30 % loss: when the other paths fail for a moment, too, traffic does not stay on the lossy one', () => {
  for (let seed = 1; seed <= 10; seed++) {
    const world = begun({ seed });
    const { policy } = world;
    const runUntilLeft = (gateway: number | undefined) => {
      const end = world.now + 10_000;
      while (policy.active === gateway && world.now < end) world.run(world.now + 5);
      assert.is.not(policy.active, gateway, `seed ${seed}`);
    };
    Object.assign(world.place(0).out, { loss: 0.3 });
    Object.assign(world.place(0).back, { loss: 0.3 });
    runUntilLeft(0);
    const others = [world.place(1), world.place(2)];
    for (const { out } of others) out.loss = 1;
    while (policy.active !== 0 && world.now < 60_000) world.run(world.now + 5);
    assert.is(policy.active, 0, `seed ${seed}: there was no better one`);
    for (const { out } of others) out.loss = 0;
    world.run(world.now + 4000);
    assert.is.not(policy.active, 0, `seed ${seed}`);
  }
});

test('loss on all paths alike moves nothing', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = begun({ loss: seed % 2 === 0 ? 0.15 : 0.3, seed });
    world.run(120_000);
    assert.ok(
      world.moves.every(({ cause }) => cause !== 'loss'),
      `seed ${seed}`,
    );
  }
});

test('an idle client wakes once in 15 s for all its paths, a busy one as often as its interval says', () => {
  const world = begun({ traffic: false });
  world.run(600_000);
  const idle = world.wakeUps;
  world.run(1_200_000);
  assert.ok((world.wakeUps - idle) / 600 < 0.15, `${(world.wakeUps - idle) / 600} a second`);
  const busy = world.wakeUps;
  world.traffic = true;
  world.run(1_260_000);
  const perSecond = (world.wakeUps - busy) / 60;
  assert.ok(perSecond < 1000 / TIMING.probe.intervalMs + 5, `${perSecond} a second`);
});

test.run();
