// IKE_SA_INIT and IKE_AUTH between two sessions.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DEFAULT_IKE_PROPOSALS } from '../../src/config/values.js';
import type {
  DhGroup,
  EspSuite,
  IkeEncryption,
  IkeProposal,
  InitiatorOptions,
  Prf,
} from '../../src/ike/api.js';
import { ExchangeType, PayloadType } from '../../src/ike/constants.js';
import { CookieIssuer } from '../../src/ike/cookie.js';
import { parseHeader, parseMessage } from '../../src/ike/message.js';
import { findNotify } from '../../src/ike/payloads/payload.js';
import { Secret } from '../../src/secret.js';
import { assertSame, connected, type End, pair, Simulation, start } from './simulation.js';
import { toHex } from './support.js';

const X25519: IkeProposal = { encryption: 'chacha20poly1305', prf: 'prfsha256', group: 'x25519' };
const P256: IkeProposal = { encryption: 'aes256gcm16', prf: 'prfsha384', group: 'ecp256' };

function runUntilClosed(simulation: Simulation, client: End, gateway: End, limit = 60_000) {
  const done = () => client.closed !== undefined;
  assert.ok(simulation.run([client, gateway], simulation.now + limit, done), 'the session does not end');
  return client.closed;
}

function inits(end: End): Uint8Array[] {
  return end.sent.filter(datagram => parseHeader(datagram).exchange === ExchangeType.IKE_SA_INIT);
}

for (const group of ['x25519', 'ecp256', 'modp2048'] satisfies DhGroup[]) {
  test(`connects with ${group}`, () => {
    const ike = [{ ...X25519, group }];
    const { client, gateway } = connected(new Simulation(2), { ike }, { ike });
    assertSame(client, gateway);
  });
}

const ENCRYPTIONS: IkeEncryption[] = [
  'chacha20poly1305',
  'aes256gcm16',
  'aes128gcm16',
  'aes256-sha256',
  'aes128-sha256',
];
for (const encryption of ENCRYPTIONS) {
  for (const prf of ['prfsha256', 'prfsha384', 'prfsha512'] satisfies Prf[]) {
    test(`connects with ${encryption} and ${prf}, for ESP too`, () => {
      const ike = [{ ...X25519, encryption, prf }];
      const esp: EspSuite[] = [encryption];
      const { client, gateway } = connected(new Simulation(3), { ike, esp }, { ike, esp });
      assertSame(client, gateway);
      assert.is(client.of('established')[0]?.proposal.encryption, encryption);
      assert.is(client.of('child-up')[0]?.child.suite, encryption);
    });
  }
}

test('identities of all types are proved', () => {
  for (const identity of [
    '192.0.2.77',
    '2001:db8::7',
    'someone@example.net',
    'Tokyo.Example.net',
    'keyid:tokyo',
  ]) {
    const { client } = connected(new Simulation(4), { peerIdentity: identity }, { identity });
    assert.is(client.of('established')[0]?.peerIdentity, identity);
  }
});

test('the wanted address is asked for', () => {
  const { client } = connected(new Simulation(5), { wantedAddress: '10.61.0.99' });
  assert.equal(client.of('established')[0]?.configuration.addresses, ['10.61.0.99']);
});

test('traffic selectors are narrowed to the address and the networks', () => {
  const { client } = connected(new Simulation(6));
  const child = client.of('child-up')[0]?.child;
  assert.equal(
    child?.localSelectors.map(({ first, last }) => [first, last]),
    [['10.61.0.7', '10.61.0.7']],
  );
  assert.equal(
    child?.remoteSelectors.map(({ first, last }) => [first, last]),
    [['10.20.0.0', '10.20.255.255']],
  );
});

test('INVALID_KE_PAYLOAD leads to the group that the gateway wants', () => {
  const { client, gateway } = connected(new Simulation(7), { ike: [X25519, P256] }, { ike: [P256] });
  assertSame(client, gateway);
  assert.equal(client.of('established')[0]?.proposal, P256);
  assert.is(inits(client).length, 2);
});

test('whatever is offered fits into a datagram, as IKE_SA_INIT cannot be fragmented', () => {
  const { client } = connected(
    new Simulation(18),
    { ike: DEFAULT_IKE_PROPOSALS },
    { ike: [{ ...X25519, encryption: 'aes256-sha256', group: 'modp2048' }] },
  );
  assert.is(client.of('established')[0]?.proposal.encryption, 'aes256-sha256');
  // 1280, the least that IPv6 lets through, less its header, UDP's and the non-ESP marker.
  assert.ok(Math.max(...inits(client).map(({ length }) => length)) < 1280 - 40 - 8 - 4);
});

