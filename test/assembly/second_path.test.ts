// Two paths at a time: the same packets over both, and what an end says of a path over the other one.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EVENT_PROBE_REPLY, EVENT_SUSPECT, RULES_MAX, SWITCH_WAITING } from '../../src/packet/abi.js';
import type { FlowRule } from '../../src/packet/core.js';
import { hex } from '../support/bytes.js';
import { SessionWorld } from '../support/session_world.js';

const range = (from: number, length: number) => Array.from({ length }, (_, i) => from + i);
const UDP = 17;
const TCP = 6;

for (const mode of ['clear', 'sealed'] as const) {
  test(`${mode}: packets take both paths, byte for byte the same, and the first copy counts`, () => {
    const world = new SessionWorld({ seed: 1, mode });
    world.useSecond(1);
    world.sendUp(0, 1, ...range(0, 10));
    world.sendDown(...range(0, 10));
    for (const up of [true, false]) {
      const [first, second] = [0, 1].map(path =>
        world.flights
          .filter(flight => flight.path === path && flight.up === up)
          .map(({ bytes }) => hex(bytes)),
      );
      assert.is(first?.length, 10);
      assert.equal(first, second);
    }
    // Each path loses half.
    world.flights = world.flights.filter(({ path }, i) => i % 2 === path);
    world.deliverAll();
    world.sendUp(0, 1, 10);
    world.sendDown(10);
    world.deliverAll();
    assert.equal(new Set(world.arrivedUp).size, 11);
    assert.equal(new Set(world.arrivedDown).size, 11);
    assert.equal([world.arrivedUp.length, world.arrivedDown.length], [11, 11]);
    for (const { core } of [world.client, world.server]) {
      assert.is(core.counters()['second-packets'], 11);
      assert.is(core.counters()['session-moves'], core === world.server.core ? 1 : 0);
    }
  });
}

/** Which of the packets 0 to 7 (UDP, those divisible by four to port 22) take two paths under these rules. */
function chosen(...rules: FlowRule[]): number[] {
  const world = new SessionWorld({ seed: 2 });
  world.useSecond(1, ...rules);
  const both = (send: () => void, up: boolean) => {
    const single = world.flights.length;
    send();
    const count = world.flights.length - single;
    if (up) world.deliverAll();
    return count;
  };
  return range(0, 8).filter(number => {
    const up = both(() => world.sendUp(0, 1, number), true);
    const down = both(() => world.sendDown(number), true);
    assert.is(up, down);
    return up === 2;
  });
}

test('rules choose flows by port, protocol and class; without a rule all are chosen', () => {
  assert.equal(chosen(), range(0, 8));
  assert.equal(chosen({ port: 22 }), [0, 4]);
  assert.equal(chosen({ protocol: UDP }), range(0, 8));
  assert.equal(chosen({ protocol: TCP }), []);
  assert.equal(chosen({ protocol: TCP }, { port: 22, protocol: UDP }), [0, 4]);
  // The class of all that the tests emit.
  assert.equal(chosen({ dscp: 0xb9 >> 2, port: 5000 }), [1, 2, 3, 5, 6, 7]);
  assert.equal(chosen({ dscp: 0 }), []);
  const filler = Array.from({ length: RULES_MAX - 1 }, () => ({ protocol: TCP, port: 1 }));
  assert.equal(chosen(...filler, { port: 22 }), [0, 4]);
});

test('the second path begins when the relay has confirmed it, and ends with the next probe of the active one', () => {
  const world = new SessionWorld({ seed: 3 });
  world.client.core.setSecondPath(1);
  world.sendUp(0, undefined, 1);
  assert.is(world.flights.length, 1);
  world.deliverAll();
  world.probe(1);
  world.deliverAll();
  world.sendUp(0, 1, 2);
  assert.is(world.flights.length, 2);
  world.deliverAll();
  world.client.core.setSecondPath(undefined);
  world.sendUp(0, undefined, 3);
  world.probe(0);
  world.deliverAll();
  world.sendDown(1);
  assert.equal(
    world.flights.map(({ path }) => path),
    [0],
  );
});

test('when the active path fails, what took both paths is neither sent again nor held', () => {
  const world = new SessionWorld({ seed: 4 });
  world.useSecond(1, { port: 22 });
  world.sendUp(0, 1, ...range(0, 8));
  world.sendDown(...range(0, 8));
  world.lose(0);
  world.activate(1, 2, 'failed');
  world.sendUp(1, undefined, 8, 9);
  assert.is(world.switchState, SWITCH_WAITING);
  world.askForSwitch(1);
  // The number 8 goes to port 22.
  assert.equal(world.flights.filter(({ up }) => up).length, 2 + 1 + 1);
  world.deliverAll();
  world.resendAll(1);
  world.deliverAll();
  assert.equal(world.arrivedUp, [0, 4, 8, 1, 2, 3, 5, 6, 7, 9]);
  assert.equal(world.arrivedDown, [0, 4, 1, 2, 3, 5, 6, 7]);
  for (const { core } of [world.client, world.server]) assert.is(core.counters().replayed, 6);
});

test('a packet of the same epoch over an unannounced path does not stop the relay from telling two paths apart', () => {
  const world = new SessionWorld({ seed: 5 });
  world.useSecond(1);
  for (let i = 0; i < 20; i++) {
    world.sendUp(0, 1, i);
    // The copies overtake.
    for (const flight of [...world.flights].reverse()) world.deliver(flight);
    world.sendDown(i);
    assert.equal(
      world.flights.map(({ path }) => path),
      [0, 1],
    );
    world.deliverAll();
  }
  assert.is(world.server.core.counters()['session-moves'], 1);
});

test('a reply says when the relay heard the client over the active path', () => {
  const world = new SessionWorld({ seed: 6 });
  world.wait(70);
  world.probe(1, false);
  world.deliverAll();
  world.probe(0, false);
  world.deliverAll();
  const replies = world.events.filter(({ kind }) => kind === EVENT_PROBE_REPLY);
  assert.equal(
    replies.map(({ path, b }) => [path, b]),
    [
      [1, 70],
      [0, 0],
    ],
  );
});

test('a relay that sends and hears nothing says so over the other paths it knows, not too often', () => {
  const world = new SessionWorld({ seed: 7 });
  world.sendUp(0, undefined, 0);
  world.probe(1);
  world.deliverAll();
  const suspicions = () => world.events.filter(({ kind }) => kind === EVENT_SUSPECT);
  for (let ms = 0; ms < 400; ms += 20) {
    world.sendDown(ms);
    world.deliverAll();
    world.wait(20);
  }
  assert.equal(
    suspicions().map(({ path }) => path),
    [1, 1, 1],
  );
  assert.ok((suspicions()[0]?.a ?? 0) >= 100 && (suspicions()[0]?.a ?? 0) <= 120);
  // Heard again, and nothing sent for long: nothing to say.
  world.sendUp(0, undefined, 1);
  world.deliverAll();
  world.wait(5000);
  world.sendDown(1);
  world.deliverAll();
  assert.is(suspicions().length, 3);
});

test('what a relay says of a path that is no longer the active one is not heard', () => {
  const world = new SessionWorld({ seed: 8 });
  world.probe(1);
  world.deliverAll();
  world.sendDown(0);
  world.wait(150);
  world.sendDown(1);
  world.activate(1, 2, 'plain');
  world.deliverAll();
  assert.is(world.client.core.counters().suspects, 1);
  assert.is(world.events.filter(({ kind }) => kind === EVENT_SUSPECT).length, 0);
});

test.run();
