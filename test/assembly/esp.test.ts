import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  DUMMY,
  type EspSa,
  IPV4,
  IPV6,
  keyLength,
  openEsp,
  paddingOf,
  SUITES,
  type Suite,
  sealEsp,
} from '../reference/esp.js';
import { RFC7634 } from '../reference/rfc7634.js';
import { concat, hex, randomBytes } from '../support/bytes.js';
import { TestClient } from '../support/client.js';
import { generator } from '../support/random.js';

const SEED = 4303;
const OURS = '10.61.0.7';
const OURS_6 = 'fd00:61::7';

function association(suite: Suite, random: () => number): EspSa {
  return { suite, spi: 0xc0de_0001, key: randomBytes(random, keyLength(suite)) };
}

/** A client whose device has the virtual address of path 0, with `sa` in both directions. */
function clientWith(sa: EspSa): TestClient {
  const client = new TestClient();
  client.core.setDeviceAddresses(OURS, OURS_6);
  client.core.setVirtualAddresses(0, OURS, OURS_6);
  client.install('in', sa);
  client.install('out', sa);
  client.core.activate(0, 1);
  return client;
}

/** An IPv4 packet of `length` bytes between our address and another, its content random. */
function packet4(random: () => number, length: number, direction: 'out' | 'in'): Uint8Array {
  const packet = randomBytes(random, length);
  const ours = [10, 61, 0, 7];
  const theirs = [10, 20, 0, 9];
  packet.set([0x45, 0, length >> 8, length & 0xff, 0, 0, 0x40, 0, 64, 253, 0, 0]);
  packet.set(direction === 'out' ? [...ours, ...theirs] : [...theirs, ...ours], 12);
  return packet;
}

/** Every length for one suite, a sample that meets all block and padding boundaries for the others. */
function lengthsFor(suite: Suite): number[] {
  const all = Array.from({ length: 9001 - 20 + 1 }, (_, i) => i + 20);
  return suite === 'chacha20poly1305'
    ? all
    : all.filter(length => length < 150 || length % 97 === 0 || length > 8998);
}

test('opens the packet of RFC 7634 Appendix A', () => {
  const client = new TestClient();
  client.core.setDeviceAddresses('192.0.2.5');
  client.core.setVirtualAddresses(0, '192.0.2.5');
  client.install('in', RFC7634.sa);
  const { device } = client.receive(0, RFC7634.packet);
  assert.equal(device.map(hex), [hex(RFC7634.content.payload)]);
});

