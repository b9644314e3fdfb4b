// Hostile input behind encryption: see fuzz.test.ts.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HEADER_SIZE, PayloadType } from '../../src/ike/constants.js';
import { emitInner, openMessage, sealInner, sealMessage } from '../../src/ike/crypto/protected.js';
import { OpeningKey, SealingKey } from '../../src/ike/crypto/sealing.js';
import { Reassembler, sealFragments } from '../../src/ike/fragment.js';
import { emitMessage } from '../../src/ike/message.js';
import { firstPayloadType } from '../../src/ike/payloads/payload.js';
import { IkeSyntaxError } from '../../src/ike/syntax.js';
import { Secret } from '../../src/secret.js';
import { fixLength, Generator } from './generate.js';
import { attempt, report } from './support.js';

const CASES = 100_000;
// Most of the time would go into stack traces that nobody reads.
Error.stackTraceLimit = 0;

const secret = () => new Secret(new Uint8Array(36).fill(0x42));
const opening = new OpeningKey('chacha20poly1305', secret());

test(`protected messages: ${CASES} damaged ones are refused unverified`, () => {
  const g = new Generator(3);
  const key = new SealingKey('chacha20poly1305', secret());
  let sample = sealMessage(g.message(), key);
  for (let count = 0; count < CASES; count++) {
    if (count % 10 === 0) sample = sealMessage(g.message(g.many(2, () => g.payload())), key);
    const damaged = g.damage(sample);
    const datagram = g.chance(0.8) ? fixSealedLength(damaged) : damaged;
    // Damage that happens to change nothing is made up for.
    if (Buffer.compare(datagram, sample) === 0) datagram[0] = (datagram[0] as number) ^ 1;
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

test.run();
