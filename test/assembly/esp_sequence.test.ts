import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { REPLAY_WINDOW, SA_IN, SA_OUT, SA_RECORD_SIZE, SA_SEQUENCE } from '../../src/packet/abi.js';
import { type EspSa, IPV4, openEsp, sealEsp } from '../reference/esp.js';
import { randomBytes, randomInteger } from '../support/bytes.js';
import { TestClient } from '../support/client.js';
import { generator } from '../support/random.js';

const SEED = 6479;
const WINDOW = BigInt(REPLAY_WINDOW);
const CYCLE = 1n << 32n;
const OURS = '10.61.0.7';
const INNER = Uint8Array.from([69, 0, 0, 20, 0, 0, 0, 0, 64, 253, 0, 0, 10, 20, 0, 9, 10, 61, 0, 7]);
const OUTGOING = Uint8Array.from([69, 0, 0, 20, 0, 0, 0, 0, 64, 253, 0, 0, 10, 61, 0, 7, 10, 20, 0, 9]);

/** One association, both ways, and a gateway that sends on it under chosen sequence numbers. */
class Link {
  readonly sa: EspSa;
  readonly client = new TestClient();

  constructor(esn = false) {
    this.sa = { suite: 'chacha20poly1305', spi: 0xabcd_e005, key: randomBytes(generator(SEED), 36), esn };
    this.client.core.setDeviceAddresses(OURS);
    this.client.core.setVirtualAddresses(0, OURS);
    this.client.install('in', this.sa);
    this.client.install('out', this.sa);
    this.client.core.activate(0, 1);
  }

  datagram(sequence: bigint): Uint8Array {
    return sealEsp(this.sa, { sequence, nextHeader: IPV4, payload: INNER });
  }

  /** Whether the client accepts a packet of this number. */
  accepts(sequence: bigint): boolean {
    return this.client.receive(0, this.datagram(sequence)).device.length === 1;
  }

  get highest(): bigint {
    return this.client.core.saSequence('in', this.sa.spi & 1023);
  }

  /** Starts as if this number had been the last one sent or the highest one accepted. */
  setSequence(direction: 'in' | 'out', sequence: bigint): void {
    const table = direction === 'in' ? SA_IN : SA_OUT;
    const record = table + (this.sa.spi & 1023) * SA_RECORD_SIZE;
    this.client.core.view.setBigUint64(record + SA_SEQUENCE, sequence, true);
  }
}

test('sequence numbers count up from one; the IV is the whole number', () => {
  const link = new Link();
  for (let sequence = 1n; sequence < 70n; sequence++) {
    const [datagram = new Uint8Array()] = link.client.transmit(OUTGOING);
    assert.is(openEsp(link.sa, datagram).sequence, sequence);
    assert.is(Buffer.from(datagram).readBigUInt64BE(8), sequence);
  }
});

test('each number is accepted once, zero never', () => {
  const link = new Link();
  assert.not(link.accepts(0n));
  for (const sequence of [1n, 2n, 5n, 4n, 3n]) {
    assert.ok(link.accepts(sequence));
    assert.not(link.accepts(sequence));
  }
  assert.is(link.client.core.counters()['rx-replay'], 6);
});

test('a copy within one batch is dropped', () => {
  const link = new Link();
  const datagram = link.datagram(7n);
  const changes = link.client.changes(() => link.client.receive(0, datagram, datagram, datagram));
  assert.equal(changes, { 'rx-packets': 1, 'rx-replay': 2 });
});

test('the window reaches exactly its size below the highest number', () => {
  const link = new Link();
  const top = 10_000n;
  assert.ok(link.accepts(top));
  assert.not(link.accepts(top - WINDOW));
  assert.ok(link.accepts(top - WINDOW + 1n));
  assert.not(link.accepts(top - WINDOW + 1n));
  assert.ok(link.accepts(top - 1n));
  assert.ok(link.accepts(top + 1n));
  assert.not(link.accepts(top - WINDOW + 1n));
  assert.ok(link.accepts(top - WINDOW + 2n));
});

for (const esn of [false, true]) {
  const name = esn ? 'extended sequence numbers' : '32-bit sequence numbers';

  test(`${name}: reordered, repeated and lost packets are accepted as a set says`, () => {
    const random = generator(SEED);
    const link = new Link(esn);
    let highest = esn ? 5n * CYCLE - 20_000n : 0n;
    if (esn) link.setSequence('in', highest);
    const seen = new Set<bigint>();
    for (let i = 0; i < 30_000; i++) {
      const ahead = random() < 0.001 ? 3 * REPLAY_WINDOW : 3;
      const sequence =
        highest + BigInt(randomInteger(random, random() < 0.2 ? -REPLAY_WINDOW - 20 : -40, ahead));
      if (sequence < 1n) continue;
      const expected = sequence > highest - WINDOW && !seen.has(sequence);
      // What was below the start was never seen, but is not in the window's memory as unseen either: skip it.
      if (esn && sequence <= 5n * CYCLE - 20_000n) continue;
      if (link.accepts(sequence) !== expected)
        assert.unreachable(`seed ${SEED}, packet ${i}, number ${sequence}`);
      seen.add(sequence);
      if (sequence > highest) highest = sequence;
    }
    assert.is(link.highest, highest);
    if (esn) assert.ok(highest > 5n * CYCLE, 'the low half has wrapped');
  });
}