for (const suite of SUITES) {
  test(`${suite}: seals and opens packets of every length like the reference`, () => {
    const random = generator(SEED);
    const sa = association(suite, random);
    const client = clientWith(sa);
    let sequence = 0n;
    for (const length of lengthsFor(suite)) {
      sequence += 1n;
      const outgoing = packet4(random, length, 'out');
      const [datagram = new Uint8Array()] = client.transmit(outgoing);
      const incoming = { sequence, nextHeader: IPV4, payload: packet4(random, length, 'in') };
      const expected = sealEsp(sa, { sequence, nextHeader: IPV4, payload: outgoing });
      if (!Buffer.from(expected).equals(datagram)) assert.unreachable(`sealing ${length} bytes`);
      const { device } = client.receive(0, sealEsp(sa, incoming));
      if (!Buffer.from(incoming.payload).equals(device[0] ?? new Uint8Array()))
        assert.unreachable(`opening ${length} bytes`);
    }
    assert.is(client.accounted('tx'), Number(sequence));
    assert.is(client.core.counters()['rx-packets'], Number(sequence));
  });

  test(`${suite}: a change of any byte is a counted drop that reveals and moves nothing`, () => {
    const random = generator(SEED);
    const sa = association(suite, random);
    const client = clientWith(sa);
    const payload = packet4(random, 60, 'in');
    const good = sealEsp(sa, { sequence: 3000n, nextHeader: IPV4, payload });
    client.receive(0, sealEsp(sa, { sequence: 2500n, nextHeader: IPV4, payload: packet4(random, 40, 'in') }));
    const record = client.inboundRecord(sa);
    const drops: Record<string, number> = {};
    for (let at = 0; at < good.length; at++) {
      for (const mask of [0x01, 0x80, 0xff]) {
        const forged = good.slice();
        forged[at] = (forged[at] ?? 0) ^ mask;
        const changes = client.changes(() => assert.equal(client.receive(0, forged).device, []));
        const [name = 'none'] = Object.keys(changes);
        assert.equal(changes, { [name]: 1 });
        drops[name] = (drops[name] ?? 0) + 1;
        assert.equal(client.inboundRecord(sa), record, `state, byte ${at}`);
      }
      assert.is(client.findInCore(payload.subarray(24)), -1, `plaintext in memory, byte ${at}`);
    }
    // Byte 0 to 3 are the SPI; of the sequence numbers, those below the window fail before the tag does.
    assert.is(drops['rx-unknown-spi'], 12);
    assert.is((drops['rx-auth'] ?? 0) + (drops['rx-replay'] ?? 0), 3 * (good.length - 4));
    assert.ok((drops['rx-replay'] ?? 0) <= 12);
    assert.is(client.receive(0, good).device.length, 1, 'the packet itself still opens');
  });

  test(`${suite}: a packet that was cut or lengthened is dropped`, () => {
    const random = generator(SEED);
    const sa = association(suite, random);
    const client = clientWith(sa);
    const good = sealEsp(sa, { sequence: 9n, nextHeader: IPV4, payload: packet4(random, 100, 'in') });
    const shortest = suite.endsWith('sha256') ? 8 + 16 + 16 + 16 : 8 + 8 + 4 + 16;
    for (let length = 0; length < good.length; length++) {
      const changes = client.changes(() => client.receive(0, good.subarray(0, length)));
      assert.equal(changes, length < shortest ? { 'rx-short': 1 } : { 'rx-auth': 1 }, `${length} bytes`);
    }
    const longer = client.changes(() => client.receive(0, concat(good, Uint8Array.of(0))));
    assert.equal(longer, { 'rx-auth': 1 });
  });
}

for (const suite of SUITES.filter(name => name.endsWith('sha256'))) {
  test(`${suite}: with extended sequence numbers, no IV twice, no key left behind`, () => {
    const random = generator(SEED);
    const sa = { ...association(suite, random), esn: true };
    const client = clientWith(sa);
    const ivs = new Set<string>();
    for (let sequence = 1n; sequence < 100n; sequence++) {
      const outgoing = packet4(random, 100, 'out');
      const [datagram = new Uint8Array()] = client.transmit(outgoing);
      assert.equal(openEsp(sa, datagram), { sequence, payload: outgoing, nextHeader: IPV4 });
      ivs.add(hex(datagram.subarray(8, 24)));
      const payload = packet4(random, 100, 'in');
      const incoming = sealEsp(sa, { sequence: sequence + 0x7000n, payload, nextHeader: IPV4 });
      assert.equal(client.receive(0, incoming).device, [payload]);
    }
    assert.is(ivs.size, 99);
    for (let at = 0; at + 16 <= sa.key.length; at += 16) {
      assert.is(client.findInCore(sa.key.subarray(at, at + 16)), -1);
    }
  });
}

