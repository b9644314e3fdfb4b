// Two sessions over bad networks, for many seeds: connecting, rekeying of both kinds from both sides at once, traffic all
// the while.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { assertSame, CALM, connected, type End, type Faults, pair, Simulation, start } from './simulation.js';

const NETWORKS: Record<string, Faults> = {
  slow: { loss: 0, doubling: 0, minDelay: 50, maxDelay: 50 },
  reordering: { loss: 0, doubling: 0, minDelay: 1, maxDelay: 300 },
  doubling: { loss: 0, doubling: 0.5, minDelay: 1, maxDelay: 100 },
  lossy: { loss: 0.2, doubling: 0, minDelay: 1, maxDelay: 100 },
  terrible: { loss: 0.3, doubling: 0.3, minDelay: 1, maxDelay: 800 },
};

const TIMING = { firstMs: 500, factor: 2, maxMs: 2000, tries: 12 };

for (const [name, faults] of Object.entries(NETWORKS)) {
  test(`connects over a network that is ${name}, 100 seeds`, () => {
    for (let seed = 0; seed < 100; seed++) {
      const simulation = new Simulation(seed, faults);
      const { client, gateway } = pair(simulation, { timing: TIMING }, { timing: TIMING });
      start(simulation, client);
      const done = () => client.session.state === 'established' && gateway.session.state === 'established';
      assert.ok(simulation.run([client, gateway], 60_000, done), `seed ${seed}`);
      assert.is(client.closed, undefined, `seed ${seed}`);
      assertSame(client, gateway);
    }
  });
}

/** Both ends send ESP and begin rekeyings at random moments; then calm. Gives the ends. */
function disturb(
  seed: number,
  faults: Faults,
  rekeyings: number,
): { client: End; gateway: End; received: number } {
  const simulation = new Simulation(seed);
  const { client, gateway } = connected(simulation, { timing: TIMING }, { timing: TIMING });
  simulation.faults = faults;
  const ends = [client, gateway];
  const { random } = simulation;
  const traffic = () => {
    assert.is(client.closed, undefined, `seed ${seed}`);
    assert.is(gateway.closed, undefined, `seed ${seed}`);
    for (const end of ends)
      assert.ok(end.sending !== undefined, `seed ${seed}: ${end.name} sends on nothing`);
    simulation.traffic(ends);
  };
  for (let count = 0; count < rekeyings; count++) {
    const kind = random.below(3);
    const both = random.below(2) === 0;
    for (const end of both ? ends : [ends[random.below(2)] as End]) {
      simulation.call(end, (session, now) => {
        if (kind === 0) return session.rekeyIke(now);
        if (kind === 1) return session.rekeyChild(now);
        return random.below(2) === 0 ? session.rekeyIke(now) : session.rekeyChild(now);
      });
    }
    if (random.below(4) === 0) simulation.call(client, (session, now) => session.probe(now));
    simulation.run(ends, simulation.now + random.below(1500), undefined, traffic);
  }
  simulation.faults = CALM;
  simulation.run(ends, simulation.now + 90_000, undefined, traffic);
  return { client, gateway, received: simulation.espReceived };
}

for (const [name, faults] of Object.entries(NETWORKS)) {
  test(`rekeyings from both sides over a network that is ${name}: no packet is lost by them, 40 seeds`, () => {
    let rekeyed = 0;
    for (let seed = 0; seed < 40; seed++) {
      const { client, gateway, received } = disturb(seed, faults, 8);
      assert.is(client.installed.size, 1, `seed ${seed}: children left over`);
      assert.is(gateway.installed.size, 1, `seed ${seed}: children left over`);
      assertSame(client, gateway);
      assert.is(client.reserved.size, 0, `seed ${seed}`);
      assert.is(gateway.reserved.size, 0, `seed ${seed}`);
      assert.ok(received > 20);
      rekeyed += client.of('child-up').length - 1 + client.of('ike-rekeyed').length;
    }
    assert.ok(rekeyed > 40 * 4);
  });
}

test('soft lifetimes of seconds on both sides, for five minutes', () => {
  for (let seed = 0; seed < 6; seed++) {
    const simulation = new Simulation(seed, { loss: 0.1, doubling: 0.1, minDelay: 1, maxDelay: 200 });
    const lifetimes = { ikeMs: 5000, childMs: 3000 };
    const { client, gateway } = connected(
      simulation,
      { timing: TIMING, lifetimes },
      { timing: TIMING, lifetimes },
    );
    simulation.run([client, gateway], 300_000, undefined, () => {
      assert.ok(client.sending !== undefined && gateway.sending !== undefined, `seed ${seed}`);
      simulation.traffic([client, gateway]);
    });
    assert.ok(client.of('ike-rekeyed').length > 30, `seed ${seed}`);
    assert.ok(client.of('child-up').length > 60, `seed ${seed}`);
    assert.ok(client.installed.size < 10 && gateway.installed.size < 10, `seed ${seed}`);
  }
});

test.run();
