import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Secret } from '../../src/secret.js';
import { Roster } from '../../src/service/roster.js';
import { rosterOf, Scene } from './scene.js';

test('a new client is let in; one that is none any more, and one with another key, lose their tunnels', () => {
  const scene = new Scene();
  const [stays, goes, changes] = ['client1', 'client2', 'client3'].map(identity =>
    scene.client(identity).connect(),
  );
  scene.client('client4').connect();
  assert.equal(scene.identities, ['client1', 'client2', 'client3']);
  scene.take('client-refused');

  const next = new Roster([
    ...(['client1', 'client4'] as const).map(name => [name, Secret.fromText(`psk of ${name}`)] as const),
    ['client3', Secret.fromText('another key')],
  ]);
  scene.server.clientsChanged(scene.roster.replace(next));
  scene.settle();
  assert.equal(scene.identities, ['client1']);
  assert.is(stays?.find('closed'), undefined);
  for (const client of [goes, changes]) assert.ok(client?.find('closed')?.byPeer, 'told by a DELETE');
  assert.equal(
    scene.take('client-left').map(({ client, reason }) => [client, reason]),
    [
      ['client2', 'removed'],
      ['client3', 'removed'],
    ],
  );
  assert.is(scene.plane.peers.size, 1);

  for (const identity of ['client2', 'client3', 'client4']) scene.client(identity, undefined).connect();
  assert.equal(
    scene.take('client-refused').map(({ client, code }) => [client, code]),
    [
      ['client2', 'AUTHENTICATION_FAILED'],
      ['client3', 'AUTHENTICATION_FAILED'],
    ],
  );
  scene.client('client3', undefined, { psk: Secret.fromText('another key') }).connect();
  assert.equal(scene.identities, ['client1', 'client4', 'client3']);
});

test('with more clients, each may have fewer children, also one that is there already', async () => {
  const scene = new Scene({ identities: ['client0'] });
  const client = scene.client('client0').connect();
  const crowd = Array.from({ length: 250 }, (_, number) => `client${number}`);
  scene.server.clientsChanged(scene.roster.replace(rosterOf(crowd)));
  for (let i = 0; i < 50; i++) {
    client.act(now => client.session.rekeyChild(now));
    assert.ok(scene.plane.spis.size <= 4, `${scene.plane.spis.size} associations`);
    await scene.advance(200);
  }
});

test.run();
