// The bounds of what is kept, and probes of an authentic end that says what it likes.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  COUNTERS,
  DUPLICATE_WINDOW,
  PROBE_BITMAP,
  REPLAY_BLOCK,
  REPLAY_BLOCKS,
  REPLAY_POOL,
  SCRATCH,
  SWITCH_WAITING,
} from '../../src/packet/abi.js';
import { PacketCore } from '../../src/packet/core.js';
import { pick, randomBytes, randomInteger } from '../support/bytes.js';
import { parseProbe, probeBody } from '../support/probes.js';
import { generator } from '../support/random.js';
import { RelayPeer, RelayServer, SERVER, session } from '../support/relay_server.js';
import { SessionWorld } from '../support/session_world.js';

const range = (from: number, length: number) => Array.from({ length }, (_, i) => from + i);
/** Of a packet of the world's in a ring, on average. */
const ENTRY = 16 + 24 + 20 + 12 + 150;

/** Loses `count` packets each way in steps of `step` and `ms`, then changes the path; what arrived. */
function loseAndSwitch(world: SessionWorld, count: number, ms = 0): { up: number[]; down: number[] } {
  for (let at = 0; at < count; at += 50) {
    world.sendUp(0, undefined, ...range(at, 50));
    world.sendDown(...range(at, 50));
    world.lose(0);
    world.wait(ms);
  }
  world.activate(1, 2, 'failed');
  while (world.switchState === SWITCH_WAITING) {
    world.askForSwitch(1);
    world.deliverAll();
  }
  world.resendAll(1);
  world.deliverAll();
  return { up: world.arrivedUp, down: world.arrivedDown };
}

test('more bytes than a ring has: the oldest are dropped, and counted', () => {
  const bytes = 4 * REPLAY_BLOCK;
  const world = new SessionWorld({ seed: 1, bytes });
  const { up, down } = loseAndSwitch(world, 1000);
  for (const [arrived, { core }] of [
    [up, world.client],
    [down, world.server],
  ] as const) {
    const kept = arrived.length;
    assert.ok(kept > (3 * REPLAY_BLOCK) / ENTRY / 1.3 && kept < (4 * REPLAY_BLOCK) / ENTRY / 0.8, `${kept}`);
    assert.equal(arrived, range(1000 - kept, kept));
    assert.is(core.counters()['replay-overflows'], 1000 - kept);
    assert.is(core.counters()['replay-blocks'], 4);
  }
});

test('what is older than it may be is not sent again, and is no overflow', () => {
  const world = new SessionWorld({ seed: 2, ageMs: 500 });
  const { up, down } = loseAndSwitch(world, 1000, 100);
  assert.equal(up, range(750, 250));
  assert.equal(down, range(750, 250));
  for (const { core } of [world.client, world.server]) assert.is(core.counters()['replay-overflows'], 0);
});

test('packets of TCP are sent again after an outage of a minute, those of UDP are not', () => {
  const isTcp = (number: number) => number % 10 === 3;
  const world = new SessionWorld({ seed: 12, ageMs: 500, isTcp });
  const { up, down } = loseAndSwitch(world, 1000, 3000);
  for (const arrived of [up, down]) assert.equal(arrived, range(0, 1000).filter(isTcp));
});

test('what is too old makes room before what is not', () => {
  const world = new SessionWorld({ seed: 3, bytes: 1 << 20, ageMs: 2000, isTcp: number => number < 10 });
  const { up, down } = loseAndSwitch(world, 8000, 400);
  for (const arrived of [up, down])
    assert.equal(
      arrived.filter(number => number < 10),
      range(0, 10),
    );
});

test('TCP in one block with the rest does not make that younger', () => {
  const world = new SessionWorld({ seed: 13, ageMs: 500, isTcp: number => number === 0 });
  const { up, down } = loseAndSwitch(world, 100, 1000);
  for (const arrived of [up, down]) assert.equal(arrived, [0]);
});

test('after five minutes not even TCP is sent again', () => {
  const world = new SessionWorld({ seed: 14, isTcp: () => true });
  const { up, down } = loseAndSwitch(world, 200, 100_000);
  for (const arrived of [up, down]) assert.equal(arrived, range(50, 150));
});

test('not more packets are kept than the other end can tell apart', () => {
  const world = new SessionWorld({ seed: 3, bytes: 64 << 20 });
  const total = DUPLICATE_WINDOW + 3000;
  for (let at = 0; at < total; at += 50) world.sendUpInVain(...range(at, 50));
  const { core } = world.client;
  const kept = total - (core.counters()['replay-overflows'] ?? 0);
  assert.ok(kept <= DUPLICATE_WINDOW && kept > DUPLICATE_WINDOW * 0.9, `${kept}`);
});

