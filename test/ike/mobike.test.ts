// MOBIKE: two sessions on a simulated network where a client moves, and each of them against a peer by hand.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addressBytes } from '../../src/address.js';
import type { Endpoint } from '../../src/ike/api.js';
import { concat } from '../../src/ike/bytes.js';
import { NotifyType } from '../../src/ike/constants.js';
import { isResponse } from '../../src/ike/message.js';
import { natDetection } from '../../src/ike/nat.js';
import { notification } from '../../src/ike/payloads/notify.js';
import { findNotify, type Payload } from '../../src/ike/payloads/payload.js';
import { RawPeer, type RawPeerOptions } from './raw-peer.js';
import {
  assertSame,
  CALM,
  connected,
  type End,
  type Faults,
  LOCAL,
  REMOTE,
  Simulation,
} from './simulation.js';
import { toHex } from './support.js';

const TIMING = { firstMs: 500, factor: 2, maxMs: 2000, tries: 12 };
const ELSEWHERE: Endpoint = { address: '203.0.113.9', port: 1024 };
const ANOTHER: Endpoint = { address: '203.0.113.10', port: 1024 };

/** The client is somewhere else from now on. */
function move(simulation: Simulation, client: End, to: Endpoint): void {
  client.at = to;
  simulation.call(client, (session, now) => session.moved(to, now));
}

function settle(simulation: Simulation, ends: End[], ms = 10_000): void {
  simulation.run(ends, simulation.now + ms);
}

test('a client moves: the gateway follows, and checks that it can receive there', () => {
  const simulation = new Simulation(1);
  const { client, gateway } = connected(simulation);
  assert.ok(client.session.mobike && gateway.session.mobike);
  move(simulation, client, ELSEWHERE);
  settle(simulation, [client, gateway]);
  assert.is(client.of('addresses-updated').length, 1);
  assert.equal(
    gateway.of('peer-moved').map(({ remote }) => remote),
    [ELSEWHERE],
  );
  assert.is(gateway.of('alive').length, 1, 'the check was answered');
  simulation.call(gateway, (session, now) => session.rekeyIke(now));
  simulation.call(gateway, (session, now) => session.rekeyChild(now));
  settle(simulation, [client, gateway]);
  assert.is(client.of('ike-rekeyed').length, 1);
  assertSame(client, gateway);
});

test('another port of the same address needs no check', () => {
  const simulation = new Simulation(2);
  const { client, gateway } = connected(simulation);
  move(simulation, client, { ...LOCAL, port: 4501 });
  settle(simulation, [client, gateway]);
  assert.is(gateway.of('peer-moved').length, 1);
  assert.is(gateway.of('alive').length, 0);
});

for (const side of ['client', 'gateway'] as const) {
  test(`nothing is announced when the ${side} does not support it`, () => {
    const simulation = new Simulation(3);
    const off = { mobike: false };
    const { client, gateway } = connected(
      simulation,
      side === 'client' ? off : {},
      side === 'gateway' ? off : {},
    );
    assert.not(client.session.mobike || gateway.session.mobike);
    const sent = client.sent.length;
    move(simulation, client, ELSEWHERE);
    settle(simulation, [client, gateway]);
    assert.is(client.sent.length, sent);
    assert.is(gateway.of('peer-moved').length, 0);
  });
}

test('another mapping of a NAT is found by a liveness check, and announced', () => {
  const simulation = new Simulation(4);
  const { client, gateway } = connected(simulation);
  const probe = () => {
    simulation.call(client, (session, now) => session.probe(now));
    settle(simulation, [client, gateway]);
  };
  probe();
  assert.is(client.of('addresses-updated').length, 0, 'as in IKE_SA_INIT');
  client.seenAt = ELSEWHERE;
  probe();
  assert.is(client.of('addresses-updated').length, 1);
  assert.equal(gateway.remote, ELSEWHERE);
  probe();
  assert.is(client.of('addresses-updated').length, 1);
  client.seenAt = ANOTHER;
  simulation.call(client, (session, now) => session.rekeyIke(now));
  settle(simulation, [client, gateway]);
  assert.is(gateway.of('peer-moved').length, 1, 'a request from elsewhere moves nothing by itself');
  probe();
  assert.is(gateway.of('peer-moved').length, 1, 'the SPIs are new: there is nothing to compare with');
});

test('what waits for a response goes at once from the new address, the same bytes', () => {
  const simulation = new Simulation(5);
  const { client, gateway } = connected(simulation);
  client.at = ELSEWHERE;
  const before = client.sent.length;
  simulation.tap = () => [];
  simulation.call(client, (session, now) => session.rekeyChild(now));
  simulation.tap = undefined;
  simulation.run([client, gateway], simulation.now + 10);
  move(simulation, client, ELSEWHERE);
  const [first, second] = client.sent.slice(before);
  assert.is(toHex(first as Uint8Array), toHex(second as Uint8Array));
  const done = () => client.of('addresses-updated').length === 1;
  assert.ok(simulation.run([client, gateway], simulation.now + 100, done), 'without waiting for a timer');
  assert.is(client.of('child-up').length, 2);
});

