// IKE sessions with strongSwan, over UDP in network namespaces.
import * as assert from 'uvu/assert';
import type { DhGroup, EspSuite, IkeProposal } from '../../src/ike/api.js';
import { ROAD_WARRIOR, roadWarriorConfiguration, StrongSwan, until } from '../../src/lab/index.js';
import { Bench, configuration, type End, IDENTITY, PLAN, PROPOSAL, PSK, withCharon } from './ike-charon.js';
import type { IkeEndOptions } from './ike-end.js';
import { figures, systemTests, withLab } from './support.js';

const test = systemTests();
const STRONGSWAN_GROUP: Record<DhGroup, string> = {
  x25519: 'curve25519',
  ecp256: 'ecp256',
  modp2048: 'modp2048',
};

function proposals(group: DhGroup): string[] {
  return [
    'chacha20poly1305-prfsha256',
    'aes256gcm16-prfsha384',
    'aes128gcm16-prfsha512',
    'aes256-sha256',
    'aes128-sha256-prfsha384',
  ].map(text => `${text}-${STRONGSWAN_GROUP[group]}`);
}

test('connects with every group, cipher, prf and ESP suite, and ESP passes', () =>
  withCharon({}, async bench => {
    for (const group of ['x25519', 'ecp256', 'modp2048'] satisfies DhGroup[]) {
      for (const [encryption, prf] of [
        ['chacha20poly1305', 'prfsha256'],
        ['aes256gcm16', 'prfsha384'],
        ['aes128gcm16', 'prfsha512'],
        ['aes256-sha256', 'prfsha256'],
        ['aes128-sha256', 'prfsha384'],
      ] satisfies [EspSuite, IkeProposal['prf']][]) {
        await bench.charon.load(
          configuration({ ikeProposals: proposals(group), espProposals: [encryption] }),
        );
        const end = bench.end({ ike: [{ encryption, prf, group }], esp: [encryption] });
        const { configuration: assigned, proposal } = await end.output('established');
        assert.equal(proposal, { encryption, prf, group });
        assert.match(assigned.addresses[0] ?? '', /^10\.61\.0\./);
        assert.equal(assigned.dns, ['10.20.0.53']);
        await end.echoes();
        await end.stop();
      }
    }
  }));

test('AES-CBC with HMAC-SHA2-256-128, where the gateway has nothing else', () =>
  withCharon({}, async bench => {
    for (const suite of ['aes256-sha256', 'aes128-sha256'] as const) {
      await bench.charon.load(configuration({ espProposals: [suite] }));
      const end = bench.end({ esp: ['chacha20poly1305', suite] });
      assert.is((await end.output('child-up')).child.suite, suite);
      await end.echoes();
      end.write('rekey-child');
      await end.output('child-up', 2);
      await end.echoes();
      await settle(end);
      await end.stop();
    }
  }));

test('rekeyings by us, of both kinds, under traffic', () =>
  withCharon({}, async bench => {
    const end = bench.end();
    await end.echoes();
    for (let round = 1; round <= 4; round++) {
      end.write('rekey-child');
      await end.output('child-up', round + 1);
      await end.echoes();
      end.write('rekey-ike');
      await end.output('ike-rekeyed', round);
      await end.echoes();
    }
    await settle(end);
    assert.is(end.outputs('closed').length, 0);
    await end.stop();
  }));

/** In one test. charon takes its old outbound association away before the new one is there, and may lose a reply. */
const MAX_LOST = 3;

/** The echo requests sent so far were answered, under the right keys. */
async function settle(end: End, maxLost = MAX_LOST): Promise<void> {
  end.write('pause');
  let counts = await end.counts();
  const isSettled = async () => {
    counts = await end.counts();
    return counts.sent - counts.received <= maxLost || undefined;
  };
  await until('the echo replies', 30_000, isSettled).catch(() => assert.unreachable(JSON.stringify(counts)));
  figures(`${counts.sent} echo requests, ${counts.received} replies`);
  assert.is(counts.refused + counts.unknownSpi, 0);
  end.write('resume');
}