test('acknowledged packets take no room', () => {
  const world = new SessionWorld({ seed: 4, bytes: 2 * REPLAY_BLOCK });
  for (let at = 0; at < 5000; at += 50) {
    world.sendUp(0, undefined, ...range(at, 50));
    world.sendDown(...range(at, 50));
    world.deliverAll();
    world.probe(0);
    world.deliverAll();
    world.probe(0);
    world.deliverAll();
  }
  for (const { core } of [world.client, world.server]) assert.is(core.counters()['replay-overflows'], 0);
});

test('nor do those that are acknowledged above one that is missing; that one can still be sent again', () => {
  const world = new SessionWorld({ seed: 5, bytes: 5 * REPLAY_BLOCK });
  for (let at = 0; at < 5000; at += 50) {
    world.sendUp(0, undefined, ...range(at, 50));
    world.sendDown(...range(at, 50));
    if (at === 100) world.flights = world.flights.filter((_, i) => i % 50 !== 7);
    if (random(world) < 0.3) world.flights.reverse();
    world.deliverAll();
    // What the client tells is as new as its probe; the relay's reply to it tells the rest.
    world.probe(0);
    world.deliverAll();
  }
  for (const { core } of [world.client, world.server]) assert.is(core.counters()['replay-overflows'], 0);
  assert.is(world.arrivedUp.length, 4999);
  world.activate(1, 2, 'failed');
  while (world.switchState === SWITCH_WAITING) {
    world.askForSwitch(1);
    world.deliverAll();
  }
  world.resendAll(1);
  world.deliverAll();
  assert.equal([world.arrivedUp.at(-1), world.arrivedDown.at(-1)], [107, 107]);
  assert.equal([world.arrivedUp.length, world.arrivedDown.length], [5000, 5000]);
  for (const { core } of [world.client, world.server]) assert.is(core.counters().replayed, 1);
});

const random = (world: SessionWorld) => world.random();

test('a pool that many sessions share is never more than used up; idle sessions cost nothing of it', () => {
  const server = new RelayServer();
  const blocks = 20;
  server.core.exports.relayReplay(blocks * REPLAY_BLOCK, 8 * REPLAY_BLOCK, 10_000);
  server.core.setClock(5);
  const peers = range(1, 60).map(n => new RelayPeer(session(n)));
  const random = generator(5);
  peers.forEach((peer, i) => {
    assert.is(server.install(peer.session), 0);
    const probe = peer.packet(2, probeBody({}), { flags: 8, epoch: 1 });
    server.receive({ bytes: probe, peer: `10.61.0.${i}:4000` });
  });
  const used = server.core.bytes.subarray(REPLAY_POOL, REPLAY_POOL + (blocks + 2) * REPLAY_BLOCK);
  assert.ok(used.every(byte => byte === 0));
  const rule = { source: SERVER };
  for (let round = 0; round < 300; round++) {
    const peer = pick(random, round < 150 ? peers : peers.slice(0, 3));
    const packets = range(0, randomInteger(random, 1, 20)).map(() => down(peer, rule.source));
    assert.is(server.transmit(...packets).udp.length, packets.length);
    if (round % 50 === 49) server.core.exports.relaySessionRemove(peer.session.index);
    if (round % 50 === 49) assert.is(server.install(peer.session), 0);
    if (round % 50 === 49) {
      const probe = peer.packet(2, probeBody({}), { flags: 8, epoch: 1 });
      server.receive({ bytes: probe, peer: '10.61.0.9:4000' });
    }
  }
  assert.ok(
    used.subarray(blocks * REPLAY_BLOCK).every(byte => byte === 0),
    'nothing behind the pool',
  );
  assert.ok(Number(server.core.counters()['replay-overflows']) > 0);
});

function down(peer: RelayPeer, source: string): Uint8Array {
  const packet = new Uint8Array(1000);
  const view = new DataView(packet.buffer);
  view.setUint16(0, 0x4500);
  view.setUint16(2, packet.length);
  packet[9] = 99;
  packet.set(source.split('.').map(Number), 12);
  packet.set(peer.session.lease.split('.').map(Number), 16);
  return packet;
}

