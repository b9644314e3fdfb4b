import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NotifyType } from '../../src/ike/constants.js';
import { parseMessage } from '../../src/ike/message.js';
import { Secret } from '../../src/secret.js';
import { Scene } from './scene.js';

const notifications = (datagram: Uint8Array) =>
  parseMessage(datagram).payloads.map(payload => (payload.type === 'N' ? payload.notify : payload.type));

test('clients connect, each with an address and a child of its own', () => {
  const scene = new Scene();
  const clients = ['client1', 'client2', 'client3'].map(identity => scene.client(identity).connect());
  assert.equal(
    clients.map(({ address }) => address),
    ['10.61.0.2', '10.61.0.3', '10.61.0.4'],
  );
  assert.equal(clients[0]?.find('established')?.configuration.subnets, ['10.20.0.0/16']);
  const { clients: known, halfOpen } = scene.server.status();
  assert.equal(
    known.map(({ client, from }) => [client, from]),
    [
      ['client1', '192.0.2.2:4500'],
      ['client2', '192.0.2.3:4500'],
      ['client3', '192.0.2.4:4500'],
    ],
  );
  assert.is(halfOpen, 0);
  assert.equal(
    [...scene.plane.peers.values()].map(({ address, children }) => [address, children.size]),
    [
      ['10.61.0.2', 1],
      ['10.61.0.3', 1],
      ['10.61.0.4', 1],
    ],
  );
  assert.is(scene.take('client-connected').length, 3);
});

test('a client that deletes its session leaves nothing, and finds its address when it returns', () => {
  const scene = new Scene();
  const first = scene.client('client1').connect();
  scene.client('client2').connect();
  first.act(now => first.session.close(now));
  assert.equal(scene.identities, ['client2']);
  assert.is(scene.plane.peers.size, 1);
  assert.is(scene.plane.spis.size, 1);
  const [left] = scene.take('client-left');
  assert.equal([left?.client, left?.address, left?.reason], ['client1', '10.61.0.2', 'deleted']);
  scene.client('client3').connect();
  assert.is(scene.client('client1', 99).connect().address, '10.61.0.2', 'kept for it');
});

test('an address that is asked for is given if nobody else had it', () => {
  const scene = new Scene();
  assert.is(scene.client('client1', 2, { wantedAddress: '10.61.0.77' }).connect().address, '10.61.0.77');
  assert.is(scene.client('client2', 3, { wantedAddress: '10.61.0.77' }).connect().address, '10.61.0.2');
  assert.is(scene.client('client3', 4, { wantedAddress: '10.99.0.1' }).connect().address, '10.61.0.3');
});

test('a client that connects anew replaces its old session, under the same address', () => {
  const scene = new Scene();
  const old = scene.client('client1', 2).connect();
  const fresh = scene.client('client1', 3).connect();
  assert.is(fresh.address, old.address);
  assert.is(old.find('closed'), undefined, 'INITIAL_CONTACT: it does not exist any more');
  assert.equal(scene.identities, ['client1']);
  assert.is(scene.plane.peers.size, 1);
  assert.is(scene.plane.spis.size, 1);
  assert.equal(
    scene.take('client-left').map(({ reason }) => reason),
    ['replaced'],
  );
  // The old one's messages belong to nothing now.
  old.act(now => old.session.probe(now));
  assert.is(scene.server.status().refused.messages, 1);
});

test('both sides renew keys, and are found under the new SPIs', async () => {
  const scene = new Scene({ lifetimes: { ikeMs: 60_000, childMs: 40_000 } });
  const client = scene.client('client1', 2, { lifetimes: { ikeMs: 70_000, childMs: 45_000 } }).connect();
  await scene.advance(400_000);
  const [status] = scene.server.status().clients;
  assert.ok(status !== undefined && status.rekeys.ike >= 5 && status.rekeys.child >= 8);
  assert.is(client.find('closed'), undefined);
  assert.is(scene.plane.spis.size, [...scene.plane.peers.values()][0]?.children.size);
  client.act(now => client.session.close(now));
  assert.equal([scene.identities, scene.plane.spis.size], [[], 0]);
});

test('the number of children that a client can make is bounded', async () => {
  const scene = new Scene({ identities: Array.from({ length: 250 }, (_, n) => `client${n}`) });
  const client = scene.client('client1').connect();
  for (let i = 0; i < 50; i++) {
    client.act(now => client.session.rekeyChild(now));
    assert.ok(scene.plane.spis.size <= 4, `${scene.plane.spis.size} associations`);
    await scene.advance(200);
  }
});

