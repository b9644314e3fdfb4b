import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { World } from './world.js';

const PAPER = [13, 13, 32];

/** A world in which all is well for three seconds. */
function settled(options: Partial<ConstructorParameters<typeof World>[0]> = {}): World {
  const world = new World({ roundTripMs: PAPER, seed: 1, ...options });
  world.start();
  world.run(3000);
  return world;
}

test('standby: all tunnels are up, the preferred one carries the traffic', () => {
  const world = settled();
  assert.equal(world.moves, [{ at: world.moves[0]?.at ?? 0, gateway: 0, cause: 'start' }]);
  assert.equal(
    [0, 1, 2].map(gateway => world.policy.stateOf(gateway)),
    ['active', 'standby', 'standby'],
  );
});

test('a silent gateway is left for the next one within 100 ms and a round trip, and named', () => {
  const world = settled();
  world.stop(0);
  world.run(4000);
  const [, move] = world.moves;
  assert.is(move?.gateway, 1);
  assert.is(move?.cause, 'failure');
  assert.ok((move?.at ?? 0) - 3000 < 113, `after ${(move?.at ?? 0) - 3000} ms`);
  const [failed] = world.saidOf('failed');
  assert.ok(failed?.action.type === 'failed' && failed.action.reason === 'gateway');
});

test('a failed line behind a live gateway is named as such', () => {
  const world = settled();
  world.place(0).line = false;
  world.run(4000);
  assert.is(world.policy.active, 1);
  const [failed] = world.saidOf('failed');
  assert.ok(failed?.action.type === 'failed' && failed.action.reason === 'path');
});

test('a failed relay moves nothing, and is named', () => {
  const world = settled();
  world.relay = false;
  world.run(20_000);
  world.relay = true;
  world.run(25_000);
  assert.is(world.moves.length, 1);
  const [stuck] = world.saidOf('stuck');
  assert.ok(stuck?.action.type === 'stuck' && stuck.action.reason === 'relay');
  assert.is(world.policy.stateOf(0), 'active');
  assert.is(world.saidOf('recovered').length, 1);
  assert.is(world.saidOf('standby-failed').length, 0);
});

test("a gateway's DELETE moves at once", () => {
  const world = settled();
  world.tell((policy, now) => policy.lost(0, 'closed-by-gateway', now));
  assert.equal(world.moves[1], { at: 3000, gateway: 1, cause: 'failure' });
});

test('a local link that is down moves at once, to a path that leaves elsewhere', () => {
  const world = settled();
  world.tell((policy, now) => policy.linkDown([0, 1], now));
  assert.equal(world.moves[1], { at: 3000, gateway: 2, cause: 'failure' });
});

test('a gateway that was started again while its link was away is connected anew when that is back', () => {
  const world = settled();
  world.unplug([1]);
  world.stop(1);
  world.run(20_000);
  world.startAgain(1);
  world.plugIn([1]);
  world.run(30_000);
  assert.ok(world.connected(1));
  assert.is(world.policy.stateOf(1), 'standby');
});

test('what an outage of all paths has lost is sent again when the path in use answers, if anything is kept', () => {
  for (const mode of ['standby', 'replay', 'duplicate'] as const) {
    const world = settled({ options: { mode } });
    world.network = false;
    world.run(6000);
    world.network = true;
    world.run(10_000);
    assert.equal(world.moves.length, 1);
    const epochs = world.saidOf('resend').map(({ action }) => action.type === 'resend' && action.epoch);
    assert.equal(epochs, mode === 'standby' ? [] : [2], mode);
    world.tell((policy, now) => policy.switchTo(1, now));
    world.run(11_000);
    assert.is(world.epoch, mode === 'standby' ? 2 : 3);
  }
});

test('a gateway that was started again while no other one lives is connected anew as soon as that is known', () => {
  const world = settled();
  for (const gateway of [0, 1, 2]) world.stop(gateway);
  world.run(5000);
  world.startAgain(0);
  world.run(8000);
  assert.ok(world.connected(0));
  assert.is(world.policy.stateOf(0), 'active');
});

test('that a gateway seems to have forgotten a tunnel that carries packets means nothing', () => {
  const world = settled();
  for (const gateway of [0, 1]) world.tell((policy, now) => policy.forgotten(gateway, now));
  world.run(5000);
  assert.is(world.moves.length, 1);
  assert.equal(
    [0, 1].map(gateway => world.policy.stateOf(gateway)),
    ['active', 'standby'],
  );
});

