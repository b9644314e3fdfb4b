// A session whose relay is ended and started anew: what the one did not deliver, the other does, once and in order.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  PROBE_BITMAP_MAX,
  RELAY_PROBE_BODY,
  REPLAY_BLOCK,
  SWITCH_NONE,
  SWITCH_RESENDING,
  SWITCH_WAITING,
} from '../../src/packet/abi.js';
import { pick, randomBytes, randomInteger } from '../support/bytes.js';
import type { Session } from '../support/relay_server.js';
import { type Flight, SessionWorld, type WorldOptions } from '../support/session_world.js';

const MODES = ['clear', 'sealed'] as const;
const sorted = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b);
const range = (from: number, length: number) => Array.from({ length }, (_, i) => from + i);

/** What was kept arrives, and what was held meanwhile. */
function finish(world: SessionWorld): void {
  world.resendAll(0);
  world.deliverAll();
}

for (const mode of MODES) {
  test(`${mode}: what a relay had not received when it ended in order arrives once it is back`, () => {
    const world = new SessionWorld({ seed: 1, mode });
    world.sendUp(0, undefined, ...range(1, 20));
    world.deliverAll();
    world.probe(0);
    world.deliverAll();
    // Received, but not acknowledged, and with gaps.
    world.sendUp(0, undefined, ...range(21, 10));
    world.flights = world.flights.filter((_, i) => i !== 2 && i !== 7);
    world.deliverAll();
    assert.equal(world.arrivedUp.length, 28);
    world.endRelay();
    world.sendUp(0, undefined, ...range(31, 30));
    world.lose(0);
    world.wait(700);
    world.beginRelay(true);
    assert.is(world.switchState, SWITCH_RESENDING);
    world.sendUp(0, undefined, 61, 62);
    assert.equal(world.flights, [], 'behind what is sent again');
    finish(world);
    world.sendUp(0, undefined, 63);
    world.sendDown(1, 2);
    world.deliverAll();
    assert.equal(world.arrivedUp.slice(28), [23, 28, ...range(31, 33)]);
    assert.equal(world.arrivedDown, [1, 2]);
    const counters = world.client.core.counters();
    assert.equal([counters.replayed, counters['held-packets']], [32, 2]);
    assert.is(world.server.core.counters()['relay-duplicate'], 0);
  });

  test(`${mode}: of one that was killed, what was sent after its end was seen arrives`, () => {
    const world = new SessionWorld({ seed: 2, mode });
    world.sendUp(0, undefined, ...range(1, 20));
    world.deliverAll();
    world.sendUp(0, undefined, 21, 22);
    world.lose(0);
    world.endRelay();
    world.client.core.exports.clientRelayGone(true);
    world.sendUp(0, undefined, ...range(23, 10));
    world.lose(0);
    // As when further connections are refused.
    world.client.core.exports.clientRelayGone(true);
    world.sendUp(0, undefined, ...range(33, 10));
    world.lose(0);
    world.beginRelay(false);
    finish(world);
    assert.equal(world.arrivedUp, [...range(1, 20), ...range(23, 20)]);
  });

  test(`${mode}: what is lost while it is sent again is asked about`, () => {
    const world = new SessionWorld({ seed: 3, mode });
    world.endRelay();
    world.sendUp(0, undefined, ...range(1, 60));
    world.lose(0);
    world.beginRelay(true);
    world.resendAll(0);
    world.flights = world.flights.filter((_, i) => i % 7 !== 3);
    world.deliverAll();
    world.client.core.exports.clientSwitchAgain();
    assert.is(world.switchState, SWITCH_WAITING);
    world.askForSwitch(0);
    world.deliverAll();
    finish(world);
    assert.equal(sorted(world.arrivedUp), range(1, 60));
  });
}

test('nothing is sent again of a relay whose end was not seen, nor once it has answered after it seemed gone', () => {
  const world = new SessionWorld({ seed: 4 });
  world.sendUp(0, undefined, 1, 2, 3);
  world.deliverAll();
  world.endRelay();
  world.sendUp(0, undefined, 4);
  world.lose(0);
  world.beginRelay(false);
  finish(world);
  const { exports } = world.client.core;
  exports.clientRelayGone(true);
  world.sendUp(0, undefined, 5, 6);
  world.deliverAll();
  world.probe(0);
  world.deliverAll();
  world.sendUp(0, undefined, 7);
  world.lose(0);
  world.endRelay();
  world.beginRelay(false);
  finish(world);
  exports.clientRelayGone(true);
  exports.clientRelayGone(false);
  world.sendUp(0, undefined, 8, 9);
  world.deliverAll();
  world.endRelay();
  world.beginRelay(false);
  finish(world);
  assert.equal(world.arrivedUp, [1, 2, 3, 5, 6, 7, 8, 9]);
});

test('in doubt a packet is lost rather than doubled: where more is missing than can be told', () => {
  const world = new SessionWorld({ seed: 5, bytes: 32 << 20 });
  const total = PROBE_BITMAP_MAX * 8 + 1000;
  world.sendUp(0, undefined, 0);
  world.lose(0);
  for (let at = 1; at < total; at += 50) {
    world.sendUp(0, undefined, ...range(at, 50));
    world.deliverAll();
  }
  world.endRelay();
  world.sendUp(0, undefined, total + 50);
  world.lose(0);
  world.beginRelay(true);
  finish(world);
  assert.is(world.arrivedUp.at(-1), total + 50);
  assert.is(new Set(world.arrivedUp).size, world.arrivedUp.length);
  assert.not(world.arrivedUp.includes(0));
});

