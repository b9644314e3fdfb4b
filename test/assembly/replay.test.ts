// A session's two ends over lines that fail: what is sent within the rings' bounds arrives once, whatever is lost, and when.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EVENT_SWITCHED, SWITCH_NONE, SWITCH_RESENDING, SWITCH_WAITING } from '../../src/packet/abi.js';
import { pick, randomInteger } from '../support/bytes.js';
import { session } from '../support/relay_server.js';
import { type Flight, SessionWorld } from '../support/session_world.js';

const sorted = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b);
const range = (from: number, length: number) => Array.from({ length }, (_, i) => from + i);

/** A probe on the path asks until it is answered. */
function finishSwitch(world: SessionWorld, path: number): void {
  while (world.switchState === SWITCH_WAITING) {
    world.askForSwitch(path);
    world.deliverAll();
  }
  world.resendAll(path);
  world.deliverAll();
}

test('what was lost on a dead path arrives over the next one, in order, before what comes after', () => {
  const world = new SessionWorld({ seed: 1 });
  world.sendUp(0, undefined, 1, 2, 3);
  world.sendDown(101, 102, 103);
  world.deliverAll();
  world.sendUp(0, undefined, 4, 5);
  world.sendDown(104, 105);
  world.lose(0);
  world.activate(1, 2, 'failed');
  world.sendUp(1, undefined, 6, 7);
  world.sendDown(106);
  world.lose(0);
  assert.is(world.switchState, SWITCH_WAITING);
  assert.equal(world.flights, [], 'held');
  world.askForSwitch(1);
  world.deliverAll();
  assert.is(world.switchState, SWITCH_RESENDING);
  assert.is(world.events.at(-1)?.kind, EVENT_SWITCHED);
  world.sendDown(107);
  world.resendAll(1);
  world.sendUp(1, undefined, 8);
  world.sendDown(108);
  world.deliverAll();
  assert.equal(world.arrivedUp, range(1, 8));
  assert.equal(world.arrivedDown, range(101, 8));
  const [client, server] = [world.client.core.counters(), world.server.core.counters()];
  assert.equal([client.replayed, client['held-packets'], client['replay-overflows']], [2, 2, 0]);
  assert.equal([server.replayed, server['held-packets'], server['replay-overflows']], [3, 1, 0]);
  assert.equal([client['relay-duplicate'], server['relay-duplicate']], [0, 0]);
});

test('what was lost on a path that was dead for a while arrives over the same path', () => {
  const world = new SessionWorld({ seed: 15 });
  world.sendUp(0, undefined, 1, 2);
  world.sendDown(101, 102);
  world.deliverAll();
  world.sendUp(0, undefined, 3, 4, 5);
  world.sendDown(103, 104);
  world.lose(0);
  world.activate(0, 2, 'failed');
  world.sendUp(0, undefined, 6);
  world.sendDown(105);
  world.lose(0);
  finishSwitch(world, 0);
  world.sendUp(0, undefined, 7);
  world.sendDown(106);
  world.deliverAll();
  assert.equal(world.arrivedUp, range(1, 7));
  assert.equal(world.arrivedDown, range(101, 6));
});

test('nothing is sent again that has been acknowledged, nor twice when the relay is asked twice', () => {
  const world = new SessionWorld({ seed: 2 });
  world.sendUp(0, undefined, ...range(1, 50));
  world.sendDown(...range(1, 50));
  world.deliverAll();
  world.sendUp(0, undefined, ...range(51, 5));
  world.sendDown(...range(51, 5));
  world.lose(0);
  world.activate(1, 2, 'failed');
  world.askForSwitch(1);
  world.askForSwitch(1);
  world.deliverAll();
  world.askForSwitch(1);
  finishSwitch(world, 1);
  assert.equal(world.arrivedUp, range(1, 55));
  assert.equal(world.arrivedDown, range(1, 55));
  assert.equal([world.client.core.counters().replayed, world.server.core.counters().replayed], [5, 5]);
});

test('without an answer all that is not acknowledged is sent again, and the doubles are dropped', () => {
  const world = new SessionWorld({ seed: 3 });
  world.sendUp(0, undefined, ...range(1, 20));
  world.deliverAll();
  world.sendUp(0, undefined, 21, 22);
  world.lose(0);
  world.activate(1, 2, 'failed');
  world.sendUp(1, undefined, 23);
  world.client.core.exports.clientSwitchGiveUp();
  world.resendAll(1);
  world.deliverAll();
  assert.equal(world.arrivedUp, range(1, 23));
  assert.is(world.server.core.counters()['relay-duplicate'], 20);
});