test('with a relay that was started again, a gateway that answers is the way to tell it of us', () => {
  const world = settled();
  world.stop(1);
  world.stop(2);
  world.run(8000);
  world.place(0).out.loss = 1;
  world.run(9000);
  world.endRelay();
  world.relay = true;
  world.startAgain(1);
  world.run(16_000);
  assert.ok(world.connected(1));
  assert.is(world.policy.stateOf(1), 'active');
});

test('with a relay that was started again behind a line that is cut, the next gateway to answer is tried at once', () => {
  const world = settled();
  world.stop(1);
  world.stop(2);
  world.run(8000);
  world.place(0).line = false;
  world.run(9000);
  world.endRelay();
  world.relay = true;
  world.run(20_000);
  assert.is(world.policy.active, 0);
  world.startAgain(1);
  while (!world.connected(1)) world.run(world.now + 10);
  world.run(world.now + 100);
  assert.is(world.policy.active, 1);
  world.run(world.now + 1000);
  assert.is(world.policy.stateOf(1), 'active');
});

test('an ICMP error shortens the wait on a dead path, and does nothing to a living one', () => {
  const dead = settled();
  dead.stop(0);
  dead.tell((policy, now) => policy.pathError(0, now));
  dead.run(3200);
  assert.ok((dead.moves[1]?.at ?? 9999) <= 3060, `moved at ${dead.moves[1]?.at}`);
  const living = settled();
  for (let forged = 0; forged < 100; forged++) {
    living.tell((policy, now) => policy.pathError(0, now));
    living.run(living.now + 100);
  }
  assert.is(living.moves.length, 1);
});

test('the traffic returns to the preferred gateway once it was good for the configured time', () => {
  const world = settled();
  world.place(0).line = false;
  world.run(10_000);
  world.place(0).line = true;
  world.run(69_000);
  assert.is(world.policy.active, 1);
  world.run(75_000);
  assert.equal([world.policy.active, world.moves.at(-1)?.cause], [0, 'failback']);
});

test('a gateway that fails often is returned to ever later', () => {
  const world = settled();
  const away: number[] = [];
  for (let failure = 0; failure < 3; failure++) {
    world.place(0).line = false;
    world.run(world.now + 1000);
    world.place(0).line = true;
    const left = world.now;
    while (world.policy.active !== 0) world.run(world.now + 1000);
    away.push(world.now - left);
  }
  const [first = 0, second = 0, third = 0] = away;
  assert.ok(first > 59_000 && second > 1.9 * first && third > 1.9 * second, away.join());
});

test("the operator's choice is carried out at once and kept", () => {
  const world = settled();
  world.tell((policy, now) => policy.switchTo(2, now));
  assert.equal(world.moves[1], { at: 3000, gateway: 2, cause: 'operator' });
  world.run(300_000);
  assert.is(world.policy.active, 2);
});

test('cold: the operator and a drain move without a gap: the new tunnel first, and the old one until all has arrived', () => {
  for (const act of ['switchTo', 'drain'] as const) {
    const world = settled({ options: { mode: 'cold' } });
    world.tell((policy, now) => (act === 'drain' ? policy.drain(0, now) : policy.switchTo(1, now)));
    assert.is(world.policy.active, 0);
    const moved = () => world.moves[1]?.at ?? Number.POSITIVE_INFINITY;
    world.run(4000);
    assert.is(world.policy.active, 1, act);
    world.run(moved() + 900);
    assert.is(world.policy.stateOf(0), 'standby');
    world.run(moved() + 1100);
    assert.is(world.policy.stateOf(0), 'down');
    world.run(60_000);
    assert.is(world.policy.stateOf(0), 'down');
    assert.is(world.policy.active, 1);
    assert.is(world.saidOf('failed').length, 0);
  }
});

test('a draining gateway is left at once', () => {
  const world = settled();
  world.tell((policy, now) => policy.drain(0, now));
  assert.equal(world.moves[1], { at: 3000, gateway: 1, cause: 'drain' });
});

test('the tunnel to a drained gateway ends a little after the traffic has left it, and not before', () => {
  const world = settled();
  world.tell((policy, now) => policy.drain(0, now));
  world.run(3900);
  assert.is(world.policy.stateOf(0), 'standby');
  world.run(4100);
  assert.is(world.policy.stateOf(0), 'down');
  assert.is(world.saidOf('failed').length + world.saidOf('standby-failed').length, 0);
});

test('duplicate: a second path is chosen, and another one when it fails or becomes the active one', () => {
  const world = settled({ options: { mode: 'duplicate' } });
  assert.is(world.second, 1);
  world.stop(0);
  world.run(4000);
  assert.equal([world.policy.active, world.second], [1, 2]);
});