test('a client that moves on before the gateway has answered tells it again', () => {
  const simulation = new Simulation(6);
  const { client, gateway } = connected(simulation);
  move(simulation, client, ELSEWHERE);
  simulation.run([client, gateway], simulation.now + 2);
  move(simulation, client, ANOTHER);
  settle(simulation, [client, gateway]);
  assert.equal(
    gateway.of('peer-moved').map(({ remote }) => remote),
    [ELSEWHERE, ANOTHER],
  );
  assert.is(client.of('addresses-updated').length, 1);
  assert.is(client.closed, undefined);
  assert.is(gateway.closed, undefined, 'the check of the first address is repeated at the second');
});

test('a client that cannot receive where it says that it is loses its session', () => {
  const simulation = new Simulation(7);
  const { client, gateway } = connected(simulation);
  simulation.tap = (from, datagram) => (from === gateway && !isResponse(datagram) ? [] : [datagram]);
  move(simulation, client, ELSEWHERE);
  settle(simulation, [client, gateway], 60_000);
  assert.is(gateway.closed?.code, 'GATEWAY_TIMEOUT');
});

const NETWORKS: Record<string, Faults> = {
  reordering: { loss: 0, doubling: 0, minDelay: 1, maxDelay: 300 },
  doubling: { loss: 0, doubling: 0.5, minDelay: 1, maxDelay: 100 },
  lossy: { loss: 0.2, doubling: 0, minDelay: 1, maxDelay: 100 },
  terrible: { loss: 0.3, doubling: 0.3, minDelay: 1, maxDelay: 800 },
};

for (const [name, faults] of Object.entries(NETWORKS)) {
  test(`a client that moves and rekeys all the time, over a network that is ${name}, 40 seeds`, () => {
    for (let seed = 0; seed < 40; seed++) {
      const simulation = new Simulation(seed);
      const { client, gateway } = connected(simulation, { timing: TIMING }, { timing: TIMING });
      simulation.faults = faults;
      const ends = [client, gateway];
      const { random } = simulation;
      for (let count = 0; count < 12; count++) {
        const to = { address: `203.0.113.${1 + random.below(250)}`, port: 1024 + random.below(60_000) };
        if (random.below(2) === 0) move(simulation, client, to);
        const end = ends[random.below(2)] as End;
        if (random.below(4) === 0) simulation.call(end, (session, now) => session.rekeyIke(now));
        if (random.below(4) === 0) simulation.call(end, (session, now) => session.rekeyChild(now));
        if (random.below(4) === 0) simulation.call(end, (session, now) => session.probe(now));
        simulation.run(ends, simulation.now + random.below(1500));
      }
      move(simulation, client, ELSEWHERE);
      simulation.faults = CALM;
      settle(simulation, ends, 90_000);
      assert.is(client.closed, undefined, `seed ${seed}`);
      assert.is(gateway.closed, undefined, `seed ${seed}`);
      assert.equal(gateway.remote, ELSEWHERE, `seed ${seed}`);
      assert.ok(client.of('addresses-updated').length > 0, `seed ${seed}`);
      assertSame(client, gateway);
      assert.is(client.installed.size, 1, `seed ${seed}`);
    }
  });
}

// --- Against a peer by hand

const UPDATE = notification(NotifyType.UPDATE_SA_ADDRESSES);

function peerOf(options: RawPeerOptions): RawPeer {
  return new RawPeer({ mobike: true, ...options });
}

function types(payloads: readonly Payload[]): number[] {
  return payloads.map(payload => (payload.type === 'N' ? payload.notify : -1));
}

function noNats(source: Endpoint, destination: Endpoint): Payload {
  const ports = Uint8Array.of(...[source, destination].flatMap(({ port }) => [port >> 8, port & 0xff]));
  const data = concat(addressBytes(source.address), addressBytes(destination.address), ports);
  return notification(NotifyType.NO_NATS_ALLOWED, data);
}

test('COOKIE2 comes back as it was, if it has a size that it may have', () => {
  for (const role of ['initiator', 'responder'] as const) {
    for (const size of [0, 7, 8, 33, 64, 65]) {
      const cookie = Uint8Array.from({ length: size }, (_, i) => i);
      const answer = peerOf({ role }).inform(notification(NotifyType.COOKIE2, cookie));
      const echo = findNotify(answer, NotifyType.COOKIE2)?.data;
      assert.equal(echo, size >= 8 && size <= 64 ? cookie : undefined);
    }
  }
  const without = new RawPeer().inform(notification(NotifyType.COOKIE2, new Uint8Array(16)));
  assert.equal(without, [], 'only where both ends support MOBIKE');
});