test('a path that still works is left without holding anything; what it lost all the same comes later', () => {
  const world = new SessionWorld({ seed: 4 });
  world.sendUp(0, undefined, 1, 2, 3);
  world.sendDown(1, 2, 3);
  // Lost, though the path works.
  world.flights = world.flights.filter((_, i) => i !== 1 && i !== 4);
  world.activate(1, 2, 'alive');
  world.probe(1);
  world.sendUp(1, undefined, 4, 5);
  assert.is(world.flights.length, 4 + 3);
  // The path of before is slower.
  for (const flight of world.flights.filter(({ path }) => path === 1)) world.deliver(flight);
  world.sendDown(4, 5);
  world.deliverAll();
  assert.equal(world.arrivedUp, [4, 5, 1, 3]);
  assert.is(world.arrivedDown.length, 4);
  assert.is(world.server.core.counters().replayed, 0);
  finishSwitch(world, 1);
  assert.equal(sorted(world.arrivedUp), range(1, 5));
  assert.equal(sorted(world.arrivedDown), range(1, 5));
  assert.equal([world.client.core.counters().replayed, world.server.core.counters().replayed], [1, 1]);
});

test('without anything kept, and with an epoch that is not newer, packets just take the new path', () => {
  for (const [bytes, epoch, how] of [
    [0, 2, 'failed'],
    [1 << 20, 1, 'failed'],
    [1 << 20, 2, 'plain'],
  ] as const) {
    const world = new SessionWorld({ seed: 5, bytes });
    world.sendUp(0, undefined, 1);
    world.sendDown(1);
    world.lose(0);
    world.activate(1, epoch, how);
    assert.is(world.switchState, SWITCH_NONE);
    world.probe(1);
    world.sendUp(1, undefined, 2);
    world.deliverAll();
    world.sendDown(2);
    world.deliverAll();
    assert.equal([world.arrivedUp, world.arrivedDown], [[2], [2]]);
  }
});

test('a new session knows nothing of what was kept for the one before', () => {
  const world = new SessionWorld({ seed: 6 });
  world.sendUp(0, undefined, 1, 2);
  world.lose(0);
  world.activate(1, 2, 'failed');
  world.server.core.exports.relaySessionRemove(world.session.index);
  world.session = session(6, { lease: world.session.lease });
  const { index: sessionIndex, ...keys } = world.session;
  world.client.core.bindRelay({ ...keys, mode: 'clear', clientPort: 40_123, sessionIndex });
  assert.is(world.switchState, SWITCH_NONE);
  world.server.install(world.session);
  world.probe(1);
  world.sendUp(1, undefined, 3);
  world.deliverAll();
  world.activate(2, 3, 'failed');
  finishSwitch(world, 2);
  assert.equal(world.arrivedUp, [3]);
});

/** Asks once more, as is done when what was sent again has arrived or is lost. */
function askAgain(world: SessionWorld, path: number): void {
  world.client.core.exports.clientSwitchAgain();
  assert.is(world.switchState, SWITCH_WAITING);
  finishSwitch(world, path);
}

test('what is lost while it is sent again, and behind that, is sent once more', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const world = new SessionWorld({ seed, mode: seed % 3 === 0 ? 'sealed' : 'clear' });
    const { random } = world;
    const lost = randomInteger(random, 1, 60);
    world.sendUp(0, undefined, ...range(0, lost));
    world.sendDown(...range(0, lost));
    world.lose(0);
    world.activate(1, 2, 'failed');
    world.sendUp(1, undefined, ...range(lost, 20));
    world.askForSwitch(1);
    world.askForSwitch(1);
    world.deliverAll();
    world.resendAll(1);
    world.sendDown(...range(lost, 20));
    // Something arrives behind what is lost.
    const last = [true, false].map(up => world.flights.findLast(flight => flight.up === up));
    world.flights = world.flights.filter(flight => last.includes(flight) || random() < 0.7);
    world.deliverAll();
    const replayed = () => [world.client, world.server].map(({ core }) => core.counters().replayed);
    assert.equal(replayed(), [lost, lost], `seed ${seed}`);
    const missing = [world.arrivedUp, world.arrivedDown].map(arrived => lost + 20 - arrived.length);
    askAgain(world, 1);
    assert.equal(sorted(world.arrivedUp), range(0, lost + 20), `up, seed ${seed}`);
    assert.equal(sorted(world.arrivedDown), range(0, lost + 20), `down, seed ${seed}`);
    assert.equal(
      replayed(),
      missing.map(count => lost + count),
    );
    const [client, server] = [world.client.core.counters(), world.server.core.counters()];
    assert.equal([client['relay-duplicate'], server['relay-duplicate']], [0, 0]);
  }
});

