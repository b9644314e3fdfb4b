import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { assertSame, connected, Simulation } from './simulation.js';

test('connects, with an address, and the same keys on both sides', () => {
  const simulation = new Simulation(1);
  const { client, gateway } = connected(simulation);
  assertSame(client, gateway);
  const [established] = client.of('established');
  assert.equal(established?.configuration, {
    addresses: ['10.61.0.7'],
    dns: ['10.20.0.53'],
    subnets: ['10.20.0.0/16'],
  });
});

test.run();