test('a silent client is asked, and given up when it does not answer', async () => {
  const scene = new Scene();
  const [quiet, lost, busy] = ['client1', 'client2', 'client3'].map(identity =>
    scene.client(identity).connect(),
  );
  if (lost !== undefined) lost.isSilent = true;
  if (busy !== undefined) busy.isSilent = true;
  const peer = [...scene.plane.peers.values()].find(({ address }) => address === busy?.address);
  for (let second = 0; second < 90; second++) {
    if (peer !== undefined) peer.received += 1;
    await scene.advance(1000);
  }
  assert.equal(scene.identities, ['client1', 'client3'], 'one answers, one sends');
  const left = scene.take('client-left');
  assert.equal(
    left.map(({ client, reason }) => [client, reason]),
    [['client2', 'silent']],
  );
  assert.is(quiet?.find('closed'), undefined);
});

test('requests go where the client was heard last, by ESP or, without MOBIKE, by IKE', async () => {
  const scene = new Scene();
  const client = scene.client('client1', 2, { mobike: false }).connect();
  const [[index, peer] = [0, undefined]] = scene.plane.peers;
  const moved = { address: '203.0.113.5', port: 61_000 };
  client.at = moved;
  client.act(now => client.session.probe(now));
  assert.equal(peer?.remote, moved, 'the data plane learns it from IKE');
  assert.equal(
    scene.take('client-moved').map(({ from }) => from),
    ['203.0.113.5:61000'],
  );
  client.at = { address: '203.0.113.6', port: 1024 };
  scene.server.peerMoved(index, client.at);
  await scene.advance(60_000);
  assert.equal(scene.identities, ['client1'], 'it answered at the new address');
  // Whoever repeats a message of the client's from elsewhere moves nothing.
  const sent = client.outputs.findLast(output => output.type === 'send');
  assert.ok(sent?.type === 'send');
  scene.server.receive({ address: '203.0.113.66', port: 666 }, sent.datagram);
  assert.is(scene.server.status().clients[0]?.from, '203.0.113.6:1024');
});

test('with MOBIKE a client moves when it says so, and its other messages are answered where they came from', () => {
  const scene = new Scene();
  const client = scene.client('client1').connect();
  const [[, peer] = []] = scene.plane.peers;
  const home = client.at;
  client.at = { address: '203.0.113.5', port: 61_000 };
  const heard = client.outputs.length;
  client.act(now => client.session.rekeyChild(now));
  assert.ok(client.outputs.slice(heard).some(({ type }) => type === 'child-up'));
  assert.equal(peer?.remote, home);
  assert.equal(scene.take('client-moved'), []);
  client.act(now => client.session.moved(client.at, now));
  assert.ok(client.find('addresses-updated'));
  assert.equal(peer?.remote, client.at);
  assert.equal(
    scene.take('client-moved').map(({ from }) => from),
    ['203.0.113.5:61000'],
  );
  assert.equal(scene.strays, []);
});

test('a wrong key, an unknown client and an empty pool are refused as the RFC says', async () => {
  const scene = new Scene({ prefix: '10.61.0.0/30' });
  const wrong = scene.client('client1', 2, { psk: Secret.fromText('wrong') }).connect();
  const unknown = scene.client('nobody').connect();
  // A refusal that is not authenticated is believed only after a while.
  await scene.advance(20_000);
  assert.is(wrong.find('closed')?.code, 'AUTHENTICATION_FAILED');
  assert.is(unknown.find('closed')?.code, 'AUTHENTICATION_FAILED');
  assert.is(scene.client('client1').connect().address, '10.61.0.2');
  const late = scene.client('client2').connect();
  const suites = scene.client('client1', 7, { esp: ['aes128gcm16'] }).connect();
  await scene.advance(20_000);
  assert.is(late.find('closed')?.code, 'NO_ADDRESS_ASSIGNED');
  assert.is(suites.find('closed')?.code, 'NO_PROPOSAL_CHOSEN');
  assert.equal(
    scene.take('client-refused').map(({ client, code }) => [client, code]),
    [
      ['client1', 'AUTHENTICATION_FAILED'],
      ['nobody', 'AUTHENTICATION_FAILED'],
      ['client2', 'NO_ADDRESS_ASSIGNED'],
      ['client1', 'TS_UNACCEPTABLE'],
    ],
  );
});

test('a security association too many is refused, and costs nobody else anything', async () => {
  const scene = new Scene();
  scene.plane.room = 2;
  const clients = ['client1', 'client2'].map(identity => scene.client(identity).connect());
  const third = scene.client('client3').connect();
  await scene.advance(2000);
  assert.is(third.find('closed')?.code, 'ASSOCIATIONS_FULL');
  assert.equal(
    scene.take('client-refused').map(({ client, code }) => [client, code]),
    [['client3', 'ASSOCIATIONS_FULL']],
  );
  // Rekeying is put off, by either side, and the child of before stays.
  const [first] = clients;
  first?.act(now => first.session.rekeyChild(now));
  await scene.advance(60_000);
  assert.equal(scene.identities, ['client1', 'client2']);
  assert.equal([scene.plane.spis.size, scene.plane.peers.size], [2, 2]);
  assert.is(first?.find('closed'), undefined);
  scene.plane.room = 4;
  await scene.advance(60_000);
  assert.is(first?.outputs.filter(({ type }) => type === 'child-up').length, 2);
  assert.is(scene.client('client3', 9).connect().address, '10.61.0.4');
});

