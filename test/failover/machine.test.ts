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

test.run();