test('an enquiry is answered with the addresses of the datagram', () => {
  const peer = peerOf({ role: 'responder' });
  peer.comeFrom(ELSEWHERE);
  const enquiry = natDetection(peer.sa, { source: LOCAL, destination: REMOTE });
  const answer = peer.inform(...enquiry);
  assert.equal(answer, natDetection(peer.sa, { source: LOCAL, destination: ELSEWHERE }));
  assert.is(peer.outputs.filter(({ type }) => type === 'peer-moved').length, 0);
});

test('a gateway cannot move a client', () => {
  const peer = peerOf({ role: 'initiator' });
  peer.comeFrom(ELSEWHERE);
  assert.equal(peer.inform(UPDATE), []);
  assert.equal(peer.context.remote, REMOTE);
});

test('NO_NATS_ALLOWED: an update that a NAT has touched is refused', () => {
  // The session under test is the responder, at LOCAL.
  for (const from of [ELSEWHERE, { address: '2001:db8::9', port: 500 }]) {
    const local = from.address.includes(':') ? { address: '2001:db8::1', port: 4500 } : LOCAL;
    const { data } = noNats(from, local) as { data: Uint8Array };
    for (let at = -1; at <= data.length; at++) {
      const peer = peerOf({ role: 'responder' });
      peer.context.local = local;
      peer.comeFrom(from);
      const claim = at === data.length ? data.slice(1) : data.slice();
      if (at >= 0 && at < data.length) claim[at] = (claim[at] as number) ^ 0x10;
      const cookie = notification(NotifyType.COOKIE2, new Uint8Array(16));
      const answer = peer.inform(UPDATE, notification(NotifyType.NO_NATS_ALLOWED, claim), cookie);
      const moved = peer.outputs.filter(({ type }) => type === 'peer-moved').length;
      const isIntact = at === -1;
      assert.equal(
        types(answer),
        isIntact ? [NotifyType.COOKIE2] : [NotifyType.COOKIE2, NotifyType.UNEXPECTED_NAT_DETECTED],
      );
      assert.is(moved, isIntact ? 1 : 0);
    }
  }
  const anywhere = peerOf({ role: 'responder' });
  anywhere.context.local = { ...LOCAL, address: '0.0.0.0' };
  anywhere.comeFrom(ELSEWHERE);
  assert.equal(anywhere.inform(UPDATE, noNats(ELSEWHERE, LOCAL)), [], 'its own address is not known');
  assert.equal(types(anywhere.inform(UPDATE, noNats(ANOTHER, LOCAL))), [NotifyType.UNEXPECTED_NAT_DETECTED]);
});

test('the check of a new address: whoever gives another cookie back is not there', () => {
  const checked = () => {
    const peer = peerOf({ role: 'responder' });
    peer.comeFrom(ELSEWHERE);
    peer.receive(...peer.sa.seal(37, false, 0, [UPDATE]));
    const check = peer.pending();
    const cookie = findNotify(check.payloads, NotifyType.COOKIE2) as { data: Uint8Array };
    assert.ok(cookie.data.length >= 8 && cookie.data.length <= 64);
    return { peer, check, cookie };
  };
  const right = checked();
  right.peer.respond(right.check, [notification(NotifyType.COOKIE2, right.cookie.data)]);
  assert.not(right.peer.established.isClosed);
  for (const answer of [[], [notification(NotifyType.COOKIE2, new Uint8Array(16))]]) {
    const { peer, check } = checked();
    peer.respond(check, answer);
    assert.ok(peer.established.isClosed);
  }
  const restless = checked();
  restless.peer.comeFrom(ANOTHER);
  restless.peer.receive(...restless.peer.sa.seal(37, false, 1, [UPDATE]));
  restless.peer.respond(restless.check, [notification(NotifyType.COOKIE2, restless.cookie.data)]);
  assert.ok(findNotify(restless.peer.pending().payloads, NotifyType.COOKIE2), 'the second address too');
});

for (const notify of [NotifyType.UNACCEPTABLE_ADDRESSES, NotifyType.UNEXPECTED_NAT_DETECTED, 9999]) {
  test(`an update that is refused with ${notify}`, () => {
    const peer = peerOf({ role: 'initiator' });
    peer.call(established => established.moved());
    const request = peer.pending();
    assert.equal(types(request.payloads), [
      NotifyType.UPDATE_SA_ADDRESSES,
      NotifyType.NAT_DETECTION_SOURCE_IP,
      NotifyType.NAT_DETECTION_DESTINATION_IP,
    ]);
    const outputs = peer.respond(request, [notification(notify)]);
    assert.equal(
      outputs.map(({ type }) => type),
      ['alive', 'addresses-refused'],
    );
    assert.not(peer.established.isClosed);
  });
}

test.run();
