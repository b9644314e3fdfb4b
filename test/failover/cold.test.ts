import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ColdFailover, type ColdTiming, type FailoverAction } from '../../src/failover/cold.js';
import { generator } from '../support/random.js';

const TIMING: ColdTiming = {
  probe: {
    intervalMs: 25,
    idleIntervalMs: 1000,
    idleAfterMs: 2000,
    misses: 3,
    timeoutFloorMs: 200,
    timeoutCeilingMs: 1000,
  },
  attemptMs: 4000,
  backoffFirstMs: 500,
  backoffMaxMs: 10_000,
  settleMs: 3000,
  relayGraceMs: 10_000,
  forgetMs: 60_000,
};

const machine = (gateways: number) => new ColdFailover(gateways, TIMING, () => 0.5);
const kinds = (actions: FailoverAction[]) => actions.map(action => action.type);

test('connects the preferred gateway and switches to the next one when probes are missed', () => {
  const failover = machine(2);
  assert.equal(failover.start(0), [{ type: 'connect', gateway: 0 }]);
  assert.equal(failover.connected(0, 100), [{ type: 'activate', gateway: 0, epoch: 1 }]);
  failover.probeReply(0, 1, 13, 120);
  failover.traffic(120);
  let actions: FailoverAction[] = [];
  let now = 120;
  for (; now < 2000 && !kinds(actions).includes('failed'); now++) actions = failover.tick(now);
  assert.equal(kinds(actions), ['failed', 'disconnect', 'connect']);
  assert.equal(actions[2], { type: 'connect', gateway: 1 });
  assert.ok(now < 500, `failed at ${now}`);
  assert.equal(failover.connected(1, now + 50), [{ type: 'activate', gateway: 1, epoch: 2 }]);
  assert.is(failover.active, 1);
  assert.is(failover.stateOf(0), 'down');
});

test('a refusal leads to the next gateway at once, a whole round of them to back-off, for ever', () => {
  const failover = machine(2);
  failover.start(0);
  assert.equal(failover.connectFailed(0, 10), [
    { type: 'disconnect', gateway: 0 },
    { type: 'connect', gateway: 1 },
  ]);
  let now = 10;
  let waitMs = 0;
  let gateway = 1;
  const waits: number[] = [];
  for (let round = 0; round < 12; round++) {
    for (;;) {
      const next = failover.connectFailed(gateway, now).at(-1);
      if (next?.type === 'connect') {
        gateway = next.gateway;
        continue;
      }
      assert.is(next?.type, 'wait');
      waitMs = next?.type === 'wait' ? next.waitMs : 0;
      break;
    }
    waits.push(waitMs);
    assert.equal(failover.tick(now + waitMs - 1), []);
    now += waitMs;
    const [begin] = failover.tick(now);
    assert.is(begin?.type, 'connect');
    gateway = begin?.type === 'connect' ? begin.gateway : -1;
  }
  assert.ok(waits[0] === 437.5 && waits.at(-1) === 8750, waits.join(' '));
});

test('a gateway that does not answer is left after its time', () => {
  const failover = machine(2);
  failover.start(0);
  assert.equal(failover.tick(3999), []);
  assert.equal(kinds(failover.tick(4000)), ['disconnect', 'connect']);
});

test("a gateway's DELETE moves at once", () => {
  const failover = machine(2);
  failover.start(0);
  failover.connected(0, 10);
  assert.equal(kinds(failover.lost(0, 'closed-by-gateway', 50)), ['failed', 'disconnect', 'connect']);
});

test('the relay being away is not blamed on the gateway until its grace is over', () => {
  const failover = machine(2);
  failover.start(0);
  failover.connected(0, 10);
  failover.probeReply(0, 1, 13, 30);
  failover.relayAway(40);
  let failedAt = 0;
  for (let now = 40; now < 20_000 && failedAt === 0; now++) {
    if (kinds(failover.tick(now)).includes('failed')) failedAt = now;
  }
  assert.ok(failedAt >= 10_040 && failedAt < 11_000, `failed at ${failedAt}`);
});

test('what comes too late or from another gateway changes nothing', () => {
  const failover = machine(3);
  failover.start(0);
  assert.equal(failover.connected(1, 1), []);
  assert.equal(failover.connectFailed(2, 1), []);
  failover.connected(0, 2);
  assert.equal(failover.connected(0, 3), []);
  assert.equal(failover.lost(1, 'ike', 4), []);
  assert.equal(failover.start(5), []);
});

/** A world of gateways that come and go by a schedule, and a policy that lives in it. */
function simulate(seed: number, gateways: number, durationMs: number) {
  const random = generator(seed);
  const alive = Array.from({ length: gateways }, () => random() < 0.7);
  const failover = new ColdFailover(gateways, TIMING, random);
  const later: { at: number; run: () => FailoverAction[] }[] = [];
  let now = 0;
  let connecting: number | undefined;
  let active: number | undefined;
  let lastEpoch = 0;
  let lastChange = 0;
  const carryOut = (actions: FailoverAction[]): void => {
    for (const action of actions) {
      if (action.type === 'connect') {
        assert.is(connecting, undefined, 'one attempt at a time');
        assert.is(active, undefined, 'no attempt while a gateway is active');
        connecting = action.gateway;
        const { gateway } = action;
        if (alive[gateway]) later.push({ at: now + 40, run: () => failover.connected(gateway, now) });
      } else if (action.type === 'disconnect') {
        if (connecting === action.gateway) connecting = undefined;
        if (active === action.gateway) active = undefined;
      } else if (action.type === 'activate') {
        assert.is(connecting, action.gateway, 'active after its attempt');
        assert.is(action.epoch, lastEpoch + 1, 'epochs ascend');
        lastEpoch = action.epoch;
        connecting = undefined;
        active = action.gateway;
      } else if (action.type === 'probe') {
        assert.is(action.gateway, active, 'only the active path is probed');
        const { gateway, id } = action;
        const roundTrip = 5 + Math.floor(random() * 40);
        if (alive[gateway]) {
          later.push({
            at: now + roundTrip,
            run: () => {
              failover.probeReply(gateway, id, roundTrip, now);
              return [];
            },
          });
        }
      }
    }
  };
  carryOut(failover.start(0));
  const quietFrom = durationMs - 120_000;
  for (; now < durationMs; now += 5) {
    if (now < quietFrom && random() < 0.0005) {
      const which = Math.floor(random() * gateways);
      alive[which] = !alive[which];
      lastChange = now;
    }
    for (let index = later.length - 1; index >= 0; index--) {
      const entry = later[index];
      if (entry === undefined || entry.at > now) continue;
      later.splice(index, 1);
      carryOut(entry.run());
    }
    if (random() < 0.1) failover.traffic(now);
    const due = failover.nextTimer();
    assert.ok(due !== undefined, 'it never gives up');
    if (now >= due) carryOut(failover.tick(now));
  }
  return { active, alive, lastChange };
}

test('thousands of fault schedules: it ends on a living gateway if there is one', () => {
  let living = 0;
  for (let seed = 1; seed <= 1000; seed++) {
    const gateways = 1 + (seed % 4);
    const { active, alive } = simulate(seed, gateways, 240_000);
    if (alive.includes(true)) {
      living++;
      assert.ok(active !== undefined && alive[active], `seed ${seed}: active ${active} of ${alive.join()}`);
    } else assert.is(active, undefined, `seed ${seed}`);
  }
  assert.ok(living > 500);
});

test.run();
