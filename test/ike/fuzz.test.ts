// Hostile input: whatever comes, parsers throw IkeSyntaxError or succeed. Repeatable: the seeds are fixed.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HEADER_SIZE, PayloadType } from '../../src/ike/constants.js';
import { OpeningKey, SealingKey } from '../../src/ike/crypto/aead.js';
import { emitInner, openMessage, sealInner, sealMessage } from '../../src/ike/crypto/protected.js';
import { Reassembler, sealFragments } from '../../src/ike/fragment.js';
import { emitMessage, parseMessage } from '../../src/ike/message.js';
import { firstPayloadType, parsePayloads, payloadTypeOf } from '../../src/ike/payloads/payload.js';
import { IkeSyntaxError } from '../../src/ike/syntax.js';
import { Secret } from '../../src/secret.js';
import { fixLength, Generator } from './generate.js';

const CASES = 100_000;
// Most of the time would go into stack traces that nobody reads.
Error.stackTraceLimit = 0;
const secret = () => new Secret(new Uint8Array(36).fill(0x42));
const opening = new OpeningKey('chacha20poly1305', secret());

/** Runs `parse`: its result, or the error if that is of the one kind that is allowed. */
function attempt<T>(parse: () => T): T | IkeSyntaxError {
  try {
    return parse();
  } catch (error) {
    if (error instanceof IkeSyntaxError) return error;
    throw error;
  }
}

/** Both outcomes must occur often enough for the test to mean anything. */
function report(what: string, accepted: number, refused: number): void {
  console.log(`${what}: ${accepted} accepted, ${refused} refused`);
  assert.ok(accepted > (accepted + refused) / 1000 && refused > (accepted + refused) / 1000, what);
}

test(`messages: ${CASES} generated ones come back as they were, and are emitted the same`, () => {
  const g = new Generator(1);
  for (let count = 0; count < CASES; count++) {
    const message = g.message();
    const datagram = emitMessage(message);
    const parsed = parseMessage(datagram);
    // Deep comparison of all would take minutes; equal bytes say the same.
    if (count % 50 === 0) assert.equal(parsed, message);
    assert.is(Buffer.compare(emitMessage(parsed), datagram), 0);
  }
});

test(`messages: ${CASES} random or damaged ones`, () => {
  const g = new Generator(2);
  let [accepted, refused] = [0, 0];
  let sample = emitMessage(g.message());
  for (let count = 0; count < CASES; count++) {
    if (count % 4 === 0) sample = emitMessage(g.message());
    const datagram = g.chance(0.1) ? g.bytes(g.below(200)) : g.damage(sample);
    const result = attempt(() => parseMessage(g.chance(0.9) ? fixLength(datagram) : datagram));
    if (result instanceof IkeSyntaxError) {
      assert.not(result.authenticated);
      refused += 1;
    } else {
      // What was accepted can be emitted, and then is a fixed point.
      const emitted = emitMessage(result);
      assert.is(Buffer.compare(emitMessage(parseMessage(emitted)), emitted), 0);
      accepted += 1;
    }
  }
  report('messages', accepted, refused);
});

const TYPES = Object.entries(PayloadType).filter(([, type]) => type !== PayloadType.NONE);

for (const [name, type] of TYPES) {
  test(`${name} payload: ${CASES} random or damaged bodies`, () => {
    const g = new Generator(100 + type);
    const samples = sampleBodies(g, type);
    for (let count = 0; count < CASES; count++) {
      const body = samples.length === 0 || g.chance(0.2) ? g.bytes(g.below(64)) : g.damage(g.pick(samples));
      const chain = new Uint8Array(4 + body.length);
      chain[2] = chain.length >> 8;
      chain[3] = chain.length & 0xff;
      chain.set(body, 4);
      const result = attempt(() => parsePayloads(chain, type));
      if (!(result instanceof IkeSyntaxError))
        assert.is(emitInner(result).length, expectedSize(result, chain));
    }
  });
}

/** Well-formed bodies of a type, to be damaged; none for the encrypted payloads, which have no inner form here. */
function sampleBodies(g: Generator, type: number): Uint8Array[] {
  const bodies: Uint8Array[] = [];
  for (let tries = 0; tries < 2000 && bodies.length < 50; tries++) {
    const payload = g.payload();
    if (payloadTypeOf(payload) === type) bodies.push(emitInner([payload]).subarray(4));
  }
  return bodies;
}

/** Selectors of unknown types are left out, so a TS payload may be emitted shorter. */
function expectedSize(payloads: ReturnType<typeof parsePayloads>, chain: Uint8Array): number {
  const [payload] = payloads;
  if (payload?.type !== 'TSi' && payload?.type !== 'TSr') return chain.length;
  return payload.selectors.reduce((size, { family }) => size + (family === 4 ? 16 : 40), 8);
}