test('asked once more, nothing waits, and without an answer nothing is sent again', () => {
  const world = new SessionWorld({ seed: 7 });
  world.sendUp(0, undefined, 1, 2);
  world.lose(0);
  world.activate(1, 2, 'failed');
  world.client.core.exports.clientSwitchAgain();
  world.sendUp(1, undefined, 3);
  assert.is(world.flights.length, 0, 'there is no second time before the first');
  finishSwitch(world, 1);
  world.client.core.exports.clientSwitchAgain();
  world.sendUp(1, undefined, 4);
  world.deliverAll();
  assert.equal(world.arrivedUp, [1, 2, 3, 4]);
  world.client.core.exports.clientSwitchGiveUp();
  assert.is(world.switchState, SWITCH_NONE);
  assert.is(world.client.core.counters().replayed, 2);
  // A late answer is none.
  world.askForSwitch(1);
  world.deliverAll();
  assert.is(world.switchState, SWITCH_NONE);
});

/** Whatever the lines do before and during a switch, when the one after it does nothing of the kind. */
function anySwitch(seed: number): void {
  const world = new SessionWorld({ seed, mode: seed % 4 === 0 ? 'sealed' : 'clear' });
  const { random } = world;
  const loss = pick(random, [0, 0.02, 0.3, 1]);
  const doubling = pick(random, [0, 0.1]);
  const shuffle = pick(random, [0, 0.5]);
  let [up, down, path] = [0, 0, 0];
  const turn = () => {
    const action = random();
    if (action < 0.3) {
      world.sendUp(path, undefined, ...range(up, 5));
      up += 5;
    } else if (action < 0.6) {
      world.sendDown(...range(down, 5));
      down += 5;
    } else if (action < 0.65 && path === 0) world.probe(path);
    else {
      const flight = (random() < shuffle ? pick(random, world.flights) : world.flights[0]) as
        | Flight
        | undefined;
      if (flight === undefined) return;
      if (random() < loss && flight.path === 0) world.flights.splice(world.flights.indexOf(flight), 1);
      else if (random() < doubling) world.arrive(flight);
      else world.deliver(flight);
    }
  };
  const turns = randomInteger(random, 10, 120);
  for (let i = 0; i < turns; i++) turn();
  const isDead = random() < 0.7;
  if (isDead) world.lose(0);
  const how = isDead ? 'failed' : 'alive';
  world.activate(1, 2, how);
  path = 1;
  if (how === 'alive') world.probe(1);
  const firstAfter = [world.arrivedUp.length, world.arrivedDown.length];
  for (let i = randomInteger(random, 0, 40); i > 0; i--) {
    if (how === 'failed' && random() < 0.2 && world.switchState === SWITCH_WAITING) world.askForSwitch(1);
    if (isDead) world.lose(0);
    turn();
  }
  if (isDead) world.lose(0);
  else for (const flight of [...world.flights].filter(({ path: over }) => over === 0)) world.deliver(flight);
  finishSwitch(world, 1);
  if (world.flights.length > 0) world.deliverAll();
  assert.equal(sorted(world.arrivedUp), range(0, up), `up, seed ${seed}`);
  assert.equal(sorted(world.arrivedDown), range(0, down), `down, seed ${seed}`);
  if (!isDead || shuffle > 0 || doubling > 0) return;
  for (const [i, arrived] of [world.arrivedUp, world.arrivedDown].entries()) {
    const after = arrived.slice(firstAfter[i]);
    assert.equal(after, sorted(after), `order, seed ${seed}`);
  }
}

test('at any loss and any moment of a switch, every packet arrives exactly once', () => {
  for (let seed = 1; seed <= 60; seed++) anySwitch(seed);
});

test.run();
