// With a gateway that assigns no address: ours is given.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { InitiatorOptions } from '../../src/ike/api.js';
import { IdType } from '../../src/ike/constants.js';
import { createInitiator } from '../../src/ike/initiator.js';
import { findPayload } from '../../src/ike/payloads/payload.js';
import { cidrSelector } from '../../src/ike/selectors.js';
import { Secret } from '../../src/secret.js';
import { createService, type ServiceOptions } from './service-gateway.js';
import {
  assertSame,
  End,
  initiatorOptions,
  LOCAL,
  REMOTE,
  responderOptions,
  Simulation,
  start,
} from './simulation.js';

const INNER = '10.9.0.2';
/** Our public address, which is not the one that our socket has. */
const OURS = '192.0.2.77';
const THEIRS = '203.0.113.10';

function scene(
  simulation: Simulation,
  client: Partial<InitiatorOptions> = { innerAddress: INNER },
  settings: Partial<ServiceOptions> = {},
) {
  const { random } = simulation;
  const options = initiatorOptions({ identity: OURS, peerIdentity: THEIRS, ...client });
  const us = new End('client', random, env => createInitiator(options, env));
  const made: ReturnType<typeof createService>[] = [];
  const them = new End(
    'gateway',
    random,
    env => {
      const service = createService(
        {
          ...responderOptions({
            identity: THEIRS,
            psk: identity => (identity === OURS ? Secret.fromText('a shared secret') : undefined),
            networks: ['0.0.0.0/0'],
          }),
          behindClient: ['0.0.0.0/0'],
          ...settings,
        },
        env,
      );
      made.push(service);
      return service.session;
    },
    [REMOTE, LOCAL],
  );
  simulation.join(us, them);
  start(simulation, us);
  const over = () =>
    us.closed !== undefined || (us.session.state === 'established' && them.session.state === 'established');
  assert.ok(simulation.run([us, them], simulation.now + 10_000, over), 'neither connected nor closed');
  return { us, them, auth: made[0]?.handshake.auth ?? [] };
}

test('nothing is requested, addresses are identities, and the inner address is as an assigned one', () => {
  const { us, them, auth } = scene(new Simulation(1));
  assert.is(findPayload(auth, 'CP'), undefined);
  assert.equal(findPayload(auth, 'IDi'), {
    type: 'IDi',
    idType: IdType.IPV4_ADDR,
    data: Uint8Array.of(192, 0, 2, 77),
  });
  assert.is(findPayload(auth, 'IDr')?.idType, IdType.IPV4_ADDR);
  const [established] = us.of('established');
  assert.is(established?.peerIdentity, THEIRS);
  assert.equal(established?.configuration, { addresses: [INNER], dns: [], domains: [], subnets: [] });
  assertSame(us, them);
});

for (const network of ['0.0.0.0/0', '10.9.0.0/24', '10.9.0.2/32']) {
  test(`the gateway narrows to ${network}`, () => {
    const { us } = scene(new Simulation(2), undefined, { behindClient: [network] });
    assert.equal(us.of('child-up')[0]?.child.localSelectors, [cidrSelector(network)]);
  });
}

test('a gateway that leaves the inner address out is left', () => {
  const { us } = scene(new Simulation(3), undefined, { behindClient: ['10.9.1.0/24', '10.9.0.3/32'] });
  assert.is(us.closed?.code, 'TS_UNACCEPTABLE');
  assert.match(us.closed?.message ?? '', `leave ${INNER} out`);
});

test('without an inner address such a gateway is of no use', () => {
  const { us } = scene(new Simulation(4), {});
  assert.is(us.closed?.code, 'NO_ADDRESS_ASSIGNED');
});

for (const encryption of ['aes256-sha256', 'aes128-sha256'] as const) {
  for (const group of ['modp2048', 'ecp256'] as const) {
    test(`${encryption} with ${group}, which the gateway asks for, is rekeyed by the gateway under traffic, and ended`, () => {
      const simulation = new Simulation(5, { loss: 0.02, doubling: 0.1, minDelay: 5, maxDelay: 25 });
      const wanted = { encryption, prf: 'prfsha256', group } as const;
      const esp = [encryption];
      const { us, them } = scene(
        simulation,
        {
          innerAddress: INNER,
          ike: [{ ...wanted, group: 'x25519' }, wanted],
          esp: ['aes256gcm16', encryption],
        },
        { ike: [wanted], esp, behindClient: ['10.9.0.0/24'] },
      );
      const ends = [us, them];
      const traffic = () => simulation.traffic(ends);
      for (let round = 1; round <= 3; round++) {
        simulation.call(them, (session, now) => session.rekeyChild(now));
        const isRekeyed = () => us.of('child-up').length === round + 1 && us.installed.size === 1;
        assert.ok(simulation.run(ends, simulation.now + 60_000, isRekeyed, traffic), 'the child');
        simulation.call(them, (session, now) => session.rekeyIke(now));
        const hasNewSa = () =>
          us.of('ike-rekeyed').length === round && them.of('ike-rekeyed').length === round;
        assert.ok(simulation.run(ends, simulation.now + 60_000, hasNewSa, traffic), 'the IKE SA');
        const asked = them.of('alive').length;
        simulation.call(them, (session, now) => session.probe(now));
        const isAlive = () => them.of('alive').length > asked;
        assert.ok(simulation.run(ends, simulation.now + 60_000, isAlive, traffic), 'a sign of life');
      }
      assertSame(us, them);
      assert.ok(simulation.espReceived > 0);
      assert.equal(us.of('child-up').at(-1)?.child.localSelectors, [cidrSelector('10.9.0.0/24')]);
      simulation.faults = { ...simulation.faults, loss: 0 };
      simulation.call(them, (session, now) => session.close(now));
      assert.ok(simulation.run(ends, simulation.now + 60_000, () => us.closed !== undefined));
      assert.is(us.closed?.byPeer, true);
    });
  }
}

test.run();