test('who guesses is refused for a minute, the same client elsewhere is not', async () => {
  const scene = new Scene();
  for (let guess = 0; guess < 8; guess++) {
    scene.client('client1', 66, { psk: Secret.fromText(`guess ${guess}`) }).connect();
  }
  assert.is(scene.take('client-refused').length, 5);
  assert.is(scene.server.status().refused.authentications, 8);
  assert.is(scene.client('client1', 66).connect().address, undefined);
  assert.is(scene.client('client2', 66).connect().address, '10.61.0.2', 'another client at that address');
  assert.is(scene.client('client1', 67).connect().address, '10.61.0.3');
  await scene.advance(61_000);
  assert.is(scene.client('client1', 66).connect().address, '10.61.0.3');
});

test('a mistake with one client ends its session alone', () => {
  const scene = new Scene();
  scene.client('client1').connect();
  scene.plane.failure = new Error('no room');
  scene.client('client2').connect();
  scene.plane.failure = undefined;
  assert.equal(scene.identities, ['client1']);
  assert.match(scene.take('notice')[0]?.message ?? '', 'no room');
  assert.is(scene.plane.peers.size, 1);
  assert.ok(scene.client('client3').connect().address);
});

test('drained, it asks its clients to go elsewhere, and takes nobody new', async () => {
  const scene = new Scene();
  const [first, second] = ['client1', 'client2'].map(identity => scene.client(identity).connect());
  const drained = scene.server.drain();
  scene.settle();
  for (const client of [first, second]) {
    assert.ok(client?.find('drain'));
    assert.is(client?.find('closed'), undefined, 'its packets are still carried');
  }
  assert.ok(scene.server.status().draining);
  const late = scene.client('client3');
  late.act(now => late.session.start(now));
  assert.is(late.find('established'), undefined);
  first?.act(now => first.session.close(now));
  second?.act(now => second.session.close(now));
  assert.equal(await drained, { moved: 2, left: 0 });
});

test('drained, it waits only so long for clients that stay', async () => {
  const scene = new Scene();
  scene.client('client1').connect();
  const drained = scene.server.drain();
  await scene.advance(20_000);
  assert.equal(await drained, { moved: 0, left: 1 });
  assert.equal(scene.identities, ['client1'], 'it is not cut off');
  assert.equal(await new Scene().server.drain(), { moved: 0, left: 0 });
});

test('stopping deletes every tunnel', () => {
  const scene = new Scene();
  const clients = ['client1', 'client2'].map(identity => scene.client(identity).connect());
  const stranger = scene.client('client3');
  stranger.isSilent = true;
  stranger.connect();
  scene.server.stop();
  scene.settle();
  assert.equal(
    clients.map(client => client.find('closed')?.byPeer),
    [true, true],
  );
  assert.equal([scene.plane.peers.size, scene.plane.spis.size, scene.identities], [0, 0, []]);
});

test('messages that belong to nothing are answered shortly, and not too often', () => {
  const scene = new Scene();
  const client = scene.client('client1').connect();
  const [, , request] = client.outputs.flatMap(output => (output.type === 'send' ? [output.datagram] : []));
  assert.is(request, undefined);
  client.act(now => client.session.probe(now));
  const probe = client.outputs.flatMap(output => (output.type === 'send' ? [output.datagram] : [])).at(-1);
  const stranger = { address: '203.0.113.9', port: 4500 };
  const unknown = (probe ?? new Uint8Array()).slice();
  unknown.fill(0x77, 8, 16);
  for (let i = 0; i < 50; i++) scene.server.receive(stranger, unknown);
  assert.is(scene.plane.sent.length, 10);
  assert.equal(notifications(scene.plane.sent[0]?.datagram ?? unknown), [NotifyType.INVALID_IKE_SPI]);
  assert.ok((scene.plane.sent[0]?.datagram.length ?? 0) <= unknown.length);
  scene.plane.sent.length = 0;
  scene.now += 1000;

  const later = unknown.slice();
  later[17] = 0x30;
  scene.server.receive(stranger, later);
  assert.equal(notifications(scene.plane.sent[0]?.datagram ?? unknown), [NotifyType.INVALID_MAJOR_VERSION]);
  scene.plane.sent.length = 0;
  // Neither IKEv1, nor responses, nor what is shorter than the answer.
  const earlier = unknown.slice();
  earlier[17] = 0x10;
  const response = unknown.slice();
  response[19] = 0x28;
  const short = unknown.slice(0, 28);
  new DataView(short.buffer).setUint32(24, 28);
  for (const datagram of [earlier, response, short, new Uint8Array(28), new Uint8Array(0)]) {
    scene.server.receive(stranger, datagram);
  }
  assert.equal(scene.plane.sent, []);
});

test.run();