// Not both kinds at the same moment: charon then gives up rekeying the child.
test('rekeyings by the gateway, within seconds, of both kinds, under traffic', () =>
  withCharon({ rekey: { childSeconds: 2, ikeSeconds: 5 } }, async bench => {
    const end = bench.end();
    await end.output('ike-rekeyed');
    await end.output('child-up', 5);
    await settle(end);
    assert.is(end.outputs('closed').length, 0);
    await end.stop();
  }));

test('rekeyings by both ends at once', () =>
  withCharon({ rekey: { childSeconds: 2, ikeSeconds: 3 } }, async bench => {
    const end = bench.end({ lifetimes: { ikeMs: 3000, childMs: 2000 } });
    await end.output('ike-rekeyed', 4);
    await end.output('child-up', 7);
    await end.echoes();
    await settle(end);
    assert.is(end.outputs('closed').length, 0);
    await end.stop();
  }));

test('a key exchange of its own for rekeyed children, as the gateway insists', () =>
  withCharon({ espProposals: ['aes256gcm16-curve25519'] }, async bench => {
    const end = bench.end();
    await end.echoes();
    end.write('rekey-child');
    await end.output('child-up', 2);
    await end.echoes();
    assert.match(await bench.charon.associations(), 'AES_GCM_16-256/CURVE_25519');
    await bench.charon.swanctl('--rekey', '--child', 'networks');
    await end.output('child-up', 3);
    await end.echoes();
    await settle(end);
    await end.stop();
  }));

test('fragments both ways', () =>
  withCharon(
    {},
    async bench => {
      const end = bench.end({ fragmentSize: 200 });
      await end.echoes();
      end.write('rekey-ike');
      await end.output('ike-rekeyed');
      await end.echoes();
      await end.stop();
    },
    { fragment_size: '200' },
  ));

test('cookies under pressure', () =>
  withCharon(
    {},
    async bench => {
      const end = bench.end();
      await end.echoes();
      await end.stop();
    },
    { cookie_threshold: '0', cookie_threshold_ip: '0' },
  ));

test('another group than the first that we offer', () =>
  withCharon({ ikeProposals: ['chacha20poly1305-prfsha256-ecp256'] }, async bench => {
    const end = bench.end({ ike: [PROPOSAL, { ...PROPOSAL, group: 'ecp256' }] });
    assert.is((await end.output('established')).proposal.group, 'ecp256');
    await end.echoes();
    end.write('rekey-ike');
    await end.output('ike-rekeyed');
    await end.echoes();
    await end.stop();
  }));

test('MOBIKE: the client goes to another port, to another address and back, under traffic', () =>
  withCharon({}, async bench => {
    const end = bench.end();
    await end.echoes();
    const places = [
      { address: '192.0.2.1', port: 4501 },
      { address: '192.0.2.11', port: 4500 },
      { address: '192.0.2.1', port: 4500 },
    ];
    for (const [index, place] of places.entries()) {
      end.move(place);
      await end.output('addresses-updated', index + 1);
      await end.echoes();
      const associations = await bench.charon.associations();
      assert.match(associations, `${place.address}[${place.port}]`);
      end.write('rekey-child');
      await end.output('child-up', index + 2);
      await end.echoes();
    }
    // The gateway, too, begins its exchanges where we are now.
    await bench.charon.swanctl('--rekey', '--ike', 'client-1');
    await end.output('ike-rekeyed');
    await settle(end, MAX_LOST * (places.length + 1));
    assert.is(end.outputs('closed').length, 0);
    await end.stop();
  }));

test('MOBIKE: another mapping of a NAT is found out by a liveness check', () =>
  withCharon({}, async bench => {
    const end = bench.end();
    await end.echoes();
    end.move({ address: '192.0.2.11', port: 40_000 }, true);
    end.write('probe');
    await end.output('addresses-updated');
    await end.echoes();
    await end.stop();
  }));

test('without MOBIKE at the gateway nothing is announced', () =>
  withCharon({ mobike: false }, async bench => {
    const end = bench.end();
    await end.echoes();
    end.move({ address: '192.0.2.11', port: 4500 });
    end.write('probe');
    await end.output('alive');
    assert.is(end.outputs('addresses-updated').length, 0);
    await end.stop();
  }));

