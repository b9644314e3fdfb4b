// What someone without keys can do: nothing but cost time.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { IkeProposal } from '../../src/ike/api.js';
import { ExchangeType, NotifyType } from '../../src/ike/constants.js';
import { CookieIssuer } from '../../src/ike/cookie.js';
import { createInitiator } from '../../src/ike/initiator.js';
import { emitMessage, parseHeader, parseMessage } from '../../src/ike/message.js';
import { notification } from '../../src/ike/payloads/notify.js';
import type { Payload } from '../../src/ike/payloads/payload.js';
import { createResponder } from '../../src/ike/responder.js';
import {
  assertSame,
  CALM,
  connected,
  type End,
  initiatorOptions,
  pair,
  Random,
  responderOptions,
  Simulation,
  start,
} from './simulation.js';
import { toHex } from './support.js';

const PROPOSAL: IkeProposal = { encryption: 'chacha20poly1305', prf: 'prfsha256', group: 'x25519' };

/** An unprotected IKE_SA_INIT response to a request. */
function forged(request: Uint8Array, payloads: Payload[], responderSpi = 0n): Uint8Array {
  const { initiatorSpi } = parseHeader(request);
  return emitMessage({
    initiatorSpi,
    responderSpi,
    exchange: ExchangeType.IKE_SA_INIT,
    initiator: false,
    response: true,
    messageId: 0,
    payloads,
  });
}

function isInit(datagram: Uint8Array): boolean {
  return parseHeader(datagram).exchange === ExchangeType.IKE_SA_INIT;
}

/** Lets a forger answer each IKE_SA_INIT request before the gateway does; gives whether the two still connect. */
function connectsDespite(
  simulation: Simulation,
  forge: (request: Uint8Array) => Uint8Array[],
  ends = pair(simulation),
): { client: End; gateway: End } {
  const { client, gateway } = ends;
  const answer = (from: End, request: Uint8Array) => {
    if (from === client && isInit(request)) {
      for (const datagram of forge(request)) pending.push(datagram);
    }
    return [request];
  };
  const pending: Uint8Array[] = [];
  simulation.tap = answer;
  const flush = () => {
    for (let next = pending.shift(); next !== undefined; next = pending.shift())
      simulation.inject(client, next);
  };
  start(simulation, client);
  flush();
  const done = () => client.session.state === 'established' && gateway.session.state === 'established';
  assert.ok(simulation.run([client, gateway], simulation.now + 60_000, done, flush), client.closed?.message);
  assertSame(client, gateway);
  return ends;
}

const REFUSALS = [
  NotifyType.NO_PROPOSAL_CHOSEN,
  NotifyType.INVALID_SYNTAX,
  NotifyType.INVALID_MAJOR_VERSION,
  NotifyType.AUTHENTICATION_FAILED,
  NotifyType.INVALID_IKE_SPI,
];

test('a forged refusal of IKE_SA_INIT does not end a negotiation', () => {
  for (const notify of REFUSALS) {
    connectsDespite(new Simulation(notify), request => [forged(request, [notification(notify)])]);
  }
});

test('a refusal is reported as the probable cause when nothing better comes', () => {
  const simulation = new Simulation(1);
  const { client, gateway } = pair(simulation);
  simulation.tap = () => [];
  start(simulation, client);
  simulation.inject(
    client,
    forged(client.sent[0] as Uint8Array, [notification(NotifyType.NO_PROPOSAL_CHOSEN)]),
  );
  assert.is(client.closed, undefined);
  const begun = simulation.now;
  simulation.run([client, gateway], simulation.now + 60_000, () => client.closed !== undefined);
  assert.is(client.closed?.code, 'NO_PROPOSAL_CHOSEN');
  assert.ok(simulation.now - begun <= 3500);
});

test('forged INVALID_KE_PAYLOAD of every group', () => {
  const ike = [
    PROPOSAL,
    { ...PROPOSAL, group: 'ecp256' as const },
    { ...PROPOSAL, group: 'modp2048' as const },
  ];
  for (const group of [0, 14, 19, 31, 999]) {
    const simulation = new Simulation(group);
    const data = Uint8Array.of(group >>> 8, group & 0xff);
    const wrong = notification(NotifyType.INVALID_KE_PAYLOAD, data);
    connectsDespite(simulation, request => [forged(request, [wrong])], pair(simulation, { ike }, { ike }));
    const simple = new Simulation(group);
    connectsDespite(simple, request => [forged(request, [wrong])], pair(simple, { ike }));
  }
});