test('a forged high number neither moves the window nor shuts out the true ones', () => {
  const link = new Link();
  assert.ok(link.accepts(1n));
  const stranger = { ...link.sa, key: randomBytes(generator(1), 36) };
  for (const sequence of [2n, 5000n, 0xffff_ffffn]) {
    const forged = sealEsp(stranger, { sequence, nextHeader: IPV4, payload: INNER });
    assert.equal(
      link.client.changes(() => link.client.receive(0, forged)),
      { 'rx-auth': 1 },
    );
  }
  assert.is(link.highest, 1n);
  assert.ok(link.accepts(2n));
});

test('without extended numbers the last is 2^32 - 1, then nothing is sent', () => {
  const link = new Link();
  link.setSequence('out', CYCLE - 3n);
  const sent = link.client.transmit(OUTGOING, OUTGOING, OUTGOING, OUTGOING);
  assert.equal(
    sent.map(datagram => openEsp(link.sa, datagram).sequence),
    [CYCLE - 2n, CYCLE - 1n],
  );
  assert.equal(
    link.client.changes(() => link.client.transmit(OUTGOING)),
    { 'tx-sequence-exhausted': 1 },
  );
  assert.is(link.client.core.saSequence('out', link.sa.spi & 1023), CYCLE - 1n);
});

test('with extended numbers sending goes on in the next cycle', () => {
  const link = new Link(true);
  link.setSequence('out', CYCLE - 2n);
  const [last = new Uint8Array(), first = new Uint8Array()] = link.client.transmit(OUTGOING, OUTGOING);
  assert.is(openEsp(link.sa, last).sequence, CYCLE - 1n);
  assert.is(openEsp(link.sa, first, 1n).sequence, CYCLE);
  assert.is(Buffer.from(first).readBigUInt64BE(8), CYCLE);

  link.setSequence('out', CYCLE * CYCLE - 2n);
  assert.is(link.client.transmit(OUTGOING, OUTGOING).length, 1);
  assert.is(link.client.core.counters()['tx-sequence-exhausted'], 1);
});

test('with extended numbers the high half is inferred (RFC 4303 appendix A2)', () => {
  // The highest number accepted, a number sent, and whether it is within reach: up to 2^32 ahead of the window's
  // lower end, or inside the window.
  const cases: [bigint, bigint, boolean][] = [
    [0n, 1n, true],
    [0n, CYCLE - WINDOW, true],
    [0n, CYCLE - 1n, false],
    [WINDOW - 1n, WINDOW, true],
    [WINDOW - 1n, 3n, true],
    [CYCLE + WINDOW - 1n, CYCLE + 3n, true],
    [WINDOW, CYCLE, true],
    [WINDOW, 2n, true],
    [WINDOW, CYCLE + 1n, false],
    [CYCLE - 1n, CYCLE, true],
    [CYCLE - 1n, CYCLE - WINDOW, true],
    [CYCLE - 1n, CYCLE - WINDOW - 1n, false],
    [CYCLE - 1n, 2n * CYCLE - WINDOW - 1n, true],
    [CYCLE, CYCLE - 1n, true],
    [CYCLE, CYCLE - WINDOW + 1n, true],
    [CYCLE, CYCLE - WINDOW, false],
    [CYCLE + 5n, CYCLE + 3n, true],
    [CYCLE + 5n, CYCLE - 3n, true],
    [3n * CYCLE + 9000n, 4n * CYCLE + 4n, true],
    [3n * CYCLE + 9000n, 3n * CYCLE + 4n, false],
    [CYCLE * CYCLE - 1n, CYCLE * CYCLE - 2n, true],
    // Not even a peer that is out of its senses moves the window from the first cycle to the last.
    [0n, CYCLE * CYCLE - 10n, false],
  ];
  for (const [highest, sequence, expected] of cases) {
    const link = new Link(true);
    link.setSequence('in', highest);
    assert.is(link.accepts(sequence), expected, `highest ${highest}, packet ${sequence}`);
    assert.is(link.highest, expected && sequence > highest ? sequence : highest);
  }
});

test('the association of an extended number is not opened without it, nor the reverse', () => {
  const plain = new Link();
  const extended = new Link(true);
  const content = { sequence: 4n, nextHeader: IPV4, payload: INNER };
  assert.equal(plain.client.receive(0, sealEsp(extended.sa, content)).device, []);
  assert.equal(extended.client.receive(0, sealEsp(plain.sa, content)).device, []);
});

test('at the end of all numbers nothing later is taken for a new cycle', () => {
  const link = new Link(true);
  link.setSequence('in', CYCLE * CYCLE - 1n);
  assert.not(link.accepts(5n));
  assert.is(link.client.core.counters()['rx-replay'], 1);
});

test.run();
