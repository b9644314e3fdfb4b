import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HalfOpenTable } from '../../src/gateway/half-open.js';
import { NotifyType } from '../../src/ike/constants.js';
import { parseMessage } from '../../src/ike/message.js';
import { Pace } from '../../src/service/pace.js';
import { Scene } from './scene.js';

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

test('a repeated request is answered again, and is no second one', () => {
  const scene = new Scene();
  const request = makeForger(scene)();
  const from = { address: '203.0.113.1', port: 500 };
  for (let n = 0; n < 5; n++) scene.server.receive(from, request);
  assert.is(scene.plane.sent.length, 5);
  assert.is(scene.server.status().halfOpen, 1);
  // From elsewhere it is another.
  scene.server.receive({ ...from, port: 501 }, request);
  assert.is(scene.server.status().halfOpen, 2);
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
  const genuine = client.outputs.flatMap(output => (output.type === 'send' ? [output.datagram] : []));
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

const LIMITS = { halfOpen: 4, halfOpenPerAddress: 2, cookiesFrom: 3, cookiesFromPerAddress: 1 };

test('the oldest half-open session gives way, and an address has a limit of its own', () => {
  const table = new HalfOpenTable<{ address: string; name: string }>(LIMITS);
  const add = (name: string, address: string) => table.add(name, { address, name })?.name;
  assert.equal([table.needsCookie('a'), table.isUnderPressure], [false, false]);
  assert.equal([add('1', 'a'), add('2', 'a')], [undefined, undefined]);
  assert.equal([table.admits('a'), table.admits('b')], [false, true]);
  assert.equal([table.needsCookie('a'), table.needsCookie('b')], [true, false]);
  assert.equal([add('3', 'b'), add('4', 'b'), add('5', 'c')], [undefined, undefined, '1']);
  assert.equal(
    [table.size, table.get('1'), table.admits('a'), table.needsCookie('z')],
    [4, undefined, true, true],
  );
  for (const key of ['1', '2', '3', '4', '5', '5']) table.remove(key);
  assert.equal([table.size, table.needsCookie('b')], [0, false]);
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