test('a flood of forged cookies, with and without cookies of the gateway', () => {
  for (let seed = 0; seed < 20; seed++) {
    const simulation = new Simulation(seed);
    const flood = (request: Uint8Array) =>
      Array.from({ length: 5 }, () =>
        forged(request, [notification(NotifyType.COOKIE, simulation.random.bytes(17))]),
      );
    connectsDespite(simulation, flood);
  }
  for (let seed = 0; seed < 20; seed++) {
    const simulation = new Simulation(seed);
    const issuer = new CookieIssuer(size => simulation.random.bytes(size));
    const ends = pair(simulation, {}, { cookies: { issuer, required: () => true } });
    const two = (request: Uint8Array) => [
      forged(request, [notification(NotifyType.COOKIE, simulation.random.bytes(17))]),
    ];
    connectsDespite(simulation, two, ends);
  }
});

/** What a stranger who read the request can answer with all due form. */
function stranger(
  simulation: Simulation,
  request: Uint8Array,
  answersAuth = false,
): (datagram: Uint8Array) => Uint8Array[] {
  const env = {
    random: (size: number) => simulation.random.bytes(size),
    allocateSpi: () => 256 + simulation.random.below(2 ** 31),
    releaseSpi: () => {},
  };
  const session = createResponder(responderOptions({ psk: () => undefined }), env);
  const feed = (datagram: Uint8Array) =>
    session
      .receive(datagram, simulation.now)
      .flatMap(output => (output.type === 'send' ? [output.datagram] : []));
  const first = feed(request);
  return datagram => (datagram === request ? first : answersAuth ? feed(datagram) : []);
}

for (const answersAuth of [false, true]) {
  test(`a whole IKE_SA_INIT response of a stranger, who ${answersAuth ? 'refuses IKE_AUTH' : 'then is silent'}`, () => {
    for (let seed = 0; seed < 10; seed++) {
      const simulation = new Simulation(seed);
      const ends = pair(simulation);
      const { client, gateway } = ends;
      const strangers: ((datagram: Uint8Array) => Uint8Array[])[] = [];
      const pending: Uint8Array[] = [];
      simulation.tap = (from, datagram) => {
        if (from !== client) return [datagram];
        if (isInit(datagram)) {
          const one = stranger(simulation, datagram, answersAuth);
          strangers.push(one);
          pending.push(...one(datagram));
        } else {
          for (const one of strangers) pending.push(...one(datagram));
        }
        return [datagram];
      };
      const flush = () => {
        for (let next = pending.shift(); next !== undefined; next = pending.shift())
          simulation.inject(client, next);
      };
      start(simulation, client);
      flush();
      const done = () => client.session.state === 'established' && gateway.session.state === 'established';
      assert.ok(
        simulation.run([client, gateway], simulation.now + 60_000, done, flush),
        client.closed?.message,
      );
      assertSame(client, gateway);
    }
  });
}

test("copies of the initiator's request with changes do not displace it at the responder", () => {
  for (let seed = 0; seed < 20; seed++) {
    const simulation = new Simulation(seed);
    const { client, gateway } = pair(simulation);
    let copies = 0;
    simulation.tap = (from, datagram) => {
      if (from !== client || !isInit(datagram) || copies > 8) return [datagram];
      copies += 1;
      const copy = parseMessage(datagram);
      const payloads = copy.payloads.map(
        (payload): Payload =>
          payload.type === 'Nonce' ? { ...payload, data: simulation.random.bytes(32) } : payload,
      );
      return [emitMessage({ ...copy, payloads }), datagram];
    };
    start(simulation, client);
    const done = () => client.session.state === 'established' && gateway.session.state === 'established';
    assert.ok(simulation.run([client, gateway], simulation.now + 60_000, done), client.closed?.message);
    assertSame(client, gateway);
  }
});

/** A changed copy of a real datagram, or a random one. */
function mutated(random: Random, real: readonly Uint8Array[]): Uint8Array {
  const original = real[random.below(real.length)] ?? random.bytes(100);
  const copy = original.slice();
  switch (random.below(6)) {
    case 0:
      return random.bytes(random.below(200));
    case 1:
      return copy.subarray(0, random.below(copy.length));
    case 2: {
      // The header alone is wrong: exchange, flags, message ID.
      copy[18 + random.below(6)] = random.below(256);
      return copy;
    }
    case 3: {
      const view = new DataView(copy.buffer);
      view.setUint32(20, random.below(8));
      copy[19] = [0x00, 0x08, 0x20, 0x28][random.below(4)] as number;
      copy[18] = 34 + random.below(4);
      return copy;
    }
    default: {
      const changes = 1 + random.below(4);
      for (let change = 0; change < changes; change++) {
        const at = random.below(copy.length);
        copy[at] = (copy[at] as number) ^ (1 + random.below(255));
      }
      return copy;
    }
  }
}