test('liveness both ways, and the end by the gateway', () =>
  withCharon({ dpdSeconds: 1 }, async bench => {
    const end = bench.end();
    await end.echoes();
    end.write('probe');
    const { roundTripMs } = await end.output('alive');
    assert.ok(roundTripMs !== undefined && roundTripMs > 0);
    await bench.charon.swanctl('--terminate', '--child', 'networks');
    await end.output('child-down');
    assert.is(end.outputs('closed').length, 0);
    await bench.charon.swanctl('--terminate', '--ike', 'client-1');
    const closed = await end.output('closed');
    assert.is(closed.byPeer, true);
    assert.is(closed.code, undefined);
  }));

test('our DELETE ends it at the gateway', () =>
  withCharon({}, async bench => {
    const end = bench.end();
    await end.output('established');
    await end.stop();
    await until(
      'the gateway forgets',
      30_000,
      async () => (await bench.charon.associations()) === '' || undefined,
    );
  }));

test('as responder: strongSwan connects to us, both sides rekey, and it goes to another address', () =>
  withLab(PLAN, async lab => {
    const charon = new StrongSwan(lab.host('gateway'), {
      swanctl: roadWarriorConfiguration({
        identity: 'client1',
        psk: PSK,
        gateway: { address: '192.0.2.1', identity: IDENTITY },
        networks: ['10.30.0.0/16'],
      }),
    });
    await charon.start();
    const end = new Bench(lab, charon).end({
      identity: IDENTITY,
      peerIdentity: 'client1',
      target: '10.30.0.1',
      serve: { address: '10.61.0.7', network: '10.30.0.0/16' },
    });
    const initiated = await charon.swanctl('--initiate', '--child', ROAD_WARRIOR);
    assert.is(initiated.status, 0, initiated.stdout);
    assert.is((await end.output('established')).initialContact, true);
    await end.echoes();
    for (let round = 0; round < 2; round++) {
      const children = end.outputs('child-up').length;
      await charon.swanctl('--rekey', '--child', ROAD_WARRIOR);
      await end.output('child-up', children + 1);
      await end.echoes();
      end.write('rekey-child');
      await end.output('child-up', children + 2);
      const rekeyed = end.outputs('ike-rekeyed').length;
      await charon.swanctl('--rekey', '--ike', ROAD_WARRIOR);
      await end.output('ike-rekeyed', rekeyed + 1);
      end.write('rekey-ike');
      await end.output('ike-rekeyed', rekeyed + 2);
      await end.echoes();
    }
    await settle(end);
    const { name } = lab.host('gateway').link('outside');
    await lab.host('gateway').run(['ip', 'address', 'del', '192.0.2.2/24', 'dev', name]);
    await lab.host('gateway').run(['ip', 'address', 'add', '192.0.2.22/24', 'dev', name]);
    assert.is((await end.output('peer-moved')).remote.address, '192.0.2.22');
    await end.echoes();
    await charon.swanctl('--terminate', '--ike', ROAD_WARRIOR);
    assert.is((await end.output('closed')).byPeer, true);
  }));

test('refusals have their codes', () =>
  withCharon({}, async bench => {
    const cases: [Partial<IkeEndOptions>, string][] = [
      [{ psk: 'another' }, 'AUTHENTICATION_FAILED'],
      [{ identity: 'nobody' }, 'AUTHENTICATION_FAILED'],
      [{ ike: [{ ...PROPOSAL, encryption: 'aes128gcm16' }] }, 'NO_PROPOSAL_CHOSEN'],
      [{ esp: ['aes128gcm16'] }, 'NO_PROPOSAL_CHOSEN'],
      [
        { remote: { address: '192.0.2.2', port: 4999 }, timing: { firstMs: 50, tries: 3 } },
        'GATEWAY_TIMEOUT',
      ],
    ];
    for (const [options, code] of cases) {
      const closed = await bench.end(options).kill();
      assert.is(closed.code, code, JSON.stringify(options));
      figures(`${code}: ${closed.message}`);
    }
  }));

test('a gateway that dies is missed', () =>
  withCharon({}, async bench => {
    const end = bench.end({ timing: { firstMs: 100, factor: 2, maxMs: 400, tries: 4 } });
    await end.echoes();
    await bench.charon.kill();
    end.write('probe');
    assert.is((await end.output('closed')).code, 'GATEWAY_TIMEOUT');
  }));

test.run();