test('a cookie is shown, and kept with another group', () => {
  const simulation = new Simulation(8);
  const issuer = new CookieIssuer(size => simulation.random.bytes(size));
  const cookies = { issuer, required: () => true };
  const { client, gateway } = connected(simulation, { ike: [X25519, P256] }, { ike: [P256], cookies });
  assertSame(client, gateway);
  const [first, second, third] = inits(client).map(datagram => parseMessage(datagram).payloads);
  assert.is(first?.[0]?.type, 'SA');
  assert.is(second?.[0]?.type, 'N');
  assert.is(third?.[0]?.type, 'N');
  assert.is(inits(client).length, 3);
});

test('a cookie required leaves no state behind', () => {
  const simulation = new Simulation(9);
  const issuer = new CookieIssuer(size => simulation.random.bytes(size));
  const { client, gateway } = pair(simulation, {}, { cookies: { issuer, required: () => true } });
  start(simulation, client);
  simulation.run([gateway], simulation.now + 6);
  assert.is(gateway.sent.length, 1);
  assert.is(gateway.session.state, 'idle');
  assert.is(gateway.session.nextTimer(), undefined);
  assert.ok((gateway.sent[0]?.length ?? 0) <= (client.sent[0]?.length ?? 0));
});

function assigning(...addresses: string[]): Parameters<typeof connected>[2] {
  return { assign: () => ({ addresses, dns: [], domains: [], subnets: [] }) };
}

const FAILURES: [string, Parameters<typeof connected>[1], Parameters<typeof connected>[2], string][] = [
  ['wrong pre-shared key', { psk: Secret.fromText('another') }, {}, 'AUTHENTICATION_FAILED'],
  ['a client the gateway does not know', { identity: 'client2' }, {}, 'AUTHENTICATION_FAILED'],
  ['a gateway with another name', { peerIdentity: 'osaka.example.net' }, {}, 'GATEWAY_IDENTITY'],
  ['a name where an address is due', { peerIdentity: '192.0.2.9' }, {}, 'GATEWAY_IDENTITY'],
  ['no common IKE proposal', { ike: [P256] }, { ike: [X25519] }, 'NO_PROPOSAL_CHOSEN'],
  ['no common ESP suite', { esp: ['aes128gcm16'] }, { esp: ['chacha20poly1305'] }, 'NO_PROPOSAL_CHOSEN'],
  ['no address left', {}, { assign: () => undefined }, 'NO_ADDRESS_ASSIGNED'],
  ['no network', {}, { networks: [] }, 'TS_UNACCEPTABLE'],
];
for (const [what, initiator, responder, code] of FAILURES) {
  test(`${what} ends with ${code}, and a message`, () => {
    const simulation = new Simulation(10);
    const { client, gateway } = pair(simulation, initiator, responder);
    start(simulation, client);
    const closed = runUntilClosed(simulation, client, gateway);
    assert.is(closed?.code, code);
    assert.match(closed?.message ?? '', /^the gateway /);
    assert.not.match(closed?.message ?? '', 'a shared secret');
    assert.is(client.installed.size, 0);
    assert.is(client.session.state, 'closed');
    assert.is(client.session.nextTimer(), undefined);
    assert.equal(client.session.tick(simulation.now), []);
  });
}

test('of the addresses that are assigned those count that were asked for', () => {
  const { client } = connected(new Simulation(10), {}, assigning('2001:db8::7', '10.60.0.9'));
  assert.equal(client.of('established')[0]?.configuration.addresses, ['10.60.0.9']);
  const simulation = new Simulation(10);
  const { client: refusing, gateway } = pair(simulation, {}, assigning('127.0.0.1'));
  start(simulation, refusing);
  const closed = runUntilClosed(simulation, refusing, gateway);
  assert.is(closed?.code, 'NO_ADDRESS_ASSIGNED');
  assert.match(
    closed?.message ?? '',
    /the gateway assigned 127\.0\.0\.1, which is no address that was asked for/,
  );
});

/** Knows the key of clients when it checks them, and has none to prove itself with. */
class FickleSecret extends Secret {
  #revealed = 0;

  override reveal(): Uint8Array {
    return this.#revealed++ === 0 ? super.reveal() : new TextEncoder().encode('another');
  }
}

test('a gateway that lets us in but does not hold the key is refused, and told so', () => {
  const simulation = new Simulation(11);
  const psk = new FickleSecret(new TextEncoder().encode('a shared secret'));
  const { client, gateway } = pair(simulation, {}, { psk: () => psk });
  start(simulation, client);
  const closed = runUntilClosed(simulation, client, gateway);
  assert.is(closed?.code, 'AUTHENTICATION_FAILED');
  assert.match(closed?.message ?? '', 'does not hold the same pre-shared key');
  assert.is(client.of('established').length, 0);
  simulation.run([client, gateway], simulation.now + 1000);
  assert.is(gateway.closed?.code, 'AUTHENTICATION_FAILED');
});

