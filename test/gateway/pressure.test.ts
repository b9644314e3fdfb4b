import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HalfOpenTable } from '../../src/gateway/half-open.js';
import { ExchangeType, NotifyType } from '../../src/ike/constants.js';
import { emitMessage, parseHeader, parseMessage } from '../../src/ike/message.js';
import type { Payload } from '../../src/ike/payloads/payload.js';
import { Secret } from '../../src/secret.js';
import { Pace } from '../../src/service/pace.js';
import { type Client, Scene } from './scene.js';

const FORGED = 100_000;

/** The request that a client begins with, under an initiator SPI of its own. */
function makeForger(scene: Scene): () => Uint8Array {
  const client = scene.client('client1', 200);
  client.isSilent = true;
  client.connect();
  const [request] = client.outputs;
  if (request?.type !== 'send') throw new Error('no request');
  return () => {
    const datagram = request.datagram.slice();
    datagram.set(scene.random.bytes(8));
    return datagram;
  };
}

function sentBy(client: Client): Uint8Array[] {
  return client.outputs.flatMap(output => (output.type === 'send' ? [output.datagram] : []));
}

function payloadsOf(request: Uint8Array): Payload[] {
  return parseMessage(request).payloads;
}

function withPayloads(request: Uint8Array, payloads: Payload[]): Uint8Array {
  return emitMessage({ ...parseMessage(request), payloads });
}

function vendor(n: number): Payload {
  return { type: 'V', data: Uint8Array.of(n) };
}

function isCookie(datagram: Uint8Array): boolean {
  const [first] = parseMessage(datagram).payloads;
  return first?.type === 'N' && first.notify === NotifyType.COOKIE;
}

test('initiators have to show cookies when many are half-open, and need them no more afterwards', async () => {
  const scene = new Scene();
  const forge = makeForger(scene);
  for (let n = 0; n < 40; n++) scene.server.receive({ address: `203.0.113.${n}`, port: 500 }, forge());
  const answers = scene.plane.sent.map(({ datagram }) => isCookie(datagram));
  assert.equal([answers.slice(0, 32).includes(true), answers.slice(32).includes(false)], [false, false]);
  assert.is(scene.server.status().halfOpen, 32);
  scene.plane.sent.length = 0;
  assert.is(scene.client('client1').connect().address, '10.61.0.2', 'a real client shows its cookie');
  await scene.advance(200);
  assert.equal(
    scene.take('cookies').map(({ required }) => required),
    [true],
  );
  await scene.advance(31_000);
  assert.is(scene.server.status().halfOpen, 0);
  assert.equal(
    scene.take('cookies').map(({ required }) => required),
    [false],
  );
  assert.equal(scene.identities, ['client1']);
});

test('whoever forges the address of a client does not use up what it is allowed', () => {
  const scene = new Scene();
  const forge = makeForger(scene);
  for (let n = 0; n < 100; n++) scene.server.receive({ address: '192.0.2.3', port: 1000 + n }, forge());
  assert.is(scene.server.status().halfOpen, 4);
  scene.plane.sent.length = 0;
  assert.is(scene.client('client2', 3).connect().address, '10.61.0.2');
});

