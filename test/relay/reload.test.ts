import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Secret } from '../../src/secret.js';
import { Roster } from '../../src/service/roster.js';
import { failure, resuming, type Scene, scene, TOKEN, until } from './scene.js';

const TOKENS: Record<string, string> = { client1: TOKEN, client2: 'a token of client2' };
const rosterOf = (tokens: Record<string, string>) =>
  new Roster(Object.entries(tokens).map(([name, token]) => [name, Secret.fromText(token)]));

/** A relay with both clients connected; `change` has it serve others. */
async function served(it: Scene) {
  const clients = rosterOf(TOKENS);
  await it.start({ clients });
  const lost: string[] = [];
  const [first, second] = await Promise.all(
    Object.entries(TOKENS).map(([name, token]) =>
      it.connect({ name, token: Secret.fromText(token), onLost: () => lost.push(name) }),
    ),
  );
  assert.ok(first && second);
  const change = (tokens: Record<string, string>) =>
    it.server.clientsChanged(clients.replace(rosterOf(tokens)));
  return { first: first.grant, second: second.grant, lost, change };
}

const leases = (it: Scene) => it.server.status().sessions.map(({ client, lease }) => [client, lease]);

scene('a new client is let in, and nobody notices', async it => {
  const { lost, change } = await served(it);
  const before = leases(it);
  await failure(it.connect({ name: 'client3', token: Secret.fromText('new') }), 'RELAY_TOKEN_REFUSED');
  await change({ ...TOKENS, client3: 'new' });
  const { grant } = await it.connect({ name: 'client3', token: Secret.fromText('new') });
  assert.equal(leases(it), [...before, ['client3', grant.lease]]);
  assert.equal(lost, []);
  assert.is(it.dataPlane.sessions.size, 3);
});

scene('a client that is none any more is disconnected, and its session is over', async it => {
  const { first, second, lost, change } = await served(it);
  await change({ client2: TOKENS.client2 ?? '' });
  await until(() => lost.length > 0);
  assert.equal(lost, ['client1']);
  assert.equal(leases(it), [['client2', second.lease]]);
  assert.not.ok(it.dataPlane.sessions.has(first.index));
  assert.is((await it.event('session-ended')).client, 'client1');
  await failure(it.connect({ resume: resuming(first) }), 'RELAY_TOKEN_REFUSED');
});

scene('a client whose token is another one goes on with its session once it shows that', async it => {
  const { first, lost, change } = await served(it);
  await change({ ...TOKENS, client1: 'renewed' });
  await until(() => lost.length > 0);
  assert.equal(lost, ['client1']);
  assert.not.ok(it.dataPlane.sessions.has(first.index), 'its packets pass no more');
  const resume = resuming(first);
  await failure(it.connect({ resume }), 'RELAY_TOKEN_REFUSED');
  const { grant } = await it.connect({ resume, token: Secret.fromText('renewed') });
  assert.is(grant.lease, first.lease);
  assert.ok(grant.keys, 'fresh keys');
});

scene('who is just let in by a token of before is not', async it => {
  const { change } = await served(it);
  for (const client1 of ['renewed', undefined]) {
    const token = Secret.fromText(client1 === undefined ? 'renewed' : TOKEN);
    const known = it.server.status().sessions.length;
    const coming = it.connect({ token }).catch(() => {});
    await until(() => it.server.status().sessions.length > known);
    await change({ client2: TOKENS.client2 ?? '', ...(client1 !== undefined && { client1 }) });
    await coming;
    await until(() =>
      it.server.status().sessions.every(({ client, connected }) => !connected || client === 'client2'),
    );
    assert.is(it.dataPlane.sessions.size, 1);
  }
  assert.equal(
    leases(it).map(([client]) => client),
    ['client2'],
  );
});

test.run();
