// Hostile input: whatever comes, parsers throw IkeSyntaxError or succeed. Repeatable: the seeds are fixed.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PayloadType } from '../../src/ike/constants.js';
import { emitInner } from '../../src/ike/crypto/protected.js';
import { emitMessage, parseMessage } from '../../src/ike/message.js';
import { parsePayloads, payloadTypeOf } from '../../src/ike/payloads/payload.js';
import { IkeSyntaxError } from '../../src/ike/syntax.js';
import { fixLength, Generator } from './generate.js';
import { attempt, report } from './support.js';

const CASES = 100_000;
// Most of the time would go into stack traces that nobody reads.
Error.stackTraceLimit = 0;

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