test('silence: the same bytes again and again, then GATEWAY_TIMEOUT', () => {
  const simulation = new Simulation(12);
  const timing: InitiatorOptions['timing'] = { firstMs: 100, factor: 2, maxMs: 500, tries: 5 };
  const { client, gateway } = pair(simulation, { timing });
  client.peer = undefined;
  const begun = simulation.now;
  start(simulation, client);
  const closed = runUntilClosed(simulation, client, gateway);
  assert.is(closed?.code, 'GATEWAY_TIMEOUT');
  assert.is(client.sent.length, 5);
  assert.is(new Set(client.sent.map(toHex)).size, 1);
  assert.is(simulation.now - begun, 100 + 200 + 400 + 500 + 500);
});

test('IKE_SA_INIT may have a timing of its own', () => {
  const simulation = new Simulation(12);
  const { client, gateway } = pair(simulation, {
    timing: { firstMs: 100, factor: 2, maxMs: 500, tries: 5 },
    initTiming: { maxMs: 150, tries: 4 },
  });
  client.peer = undefined;
  const begun = simulation.now;
  start(simulation, client);
  assert.is(runUntilClosed(simulation, client, gateway)?.code, 'GATEWAY_TIMEOUT');
  assert.is(client.sent.length, 4);
  assert.is(simulation.now - begun, 100 + 150 + 150 + 150);
});

test('silence in IKE_AUTH: the same bytes again and again, then GATEWAY_TIMEOUT', () => {
  const simulation = new Simulation(13);
  const { client, gateway } = pair(simulation);
  simulation.tap = (from, datagram) =>
    from === client && parseHeader(datagram).exchange === ExchangeType.IKE_AUTH ? [] : [datagram];
  start(simulation, client);
  const closed = runUntilClosed(simulation, client, gateway);
  assert.is(closed?.code, 'GATEWAY_TIMEOUT');
  const auths = client.sent.filter(one => parseHeader(one).exchange === ExchangeType.IKE_AUTH);
  assert.ok(auths.length >= 6);
  assert.is(new Set(auths.map(toHex)).size, 1);
});

for (const fragmentSize of [150, 200, 333, 1200]) {
  test(`fragments of ${fragmentSize} bytes, lost and doubled`, () => {
    for (let seed = 0; seed < 10; seed++) {
      const simulation = new Simulation(seed, { loss: 0.05, doubling: 0.3, minDelay: 1, maxDelay: 40 });
      const ike: IkeProposal[] = [seed % 2 === 0 ? X25519 : { ...X25519, encryption: 'aes128-sha256' }];
      const { client, gateway } = pair(simulation, { fragmentSize, ike }, { fragmentSize, ike });
      start(simulation, client);
      const both = () => client.session.state === 'established' && gateway.session.state === 'established';
      assert.ok(simulation.run([client, gateway], 40_000, both), `seed ${seed}`);
      assertSame(client, gateway);
      const largest = (end: End) =>
        Math.max(
          ...end.sent
            .filter(one => parseHeader(one).exchange !== ExchangeType.IKE_SA_INIT)
            .map(one => one.length),
        );
      assert.ok(largest(client) <= fragmentSize && largest(gateway) <= fragmentSize);
      const isFragmented = client.sent.some(one => parseHeader(one).firstPayload === PayloadType.SKF);
      assert.is(isFragmented, fragmentSize < 300);
    }
  });
}

test('a repeated request gets the response from before, once for all its fragments', () => {
  const simulation = new Simulation(14);
  const { client, gateway } = connected(simulation, { fragmentSize: 200 }, { fragmentSize: 200 });
  const requests = client.sent.filter(one => parseHeader(one).exchange === ExchangeType.IKE_AUTH);
  const responses = gateway.sent.filter(one => parseHeader(one).exchange === ExchangeType.IKE_AUTH);
  assert.ok(requests.length > 1 && responses.length > 1);
  const before = gateway.sent.length;
  for (const request of requests) simulation.inject(gateway, request);
  assert.equal(gateway.sent.slice(before).map(toHex), responses.map(toHex));
});

test('close before the end gives everything back and sends nothing', () => {
  const simulation = new Simulation(15);
  const { client, gateway } = pair(simulation);
  start(simulation, client);
  simulation.run([client, gateway], simulation.now + 7);
  const sent = client.sent.length;
  simulation.call(client, (session, now) => session.close(now));
  assert.is(client.sent.length, sent);
  assert.is(client.closed?.code, undefined);
  assert.is(client.session.state, 'closed');
});

test('the false hash of the source makes every gateway see a NAT', () => {
  const { client, gateway } = connected(new Simulation(16));
  const hash = (datagram: Uint8Array | undefined) =>
    datagram && findNotify(parseMessage(datagram).payloads, 16388)?.data;
  assert.is(hash(client.sent[0])?.length, 20);
  assert.is(hash(gateway.sent[0])?.length, 20);
});

test('an initiator that never authenticates is forgotten', () => {
  const simulation = new Simulation(17);
  const { client, gateway } = pair(simulation);
  simulation.tap = from => (from === gateway ? [] : client.sent.slice(-1));
  start(simulation, client);
  simulation.run([gateway], simulation.now + 60_000);
  assert.is(gateway.closed?.code, 'GATEWAY_TIMEOUT');
});

test.run();