test(`protected messages: ${CASES} damaged ones are refused unverified`, () => {
  const g = new Generator(3);
  const key = new SealingKey('chacha20poly1305', secret());
  let sample = sealMessage(g.message(), key);
  for (let count = 0; count < CASES; count++) {
    if (count % 10 === 0) sample = sealMessage(g.message(g.many(2, () => g.payload())), key);
    const damaged = g.damage(sample);
    const datagram = g.chance(0.8) ? fixSealedLength(damaged) : damaged;
    if (Buffer.compare(datagram, sample) === 0) continue;
    const result = attempt(() => openMessage(datagram, opening));
    assert.ok(result instanceof IkeSyntaxError && !result.authenticated, `case ${count}`);
  }
});

/** Header and Encrypted payload both say the length of the datagram. */
function fixSealedLength(datagram: Uint8Array): Uint8Array {
  fixLength(datagram);
  if (datagram.length >= 32) new DataView(datagram.buffer).setUint16(30, datagram.length - HEADER_SIZE);
  return datagram;
}

test(`protected messages: ${CASES} with a damaged inside, rightly sealed`, () => {
  const g = new Generator(4);
  const key = new SealingKey('chacha20poly1305', secret());
  let [accepted, refused] = [0, 0];
  let message = g.message();
  for (let count = 0; count < CASES; count++) {
    if (count % 10 === 0) message = g.message(g.many(2, () => g.payload(), 1));
    const inner = g.damage(emitInner(message.payloads));
    const datagram = sealInner(
      message,
      PayloadType.SK,
      firstPayloadType(message.payloads),
      new Uint8Array(0),
      inner,
      key,
    );
    const result = attempt(() => openMessage(datagram, opening));
    if (result instanceof IkeSyntaxError) {
      assert.ok(result.authenticated);
      refused += 1;
    } else accepted += 1;
  }
  report('sealed messages', accepted, refused);
});

test(`reassembly: ${CASES} fragments of several messages and splits, some damaged, in disorder`, () => {
  const g = new Generator(5);
  const key = new SealingKey('chacha20poly1305', secret());
  const reassembler = new Reassembler();
  let [completed, refused] = [0, 0];
  let messages = [0, 1].map(id => ({
    ...g.message([{ type: 'V' as const, data: g.bytes(400) }]),
    messageId: id,
  }));
  let fragments: { datagram: Uint8Array; from: number }[] = [];
  for (let count = 0; count < CASES; count++) {
    if (count % 60 === 0) {
      reassembler.clear();
      messages = messages.map(message => ({
        ...message,
        payloads: [{ type: 'V', data: g.bytes(200 + g.below(300)) }],
      }));
      fragments = messages.flatMap((message, from) =>
        [120, 250].flatMap(size => sealFragments(message, key, size).map(datagram => ({ datagram, from }))),
      );
    }
    const { datagram, from } = g.pick(fragments);
    const isDamaged = g.chance(0.4);
    const input = isDamaged ? fixSealedLength(g.damage(datagram)) : datagram;
    const result = attempt(() => reassembler.accept(input, opening));
    if (result instanceof IkeSyntaxError) {
      assert.ok(isDamaged && !result.authenticated);
      refused += 1;
    } else if (result !== undefined) {
      assert.is(Buffer.compare(emitMessage(result), emitMessage(messages[from] as (typeof messages)[0])), 0);
      completed += 1;
    }
  }
  report('reassembly', completed, refused);
});

test('the largest datagrams made of the smallest parts stay within the bounds', () => {
  const size = 65_000;
  const chain = (type: number, body: Uint8Array) => {
    const bytes = new Uint8Array(4 + body.length);
    bytes[2] = bytes.length >> 8;
    bytes[3] = bytes.length & 0xff;
    bytes.set(body, 4);
    return attempt(() => parsePayloads(bytes, type));
  };
  const filled = (head: string, unit: string) => {
    const start = Buffer.from(head, 'hex');
    return new Uint8Array(
      Buffer.concat([start, Buffer.alloc(size - start.length, Buffer.from(unit, 'hex'))]),
    );
  };
  // Payloads without content; proposals; configuration attributes; selectors of length zero.
  assert.ok(attempt(() => parsePayloads(filled('', '2b000004'), PayloadType.V)) instanceof IkeSyntaxError);
  assert.ok(chain(PayloadType.SA, filled('', '0200000801010000')) instanceof IkeSyntaxError);
  assert.ok(chain(PayloadType.CP, filled('01000000', '00010000')) instanceof IkeSyntaxError);
  assert.ok(chain(PayloadType.TSi, filled('ff000000', '07000000')) instanceof IkeSyntaxError);
});

test.run();