test('a repeated request is no second one, and is answered a few times at once, then ever later', async () => {
  const scene = new Scene();
  const request = makeForger(scene)();
  const from = { address: '203.0.113.1', port: 500 };
  const answered = (times: number) => {
    scene.plane.sent.length = 0;
    for (let n = 0; n < times; n++) scene.server.receive(from, request);
    return scene.plane.sent.length;
  };
  assert.is(answered(1000), 1 + 3);
  const later: number[] = [];
  for (let second = 0; second < 16; second++) {
    await scene.advance(1000);
    later.push(answered(100));
  }
  assert.equal(later, [1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
  assert.is(scene.server.status().halfOpen, 1);
  // From elsewhere it is another.
  scene.server.receive({ ...from, port: 501 }, request);
  assert.is(scene.server.status().halfOpen, 2);
});

test('requests with equal SPIs count one by one', () => {
  const scene = new Scene();
  const original = makeForger(scene)();
  const variants = Array.from({ length: 100 }, (_, n) =>
    withPayloads(original, [...payloadsOf(original), vendor(n)]),
  );
  for (const variant of variants) scene.server.receive({ address: '203.0.113.1', port: 500 }, variant);
  assert.is(scene.server.status().halfOpen, 4);
  for (let n = 2; n < 100; n++) {
    for (const variant of variants) scene.server.receive({ address: `203.0.113.${n}`, port: 500 }, variant);
  }
  assert.is(scene.server.status().halfOpen, 32);
  assert.is(isCookie(scene.plane.sent.at(-1)?.datagram as Uint8Array), true);
});

test('the addresses of one IPv6 network are one source', () => {
  const scene = new Scene();
  const forge = makeForger(scene);
  const from = (network: number, host: number) => ({
    address: `2001:db8:0:${network.toString(16)}::${host.toString(16)}`,
    port: 500,
  });
  for (let n = 0; n < 100; n++) scene.server.receive(from(1, n), forge());
  assert.is(scene.server.status().halfOpen, 4);
  scene.server.receive(from(2, 1), forge());
  assert.is(scene.server.status().halfOpen, 5);
});

test('what lacks SA, KE or nonce, or is too long, gets no answer, with and without cookies', () => {
  for (const cookiesFrom of [0, 32]) {
    const scene = new Scene({ limits: { cookiesFrom } });
    const request = makeForger(scene)();
    const payloads = payloadsOf(request);
    const from = { address: '203.0.113.1', port: 500 };
    const flawed = (['SA', 'KE', 'Nonce'] as const).map(type =>
      payloads.filter(payload => payload.type !== type),
    );
    const long = [...payloads, { type: 'V' as const, data: new Uint8Array(4096) }];
    for (const some of [...flawed, long]) scene.server.receive(from, withPayloads(request, some));
    assert.is(scene.plane.sent.length, 0);
    scene.server.receive(from, request);
    assert.is(scene.plane.sent.length, 1);
    assert.is(isCookie((scene.plane.sent[0] as { datagram: Uint8Array }).datagram), cookiesFrom === 0);
  }
});

test('a repeated IKE_AUTH that was refused is answered a few times, wherever it comes from', () => {
  const scene = new Scene();
  const stranger = scene.client('client1', 5, { psk: Secret.fromText('a guess') }).connect();
  const auth = sentBy(stranger).find(datagram => parseHeader(datagram).exchange === ExchangeType.IKE_AUTH);
  scene.plane.sent.length = 0;
  for (let n = 0; n < 1000; n++) {
    scene.server.receive({ address: `203.0.113.${n % 250}`, port: 500 }, auth as Uint8Array);
  }
  assert.is(scene.plane.sent.length, 3);
});

test('little of what a stranger says is put together, and little of it is told', () => {
  const scene = new Scene();
  const claim = (size: number) => scene.client('x'.repeat(size), undefined, { fragmentSize: 1200 }).connect();
  claim(17_000);
  assert.is(scene.server.status().refused.authentications, 0);
  claim(15_000);
  assert.is(scene.server.status().refused.authentications, 1);
  assert.equal(
    scene.take('client-refused').map(({ client }) => client),
    [`${'x'.repeat(255)}…`],
  );
});

test('a public value that is none is tried once', () => {
  const scene = new Scene();
  const request = makeForger(scene)();
  const from = { address: '203.0.113.1', port: 500 };
  const payloads = payloadsOf(request).map(payload =>
    payload.type === 'KE' ? { ...payload, data: new Uint8Array(32) } : payload,
  );
  scene.server.receive(from, withPayloads(request, payloads));
  assert.is(scene.server.status().halfOpen, 1);
  const { initiatorSpi, responderSpi } = parseHeader(scene.plane.sent[0]?.datagram as Uint8Array);
  const auth = { initiatorSpi, responderSpi, exchange: ExchangeType.IKE_AUTH, messageId: 1 };
  scene.server.receive(
    from,
    emitMessage({ ...auth, initiator: true, response: false, payloads: [vendor(1)] }),
  );
  assert.is(scene.server.status().halfOpen, 0);
});

test(`${FORGED} forged requests from changing addresses: memory stays bounded, a client connects`, async () => {
  const scene = new Scene();
  const forge = makeForger(scene);
  let client = scene.client('client1');
  const before = process.memoryUsage().rss;
  let largest = 0;
  for (let n = 0; n < FORGED; n++) {
    const address = `100.${64 + scene.random.below(64)}.${scene.random.below(256)}.${scene.random.below(256)}`;
    const datagram = forge();
    scene.server.receive({ address, port: 1024 + scene.random.below(60_000) }, datagram);
    const [answer] = scene.plane.sent;
    assert.ok(
      answer !== undefined && (n < 32 || answer.datagram.length <= datagram.length),
      'no amplification',
    );
    scene.plane.sent.length = 0;
    largest = Math.max(largest, scene.server.status().halfOpen);
    if (n === FORGED / 2) client = scene.client('client1', 9).connect();
    if (n % 10_000 === 0) await scene.advance(1000);
  }
  assert.is(largest, 32);
  assert.is(client.address, '10.61.0.2');
  assert.equal(scene.identities, ['client1']);
  console.log(
    `\n# ${FORGED} forged requests: ${((process.memoryUsage().rss - before) / 1e6).toFixed(0)} MB more`,
  );
});

test(`${FORGED} random and damaged datagrams change nothing`, () => {
  const scene = new Scene();
  const forge = makeForger(scene);
  const client = scene.client('client1').connect();
  client.act(now => client.session.probe(now));
  const genuine = sentBy(client);
  const before = JSON.stringify(scene.server.status().clients);
  scene.plane.sent.length = 0;
  for (let n = 0; n < FORGED; n++) {
    const choice = scene.random.below(3);
    const datagram =
      choice === 0
        ? scene.random.bytes(scene.random.below(120))
        : choice === 1
          ? forge()
          : pick(scene, genuine).slice();
    if (choice > 0) {
      for (let k = scene.random.below(3); k >= 0; k--) {
        // Not the initiator's SPI: that would make it another request, as good as the first.
        const at = 8 + scene.random.below(datagram.length - 8);
        datagram[at] = scene.random.below(256);
      }
    }
    const from = { address: `203.0.113.${scene.random.below(256)}`, port: scene.random.below(65_536) };
    scene.server.receive(from, datagram);
    assert.ok(scene.plane.sent.length <= 1);
    scene.plane.sent.length = 0;
  }
  assert.ok(scene.server.status().halfOpen <= 256);
  assert.is(JSON.stringify(scene.server.status().clients), before);
  client.act(now => client.session.probe(now));
  assert.is(client.outputs.filter(({ type }) => type === 'alive').length, 2, 'it is still served');
});

function pick<T>(scene: Scene, choices: readonly T[]): T {
  return choices[scene.random.below(choices.length)] as T;
}

type Known = { key: string; address: string; spis: bigint[] };
const [A, B, C] = ['192.0.2.1', '2001:db8::1', '192.0.2.3'] as const;
/** B's too, by its network. */
const ADDRESSES = [A, A, B, '2001:db8::ffff:1', C];
const LIMITS = { halfOpen: 4, halfOpenPerSource: 2, cookiesFrom: 3, cookiesFromPerSource: 1 };

test('the oldest half-open session gives way, and a source has a limit of its own', () => {
  const table = new HalfOpenTable<Known>(LIMITS);
  const sessions = ['1', '2', '3', '4', '5'].map((key, index) => ({
    key,
    address: ADDRESSES[index] as string,
    spis: [0n],
  }));
  const [first, second, third, fourth, fifth] = sessions as [Known, Known, Known, Known, Known];
  const displacedBy = (session: Known) => table.count(session).map(({ key }) => key);
  assert.equal([table.needsCookie(A), table.isUnderPressure], [false, false]);
  assert.equal([displacedBy(first), displacedBy(second)], [[], []]);
  assert.equal([table.admits(A), table.admits(B)], [false, true]);
  assert.equal([table.needsCookie(A), table.needsCookie(B)], [true, false]);
  assert.equal([displacedBy(third), displacedBy(fourth), displacedBy(fifth)], [[], [], ['1']]);
  assert.equal(
    [table.size, table.get('1'), table.admits(A), table.needsCookie('192.0.2.9')],
    [4, undefined, true, true],
  );
  // A session that has more IKE SAs now takes the place of others, never its own.
  third.spis = [0n, 1n, 2n];
  assert.equal([displacedBy(third), table.size, table.admits(B)], [['2', '4'], 4, false]);
  third.spis = [0n];
  assert.equal([displacedBy(third), table.size, table.admits(B)], [[], 2, true]);
  // Another session with its key is another.
  table.remove({ ...third });
  assert.is(table.size, 2);
  for (const session of [...sessions, fifth]) table.remove(session);
  assert.equal([table.size, table.needsCookie(B)], [0, false]);
});

test('a pace lets so many through a second, after a burst of as many', () => {
  const pace = new Pace(10);
  const passed = (now: number, times: number) =>
    Array.from({ length: times }, () => pace.allows(now)).filter(Boolean).length;
  assert.is(passed(0, 100), 10);
  assert.is(passed(500, 100), 5);
  assert.is(passed(510, 100), 0);
  assert.is(passed(100_000, 100), 10);
});

test.run();