test('prefer latency: a faster path is taken after a while, and only one that is faster by the margin', () => {
  const world = settled({ roundTripMs: [60, 58, 20], options: { prefer: 'latency' } });
  world.run(30_000);
  assert.equal(
    world.moves.map(({ gateway, cause }) => `${cause} ${gateway}`),
    ['start 0', 'latency 2'],
  );
});

test('a gateway that restarted is connected anew', () => {
  const world = settled();
  world.stop(0);
  world.startAgain(0);
  world.run(20_000);
  assert.ok(world.connected(0));
  assert.is(world.policy.stateOf(0), 'standby');
});

test('after a sleep all paths are asked at once, and none is blamed', () => {
  const world = settled();
  world.stall(3_600_000);
  world.run(3_603_001);
  const before = [...world.probes];
  world.tell((policy, now) => policy.refresh(now));
  world.run(3_603_200);
  assert.ok(world.probes.every((count, gateway) => count > (before[gateway] ?? 0)));
  assert.is(world.moves.length, 1);
});

test('after a sleep in which all gateways have forgotten the client, it is connected anew at once', () => {
  for (const told of [true, false]) {
    const world = settled({ traffic: true });
    world.stall(60_000);
    for (const gateway of [0, 1, 2]) world.stop(gateway);
    for (const gateway of [0, 1, 2]) world.startAgain(gateway);
    world.run(world.now + 59_990);
    // Where only the process stood still, nobody says so.
    if (told) world.at(world.now + 11, () => world.tell((policy, now) => policy.refresh(now, true)));
    const woke = world.now;
    const connected = () => world.policy.active !== undefined && world.connected(world.policy.active);
    while (!connected() && world.now < woke + 30_000) world.run(world.now + 10);
    assert.ok(world.now < woke + 3000, `told ${told}: after ${world.now - woke} ms`);
  }
});

test('what was told of an outage is taken back after a change of the network, and the next outage is told again', () => {
  const world = settled({ traffic: true });
  for (let outages = 1; outages <= 2; outages++) {
    world.network = false;
    world.run(world.now + 2000);
    assert.is(world.saidOf('stuck').length, outages);
    world.tell((policy, now) => policy.refresh(now));
    world.network = true;
    world.run(world.now + 2000);
    const active = world.policy.active;
    assert.ok(
      world.saidOf('recovered').some(({ action }) => 'gateway' in action && action.gateway === active),
    );
  }
});

test('cold: a silent gateway is given up for the next one, and a whole round in vain for a wait', () => {
  const world = settled({ options: { mode: 'cold' } });
  assert.equal(
    [0, 1, 2].map(gateway => world.policy.stateOf(gateway)),
    ['active', 'down', 'down'],
  );
  world.stop(0);
  world.run(3500);
  assert.is(world.policy.active, 1);
  world.network = false;
  world.run(120_000);
  assert.ok(world.saidOf('wait').length > 0);
  world.network = true;
  world.run(150_000);
  assert.ok(world.policy.active !== undefined);
});

test('cold: a path that loses much is left for a clean one, and what is not cleaner is left alone', () => {
  for (const others of [0, 0.3]) {
    const world = settled({ traffic: true, options: { mode: 'cold' } });
    world.place(0).out.loss = 0.3;
    for (const gateway of [1, 2]) world.place(gateway).out.loss = others;
    world.run(30_000);
    const causes = world.moves.map(({ cause }) => cause);
    if (others === 0) assert.equal(causes, ['start', 'loss']);
    else assert.not.ok(causes.includes('loss'));
    world.run(32_000);
    const up = [0, 1, 2].filter(gateway => world.policy.stateOf(gateway) !== 'down');
    assert.equal(up, [world.policy.active], 'one tunnel');
  }
});

test('cold: while one gateway is silent the next is tried as well, and what nobody waits for is called off', () => {
  const world = new World({ roundTripMs: PAPER, seed: 1, options: { mode: 'cold' } });
  world.stop(0);
  world.start();
  world.run(900);
  assert.is(world.policy.stateOf(1), 'down');
  world.run(1500);
  assert.is(world.policy.active, 1);
  assert.equal(
    [0, 2].map(gateway => world.policy.stateOf(gateway)),
    ['down', 'down'],
  );
  world.startAgain(0);
  world.run(60_000);
  assert.is(world.moves.length, 1);
});

test('where no gateway answers from the start, every round of attempts ends with a word', () => {
  for (const mode of ['cold', 'standby'] as const) {
    const world = new World({ roundTripMs: PAPER, seed: 1, options: { mode } });
    world.network = false;
    world.start();
    world.run(13_000);
    assert.is(world.saidOf('wait').length, 1, mode);
    world.run(120_000);
    assert.ok(world.saidOf('wait').length > 3, mode);
  }
});

test.run();