/** A mutation may by chance be a datagram that was really sent. */
function isReal(datagram: Uint8Array, known: ReadonlySet<string>): boolean {
  return known.has(toHex(datagram));
}

test('100,000 forged datagrams at an established session change nothing', () => {
  const simulation = new Simulation(5);
  const { client, gateway } = connected(simulation, { fragmentSize: 300 }, { fragmentSize: 300 });
  const ends = [client, gateway];
  for (const end of ends) {
    simulation.call(end, (session, now) => session.rekeyIke(now));
    simulation.run(ends, simulation.now + 1000);
    simulation.call(end, (session, now) => session.rekeyChild(now));
    simulation.run(ends, simulation.now + 1000);
    simulation.call(end, (session, now) => session.probe(now));
    simulation.run(ends, simulation.now + 1000);
  }
  simulation.run(ends, simulation.now + 60_000);
  // A request of ours is open while half of the datagrams arrive.
  const real = [...client.sent, ...gateway.sent];
  const known = new Set(real.map(toHex));
  const { random } = simulation;
  for (let round = 0; round < 100_000; round++) {
    if (round === 50_000) {
      simulation.tap = () => [];
      for (const end of ends) {
        simulation.call(end, (session, now) => session.rekeyChild(now));
        real.push(end.sent.at(-1) as Uint8Array);
        known.add(toHex(real.at(-1) as Uint8Array));
      }
      simulation.tap = undefined;
    }
    const datagram = mutated(random, real);
    if (isReal(datagram, known)) continue;
    const end = ends[round % 2] as End;
    const timer = end.session.nextTimer();
    const outputs = simulation.inject(end, datagram);
    assert.ok(
      outputs.every(({ type }) => type === 'ignored') && outputs.length <= 1,
      `round ${round}: ${outputs.map(({ type }) => type)}`,
    );
    assert.is(end.session.nextTimer(), timer);
  }
  simulation.run(ends, simulation.now + 60_000);
  assertSame(client, gateway);
  for (const end of ends) {
    simulation.call(end, (session, now) => session.rekeyChild(now));
    assert.ok(simulation.run(ends, simulation.now + 20_000, () => end.installed.size === 1));
  }
});

test('forged datagrams at any moment of connecting, 2,000 connections', () => {
  const seen: Uint8Array[] = [];
  for (let seed = 0; seed < 2000; seed++) {
    const simulation = new Simulation(seed, { ...CALM, maxDelay: 30 });
    const { client, gateway } = pair(simulation);
    const forge = () => {
      const real = [...client.sent, ...gateway.sent, ...seen];
      const known = new Set(real.map(toHex));
      for (const end of [client, gateway]) {
        for (let count = 0; count < 5; count++) {
          const datagram = mutated(simulation.random, real);
          if (!isReal(datagram, known)) simulation.inject(end, datagram);
        }
      }
    };
    start(simulation, client);
    forge();
    const done = () => client.session.state === 'established' && gateway.session.state === 'established';
    assert.ok(
      simulation.run([client, gateway], simulation.now + 60_000, done, forge),
      `seed ${seed}: ${client.closed?.message}`,
    );
    assertSame(client, gateway);
    if (seed % 500 === 0) seen.push(...client.sent.slice(0, 2), ...gateway.sent.slice(0, 2));
  }
});

test('replayed datagrams of both directions change nothing', () => {
  const simulation = new Simulation(6);
  const { client, gateway } = connected(simulation);
  const ends = [client, gateway];
  for (const end of ends) {
    simulation.call(end, (session, now) => session.rekeyChild(now));
    simulation.run(ends, simulation.now + 10_000);
  }
  const real = [...client.sent, ...gateway.sent];
  for (const end of ends) {
    for (const datagram of real) {
      const outputs = simulation.inject(end, datagram);
      // A repeated request gets its response again; nothing else happens.
      assert.ok(outputs.every(({ type }) => type === 'ignored' || type === 'send'));
    }
  }
  assertSame(client, gateway);
});

test('a session that nobody answers allocates nothing but time', () => {
  const random = new Random(7);
  let allocated = 0;
  const session = createInitiator(initiatorOptions(), {
    random: size => random.bytes(size),
    allocateSpi: () => 256 + allocated++,
    releaseSpi: () => {},
  });
  session.start(0);
  for (let count = 0; count < 1000; count++) session.receive(random.bytes(random.below(300)), count);
  assert.is(allocated, 0);
  assert.is(session.state, 'connecting');
});

test.run();