test('another lease, or a session of another kind, has nothing to do with what was kept', () => {
  const keys = { sendKey: new Uint8Array(16).fill(1), receiveKey: new Uint8Array(16).fill(2) };
  const cases: [Partial<WorldOptions>, Partial<Session>][] = [
    [{}, { lease: '10.30.200.9' }],
    [{ mode: 'sealed' }, { mode: 'clear', ...keys }],
    [{ bytes: 0 }, {}],
  ];
  for (const [options, changes] of cases) {
    const world = new SessionWorld({ seed: 6, ...options });
    world.sendUp(0, undefined, 1, 2);
    world.lose(0);
    world.endRelay();
    world.beginRelay(true, changes);
    assert.is(world.switchState, SWITCH_NONE);
    world.sendUp(0, undefined, 3);
    world.deliverAll();
    assert.equal(world.arrivedUp, [3]);
  }
});

test('the bounds of what is kept hold: bytes, and age since it was sent first', () => {
  const small = new SessionWorld({ seed: 7, bytes: 2 * REPLAY_BLOCK });
  small.endRelay();
  for (let at = 0; at < 500; at += 50) small.sendUpInVain(...range(at, 50));
  small.beginRelay(true);
  finish(small);
  const kept = small.arrivedUp.length;
  assert.ok(kept > 50 && kept < 250, `${kept}`);
  assert.equal(small.arrivedUp, range(500 - kept, kept));

  const old = new SessionWorld({ seed: 8, ageMs: 1000 });
  old.endRelay();
  old.sendUpInVain(1, 2);
  old.wait(600);
  old.sendUpInVain(3);
  old.beginRelay(true);
  old.endRelay();
  old.wait(600);
  old.beginRelay(true);
  finish(old);
  assert.equal(old.arrivedUp, [3]);
});

test('a change of the path that is under way ends: what it held goes to the new relay', () => {
  const world = new SessionWorld({ seed: 9 });
  world.sendUp(0, undefined, 1);
  world.deliverAll();
  world.sendUp(0, undefined, 2);
  world.lose(0);
  world.activate(1, 2, 'failed');
  world.sendUp(1, undefined, 3, 4);
  world.endRelay();
  world.beginRelay(false);
  world.resendAll(1);
  world.deliverAll();
  assert.equal(world.arrivedUp, [1, 3, 4]);
});

test('in whatever state a session is, and however often its relay ends, nothing is doubled or, if it tells, lost', () => {
  for (let seed = 1; seed <= 40; seed++) anyEnds(seed);
});

function anyEnds(seed: number): void {
  const world = new SessionWorld({ seed, mode: MODES[seed % 2] as (typeof MODES)[number] });
  const { random } = world;
  const tells = seed % 3 !== 0;
  const loss = pick(random, [0, 0.1, 0.5]);
  let sent = 0;
  const turn = (isAway: boolean) => {
    const action = random();
    if (action < 0.4) {
      const count = randomInteger(random, 1, 12);
      world.sendUp(0, undefined, ...range(sent, count));
      sent += count;
    } else if (action < 0.5) world.probe(0);
    else if (action < 0.6) world.wait(randomInteger(random, 0, 20));
    else if (world.switchState === SWITCH_RESENDING && action < 0.7) world.resendAll(0);
    else if (world.flights.length > 0) {
      const flight = pick(random, world.flights) as Flight;
      if (!isAway && random() >= loss) world.deliver(flight);
      else world.flights.splice(world.flights.indexOf(flight), 1);
    }
  };
  for (let ends = randomInteger(random, 1, 3); ends > 0; ends--) {
    for (let i = randomInteger(random, 0, 60); i > 0; i--) turn(false);
    world.endRelay();
    if (random() < 0.5) world.client.core.exports.clientRelayGone(true);
    for (let i = randomInteger(random, 0, 60); i > 0; i--) turn(true);
    world.lose(0);
    world.beginRelay(tells);
  }
  finish(world);
  assert.is(new Set(world.arrivedUp).size, world.arrivedUp.length, `doubled, seed ${seed}`);
  if (tells) assert.equal(sorted(world.arrivedUp), range(0, sent), `lost, seed ${seed}`);
}

test('a state that makes no sense does no harm', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const world = new SessionWorld({ seed, mode: MODES[seed % 2] as (typeof MODES)[number] });
    world.sendUp(0, undefined, ...range(0, 40));
    world.lose(0);
    const { mode = 'clear', lease, sendKey: receiveKey, receiveKey: sendKey } = world.session;
    const length = RELAY_PROBE_BODY + randomInteger(world.random, 0, PROBE_BITMAP_MAX);
    world.client.core.rebindRelay(
      { mode, clientPort: 1, sessionIndex: 1, lease, sendKey, receiveKey },
      randomBytes(world.random, length),
    );
    for (let turn = 0; world.switchState === SWITCH_RESENDING; turn++) {
      assert.ok(turn < 100);
      assert.ok(world.client.core.exports.clientResend() <= 40);
      world.wait(1);
    }
  }
  const { client, session } = new SessionWorld({ seed: 1 });
  for (const length of [1, RELAY_PROBE_BODY - 1, RELAY_PROBE_BODY + PROBE_BITMAP_MAX + 1]) {
    const parameters = { ...session, mode: 'clear' as const, clientPort: 1, sessionIndex: 1 };
    assert.throws(() => client.core.rebindRelay(parameters, new Uint8Array(length)), /clientRebind/);
  }
});

test.run();