test('the next header says which family is inside', () => {
  const random = generator(SEED);
  const sa = association('chacha20poly1305', random);
  const client = clientWith(sa);
  const packet6 = concat(
    Uint8Array.of(0x60, 0, 0, 0, 0, 8, 59, 64),
    Uint8Array.from([0xfd, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]),
    Uint8Array.from([0xfd, 0, 0, 0x61, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]),
    randomBytes(random, 8),
  );
  const outgoing = concat(
    packet6.subarray(0, 8),
    packet6.subarray(24, 40),
    packet6.subarray(8, 24),
    packet6.subarray(40),
  );
  const [datagram = new Uint8Array()] = client.transmit(outgoing);
  const opened = openEsp(sa, datagram);
  assert.is(opened.nextHeader, IPV6);
  assert.equal(opened.payload, outgoing);

  const incoming = (sequence: bigint, nextHeader: number, payload: Uint8Array) =>
    client.receive(0, sealEsp(sa, { sequence, nextHeader, payload }));
  assert.equal(incoming(1n, IPV6, packet6).device, [packet6]);
  const mismatched = client.changes(() => {
    incoming(2n, IPV4, packet6);
    incoming(3n, IPV6, packet4(random, 40, 'in'));
    incoming(4n, IPV4, new Uint8Array(0));
  });
  assert.equal(mismatched, { 'rx-inner-malformed': 3 });
  const foreign = client.changes(() => incoming(5n, 17, packet4(random, 40, 'in')));
  assert.equal(foreign, { 'rx-trailer': 1 });
});

test('dummy packets vanish, counted (RFC 4303 section 2.6)', () => {
  const random = generator(SEED);
  const sa = association('aes256gcm16', random);
  const client = clientWith(sa);
  const changes = client.changes(() => {
    const datagrams = [0, 1, 77].map((length, i) =>
      sealEsp(sa, { sequence: BigInt(i + 1), nextHeader: DUMMY, payload: randomBytes(random, length) }),
    );
    assert.equal(client.receive(0, ...datagrams).device, []);
  });
  assert.equal(changes, { 'rx-dummy': 3 });
});

test('padding up to 255 bytes is taken, wrong padding is not', () => {
  const random = generator(SEED);
  const sa = association('chacha20poly1305', random);
  const client = clientWith(sa);
  const payload = packet4(random, 40, 'in');
  let sequence = 0n;
  const receive = (padding: Uint8Array, inner = payload) => {
    sequence += 1n;
    return client.receive(0, sealEsp(sa, { sequence, nextHeader: IPV4, payload: inner }, { padding }));
  };
  for (let length = 2; length <= 255; length += 4) assert.equal(receive(paddingOf(length)).device, [payload]);
  for (let at = 0; at < 254; at++) {
    const padding = paddingOf(254);
    padding[at] = (padding[at] ?? 0) ^ 0x10;
    assert.equal(
      client.changes(() => receive(padding)),
      { 'rx-trailer': 1 },
      `padding byte ${at}`,
    );
  }
  // A pad length that reaches in front of the payload.
  const tooLong = client.changes(() => receive(Uint8Array.of(255), randomBytes(random, 6)));
  assert.equal(tooLong, { 'rx-trailer': 1 });
  // The same, where the sender's IV continues the pattern.
  const iv = Uint8Array.of(9, 9, 9, 9, 9, 9, 9, 1);
  const content = { sequence: 5000n, nextHeader: IPV4, payload: Uint8Array.of(2, 3) };
  const before = sealEsp(sa, content, { iv, padding: Uint8Array.of(3) });
  assert.equal(
    client.changes(() => client.receive(0, before)),
    { 'rx-trailer': 1 },
  );
});

test('padding behind the inner packet that hides its length is cut off (RFC 4303 section 2.7)', () => {
  const random = generator(SEED);
  const sa = association('chacha20poly1305', random);
  const client = clientWith(sa);
  const inner = packet4(random, 60, 'in');
  const payload = concat(inner, randomBytes(random, 400));
  assert.equal(client.receive(0, sealEsp(sa, { sequence: 1n, nextHeader: IPV4, payload })).device, [inner]);
});

test('an inner packet that is cut off is dropped', () => {
  const random = generator(SEED);
  const sa = association('chacha20poly1305', random);
  const client = clientWith(sa);
  const inner = packet4(random, 60, 'in');
  for (let length = 1; length < 60; length++) {
    const datagram = sealEsp(sa, {
      sequence: BigInt(length),
      nextHeader: IPV4,
      payload: inner.subarray(0, length),
    });
    assert.equal(
      client.changes(() => client.receive(0, datagram)),
      { 'rx-inner-malformed': 1 },
      `${length} bytes`,
    );
  }
});

test.run();
