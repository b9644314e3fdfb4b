/** More than a thousand generated fault schedules, and what must hold in all of them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { FailoverMode } from '../../src/failover/actions.js';
import { generator } from '../support/random.js';
import { TIMING, World } from './world.js';

const ROUND_TRIPS = [5, 13, 13, 32, 80];
const FAULTS_MS = 25_000;
/** Longer than any back-off with the attempt after it. */
const QUIET_MS = 40_000;
/** At the longest round trip, with losses; what is typical is in `detection.test.ts`. */
const DETECTION_MS = 1500;

interface Outcome {
  world: World;
  /** For how long the active path was dead although another one had been good for a second, at worst. */
  stayedMs: number;
}

/** One of the things that happen to networks. */
function harm(world: World, random: () => number): void {
  const pick = (count: number) => Math.floor(random() * count);
  const gateway = pick(world.places.length);
  const place = world.place(gateway);
  const all = [...world.places.keys()];
  const direction = random() < 0.5 ? place.out : place.back;
  const faults: (() => void)[] = [
    () => world.stop(gateway),
    () => world.stop(gateway),
    () => world.startAgain(gateway),
    () => world.startAgain(gateway),
    () => {
      place.line = !place.line;
    },
    () => {
      direction.loss = [0, 0, 0.02, 0.3, 1][pick(5)] ?? 0;
    },
    () => {
      direction.delayMs += random() * 50;
    },
    () => {
      world.relay = !world.relay;
    },
    () => {
      world.network = !world.network;
    },
    () => world.unplug(random() < 0.5 ? [gateway] : all),
    () => world.plugIn(random() < 0.5 ? [gateway] : all),
    () => world.endRelay(),
    () => world.tell((policy, now) => policy.pathError(gateway, now)),
    () => world.tell((policy, now) => policy.lost(gateway, 'closed-by-gateway', now)),
    () => world.tell((policy, now) => policy.drain(gateway, now)),
    () => world.tell((policy, now) => policy.switchTo(gateway, now)),
    () => world.tell((policy, now) => policy.refresh(now)),
    () => world.stall(random() * 500),
    () => {
      world.traffic = !world.traffic;
    },
  ];
  faults[pick(faults.length)]?.();
}

function live(seed: number, mode: FailoverMode): Outcome {
  const random = generator(seed);
  const count = 2 + (seed % 3);
  const world = new World({
    roundTripMs: Array.from({ length: count }, () => ROUND_TRIPS[Math.floor(random() * 5)] ?? 13),
    seed,
    jitter: 0.2 * random(),
    traffic: random() < 0.3,
    options: { mode, relay: seed % 4 > 0, prefer: random() < 0.5 ? 'order' : 'latency' },
  });
  let stayedMs = 0;
  let deadSince: number | undefined;
  const goodSince: (number | undefined)[] = [];
  const look = () => {
    const { active } = world.policy;
    world.places.forEach((_, gateway) => {
      const good = world.connected(gateway) && world.policy.stateOf(gateway) === 'standby';
      goodSince[gateway] = good ? (goodSince[gateway] ?? world.now) : undefined;
    });
    const another = goodSince.some(since => since !== undefined && world.now - since > 1000);
    const dead =
      active !== undefined &&
      !world.works(active) &&
      another &&
      world.traffic &&
      world.known &&
      !world.stalled &&
      world.now >= world.excusedUntil;
    deadSince = dead ? (deadSince ?? world.now) : undefined;
    if (deadSince !== undefined) stayedMs = Math.max(stayedMs, world.now - deadSince);
  };
  world.watch = look;
  world.start();
  for (let at = 500; at < FAULTS_MS; at += 1 + random() * 5000)
    world.at(at, () => {
      look();
      harm(world, random);
      look();
    });
  world.at(FAULTS_MS, () => {
    world.relay = true;
    world.network = true;
    world.places.forEach((place, gateway) => {
      // Half-dead paths may be left or not: here each works or does not.
      place.out.loss = place.out.loss < 1 ? 0 : 1;
      place.back.loss = place.back.loss < 1 ? 0 : 1;
      if (place.gateway) world.startAgain(gateway);
    });
    world.tell((policy, now) => policy.refresh(now));
    look();
  });
  world.at(FAULTS_MS + 5000, () => {
    world.traffic = false;
  });
  world.run(FAULTS_MS + QUIET_MS);
  return { world, stayedMs };
}

function unforcedWithinBudget(world: World): boolean {
  const times = world.moves.filter(({ cause }) => /failback|latency|loss/.test(cause)).map(({ at }) => at);
  return times.every(
    from => times.filter(at => at >= from && at < from + TIMING.movesWindowMs).length <= TIMING.moves,
  );
}

for (const mode of ['cold', 'standby', 'duplicate'] as const) {
  test(`${mode}: every schedule ends on a living gateway if there is one, without more moves than allowed`, () => {
    let living = 0;
    for (let seed = 1; seed <= 700; seed++) {
      const { world, stayedMs } = live(seed, mode);
      const { active } = world.policy;
      if (world.places.some((_, gateway) => world.works(gateway))) {
        living++;
        assert.ok(active !== undefined && world.connected(active), `seed ${seed}: on ${active}`);
        assert.is(world.policy.suspect, false, `seed ${seed}`);
      }
      assert.ok(unforcedWithinBudget(world), `seed ${seed}`);
      assert.ok(stayedMs < DETECTION_MS, `seed ${seed}: ${stayedMs} ms on a failed path`);
    }
    assert.ok(living > 260, `${living} with a living gateway`);
  });
}

test.run();
