// The facade: states, the order of outputs, what is left after the end.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { IkeSession } from '../../src/ike/api.js';
import { assertSame, connected, pair, Simulation, start } from './simulation.js';

const CALLS: ((session: IkeSession, now: number) => unknown[])[] = [
  (session, now) => session.start(now),
  (session, now) => session.tick(now),
  (session, now) => session.probe(now),
  (session, now) => session.rekeyIke(now),
  (session, now) => session.rekeyChild(now),
  (session, now) => session.close(now),
  (session, now) => session.receive(new Uint8Array(60), now),
];

test('connects, with an address, and the same keys on both sides', () => {
  const { client, gateway } = connected(new Simulation(1));
  assertSame(client, gateway);
  const [established] = client.of('established');
  assert.equal(established?.configuration, {
    addresses: ['10.61.0.7'],
    dns: ['10.20.0.53'],
    domains: [],
    subnets: ['10.20.0.0/16'],
  });
  assert.is(gateway.of('established')[0]?.initialContact, true);
  assert.is(gateway.of('established')[0]?.peerIdentity, 'client1');
});

test('states follow one another', () => {
  const simulation = new Simulation(2);
  const { client, gateway } = pair(simulation);
  assert.is(client.session.state, 'idle');
  assert.equal(client.session.probe(simulation.now), []);
  start(simulation, client);
  assert.is(client.session.state, 'connecting');
  assert.equal(client.session.start(simulation.now), []);
  simulation.run([client, gateway], simulation.now + 6);
  assert.is(gateway.session.state, 'connecting');
  simulation.run([client, gateway], simulation.now + 100);
  assert.is(client.session.state, 'established');
  simulation.call(client, (session, now) => session.close(now));
  simulation.run([client, gateway], simulation.now + 100);
  assert.equal([client.session.state, gateway.session.state], ['closed', 'closed']);
  assert.equal([client.closed?.byPeer, gateway.closed?.byPeer], [false, true]);
});

test('after the end every call returns nothing', () => {
  const simulation = new Simulation(3);
  const { client } = connected(simulation);
  simulation.call(client, (session, now) => session.close(now));
  for (const call of CALLS) assert.equal(call(client.session, simulation.now), []);
  assert.is(client.session.nextTimer(), undefined);
});

test('a child can receive before the peer learns of it', () => {
  const { client, gateway } = connected(new Simulation(4));
  const last = (outputs: readonly { type: string }[]) => outputs.slice(-3).map(({ type }) => type);
  assert.equal(last(gateway.outputs), ['established', 'child-up', 'send']);
  assert.equal(
    client.outputs.slice(-2).map(({ type }) => type),
    ['established', 'child-up'],
  );
});

test('a responder gives back what it assigned when the session is over', () => {
  const simulation = new Simulation(5);
  const released: string[] = [];
  const release = (identity: string, { addresses }: { addresses: string[] }) =>
    released.push(`${identity} ${addresses}`);
  const { client, gateway } = connected(simulation, {}, { release });
  assert.equal(released, []);
  simulation.call(client, (session, now) => session.close(now));
  simulation.run([client, gateway], simulation.now + 100);
  assert.equal(released, ['client1 10.61.0.7']);
});

test('no key is seen in outputs', () => {
  const { client } = connected(new Simulation(6));
  const child = client.of('child-up')[0]?.child;
  const text = JSON.stringify(client.of('child-up'));
  assert.match(text, '"inboundKey":"[secret]"');
  assert.not.match(text, Buffer.from(child?.inboundKey.reveal() ?? []).toString('hex'));
});

test.run();