test('100,000 probes and replies of an authentic end that lies: nothing is written elsewhere, nothing traps', () => {
  const world = new SessionWorld({ seed: 6, bytes: 8 * REPLAY_BLOCK });
  const { random } = world;
  const odd = () => pick(random, [0n, 1n, 2n ** 63n, 2n ** 64n - 1n, BigInt(randomInteger(random, 0, 5000))]);
  const guards = [world.client, world.server].map(({ core }) => {
    const end = REPLAY_POOL + REPLAY_BLOCKS * REPLAY_BLOCK;
    return [core.bytes.subarray(end - REPLAY_BLOCK, end), core.bytes.subarray(COUNTERS + 1024 - 64, SCRATCH)];
  });
  let epoch = 1;
  for (let i = 0; i < 50_000; i++) {
    const bitmap = random() < 0.02 ? pick(random, [1000, 1024, 1025, 2000]) : pick(random, [0, 1, 2, 20]);
    const body = probeBody({ complete: odd(), highest: odd(), from: odd(), bitmap });
    if (random() < 0.5) body.set(randomBytes(random, Math.min(bitmap, 64)), PROBE_BITMAP);
    const cut = random() < 0.1 ? body.subarray(0, randomInteger(random, 0, body.length)) : body;
    const flags = randomInteger(random, 0, 31);
    if (random() < 0.02) epoch = (epoch + 1) & 0xffff;
    const said = random() < 0.8 ? epoch : randomInteger(random, 0, 0xffff);
    world.forgeProbe(randomInteger(random, 0, 2), cut, { flags, epoch: said });
    if (random() < 0.01)
      world.activate(randomInteger(random, 0, 2), epoch, pick(random, ['failed', 'alive']));
    world.forgeReply(randomInteger(random, 0, 2), cut, { flags, epoch: said });
    if (random() < 0.05) world.sendDown(...range(0, 20));
    if (random() < 0.05 && world.switchState < 2) world.client.transmit(new Uint8Array(30));
    if (random() < 0.1) world.wait(randomInteger(random, 0, 3));
    if (random() < 0.1) world.resendDown();
    if (random() < 0.1 && world.switchState === 2) world.client.core.exports.clientResend();
    world.flights = [];
  }
  for (const guard of guards.flat()) assert.ok(guard.every(byte => byte === 0));
});

test('what is complete is told as by the book, whatever is lost', () => {
  const { exports } = new PacketCore();
  const random = generator(7);
  const W = 0x8000000;
  for (const bits of [64, 128, 1024]) {
    exports.windowReset(W, bits);
    const accepted = new Set<number>();
    let highest = 0;
    let known = 0n;
    for (let i = 0; i < 4000; i++) {
      const jump = random() < 0.01 ? randomInteger(random, 1, 2 * bits) : randomInteger(random, -20, 3);
      const sequence = Math.max(1, highest + jump);
      if (exports.windowCheck(W, bits, BigInt(sequence)) !== 0) {
        exports.windowAccept(W, bits, BigInt(sequence));
        accepted.add(sequence);
        highest = Math.max(highest, sequence);
      }
      known = exports.windowComplete(W, bits, known);
      let expected = Math.max(0, highest - bits);
      while (accepted.has(expected + 1)) expected++;
      if (Number(known) !== expected) assert.unreachable(`${known}, not ${expected}`);
      const about = randomInteger(random, Math.max(1, highest - bits + 1), highest + 5);
      assert.is(exports.windowHas(W, bits, BigInt(about)) !== 0, accepted.has(about));
    }
  }
});

test('a probe that asks has a bitmap of what is missing, as far as the tunnel has room', () => {
  for (const [segment, bytes] of [
    [1300, 1064],
    [536, 576],
  ] as const) {
    const world = new SessionWorld({ seed: 8 });
    world.client.core.setMaxSegment(segment);
    for (let at = 0; at < 1000; at += 10) {
      world.sendDown(...range(at, 10));
      world.flights = world.flights.filter((_, i) => i !== 3);
      world.deliverAll();
    }
    world.activate(1, 2, 'failed');
    world.askForSwitch(1);
    const { bytes: packet } = world.flights[0] as { bytes: Uint8Array };
    assert.is(packet.length, 24 + bytes);
    const { complete, highest, from, received } = parseProbe(packet.subarray(24));
    // The reply to the world's first probe has the number 1.
    assert.equal([complete, highest, from], [4n, 1001n, 5n]);
    const missing = range(5, 997).filter(number => !received.includes(BigInt(number)));
    assert.equal(
      missing,
      range(0, 100).map(i => 5 + 10 * i),
    );
  }
});

test.run();
