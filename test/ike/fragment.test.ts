import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ExchangeType } from '../../src/ike/constants.js';
import { openMessage, sealInner } from '../../src/ike/crypto/protected.js';
import { OpeningKey, SealingKey } from '../../src/ike/crypto/sealing.js';
import {
  fragmentNumber,
  MAX_FRAGMENTS,
  MAX_REASSEMBLED,
  Reassembler,
  STRANGERS_REASSEMBLY_LIMITS,
  sealFragments,
} from '../../src/ike/fragment.js';
import type { Message } from '../../src/ike/message.js';
import { Secret } from '../../src/secret.js';
import { Generator } from './generate.js';
import { hex, syntaxError, toHex } from './support.js';

/** Header, SKF's header and fields, IV, one byte, Pad Length and checksum. */
const MIN_FRAGMENT_SIZE = 28 + 4 + 4 + 8 + 1 + 1 + 16;

const secret = () => new Secret(new Uint8Array(36).fill(0x42));
const sealing = () => new SealingKey('chacha20poly1305', secret());
const opening = new OpeningKey('chacha20poly1305', secret());

function message(size: number, messageId = 1): Message {
  return {
    initiatorSpi: 1n,
    responderSpi: 2n,
    exchange: ExchangeType.IKE_AUTH,
    initiator: true,
    response: false,
    messageId,
    payloads: [
      { type: 'IDi', idType: 2, data: hex('61') },
      { type: 'CERT', encoding: 4, data: new Generator(size).bytes(size) },
    ],
  };
}

/** What the reassembler gives for each datagram in turn. */
function accept(reassembler: Reassembler, datagrams: readonly Uint8Array[]): (Message | undefined)[] {
  return datagrams.map(datagram => reassembler.accept(datagram, opening));
}

test('a message that fits is one Encrypted payload', () => {
  const datagrams = sealFragments(message(100), sealing(), 1280);
  assert.is(datagrams.length, 1);
  assert.equal(openMessage(datagrams[0] as Uint8Array, opening), message(100));
});

test('the layout of a fragment is that of RFC 7383 section 2.5', () => {
  const [first, second] = sealFragments(message(300), sealing(), 300) as [Uint8Array, Uint8Array];
  // Header with next payload SKF; SKF with the type of the first inner payload; fragment and total; IV.
  assert.is(
    toHex(first.subarray(16, 44)),
    '3520230800000001' + '0000012c' + '23000110' + '00010002' + '0000000000000000',
  );
  assert.is(toHex(second.subarray(28, 30)), '0000');
  assert.is(toHex(second.subarray(32, 44)), '00020002' + '0000000000000001');
  assert.is(fragmentNumber(second), 2);
});

test('every datagram keeps to the limit, and the message comes back for every limit', () => {
  for (const limit of [MIN_FRAGMENT_SIZE + 9, 100, 128, 500, 576, 1200]) {
    const datagrams = sealFragments(message(1200), sealing(), limit);
    assert.ok(datagrams.every(datagram => datagram.length <= limit));
    const results = accept(new Reassembler(), datagrams);
    assert.equal(results.pop(), message(1200));
    assert.ok(results.every(result => result === undefined));
  }
});

test('a limit too small for anything, or for the allowed number of fragments, is refused', () => {
  assert.throws(() => sealFragments(message(200), sealing(), MIN_FRAGMENT_SIZE - 1), RangeError);
  assert.throws(() => sealFragments(message(MAX_FRAGMENTS * 2), sealing(), MIN_FRAGMENT_SIZE), RangeError);
});

test('fragments in any order, each several times', () => {
  const random = new Generator(3);
  for (let round = 0; round < 200; round++) {
    const datagrams = sealFragments(message(1 + random.below(2000)), sealing(), 150 + random.below(600));
    const shuffled = [...datagrams, ...datagrams].sort(() => random.below(3) - 1);
    const reassembler = new Reassembler();
    const messages: Message[] = [];
    const missing = new Set(datagrams);
    for (const datagram of shuffled) {
      if (messages.length > 0) break;
      const wasMissing = missing.delete(datagram);
      const result =
        datagrams.length > 1 ? reassembler.accept(datagram, opening) : openMessage(datagram, opening);
      assert.is(result !== undefined, wasMissing && missing.size === 0);
      if (result !== undefined) messages.push(result);
    }
    assert.is(messages.length, 1);
  }
});

test('a duplicate is ignored before it is decrypted', () => {
  const [first, second] = sealFragments(message(300), sealing(), 300) as [Uint8Array, Uint8Array];
  const reassembler = new Reassembler();
  assert.is(reassembler.accept(first, opening), undefined);
  const forged = first.slice();
  forged[60] = (forged[60] as number) ^ 1;
  assert.is(reassembler.accept(forged, opening), undefined);
  assert.equal(reassembler.accept(second, opening), message(300));
});

test('a forged fragment is refused and changes nothing', () => {
  const datagrams = sealFragments(message(1000), sealing(), 300);
  const reassembler = new Reassembler();
  for (const datagram of datagrams.slice(0, -1)) reassembler.accept(datagram, opening);
  const last = datagrams.at(-1) as Uint8Array;
  for (let bit = 0; bit < last.length * 8; bit++) {
    const forged = last.slice();
    forged[bit >> 3] = (forged[bit >> 3] as number) ^ (1 << (bit & 7));
    // Some are taken for duplicates or old fragments; none completes the message.
    try {
      assert.is(reassembler.accept(forged, opening), undefined);
    } catch (error) {
      assert.is(
        syntaxError(() => {
          throw error;
        }).authenticated,
        false,
      );
    }
  }
  assert.equal(reassembler.accept(last, opening), message(1000));
});

test('a finer fragmentation replaces a coarser one, and never the other way round', () => {
  const key = sealing();
  const coarse = sealFragments(message(1000), key, 600);
  const fine = sealFragments(message(1000), key, 300);
  const reassembler = new Reassembler();
  reassembler.accept(coarse[0] as Uint8Array, opening);
  reassembler.accept(fine[0] as Uint8Array, opening);
  assert.equal(
    accept(reassembler, coarse),
    coarse.map(() => undefined),
  );
  assert.equal(accept(reassembler, fine.slice(1)).at(-1), message(1000));
});

test('a later message replaces an unfinished one; fragments of earlier ones are ignored', () => {
  const key = sealing();
  const earlier = sealFragments(message(500, 5), key, 300);
  const later = sealFragments(message(500, 6), key, 300);
  const reassembler = new Reassembler();
  reassembler.accept(earlier[0] as Uint8Array, opening);
  reassembler.accept(later[0] as Uint8Array, opening);
  assert.equal(
    accept(reassembler, earlier),
    earlier.map(() => undefined),
  );
  assert.equal(accept(reassembler, later.slice(1)).at(-1), message(500, 6));
});

test('clearing forgets what was collected', () => {
  const datagrams = sealFragments(message(500), sealing(), 300);
  const reassembler = new Reassembler();
  reassembler.accept(datagrams[0] as Uint8Array, opening);
  reassembler.clear();
  assert.ok(accept(reassembler, datagrams.slice(1)).every(result => result === undefined));
  assert.equal(reassembler.accept(datagrams[0] as Uint8Array, opening), message(500));
});

/** A fragment with any numbers, rightly sealed: what a peer could send. */
function fragment(number: number, total: number, inner: Uint8Array, key: SealingKey): Uint8Array {
  const fields = Uint8Array.of(number >> 8, number & 0xff, total >> 8, total & 0xff);
  return sealInner(message(0), 53, number === 1 ? 43 : 0, fields, inner, key);
}

test('numbers out of range are refused before decryption', () => {
  for (const [number, total] of [
    [0, 0],
    [0, 2],
    [3, 2],
    [1, 0],
  ] as const) {
    const reassembler = new Reassembler();
    assert.is(
      syntaxError(() => reassembler.accept(fragment(number, total, hex('00'), sealing()), opening)).reason,
      'malformed',
    );
  }
  const tooMany = fragment(1, MAX_FRAGMENTS + 1, hex('00'), sealing());
  assert.is(syntaxError(() => new Reassembler().accept(tooMany, opening)).reason, 'limit');
});

test('memory is bounded: a message above the limit is given up', () => {
  const key = sealing();
  const reassembler = new Reassembler();
  const part = new Uint8Array(60_000);
  assert.is(reassembler.accept(fragment(1, 3, part, key), opening), undefined);
  const error = syntaxError(() => reassembler.accept(fragment(2, 3, part, key), opening));
  assert.is(error.reason, 'limit');
  assert.ok(error.authenticated);
  assert.is(reassembler.accept(fragment(3, 3, hex('00'), key), opening), undefined, 'the rest was forgotten');
  assert.ok(part.length * 2 > MAX_REASSEMBLED);
});

test('before authentication less is held, and certificates fit', () => {
  const key = sealing();
  const accepting = (reassembler: Reassembler, datagram: Uint8Array) =>
    reassembler.accept(datagram, opening, STRANGERS_REASSEMBLY_LIMITS);
  for (const limit of [576, 1280]) {
    const reassembler = new Reassembler();
    const results = sealFragments(message(3 * 2048), key, limit).map(one => accepting(reassembler, one));
    assert.equal(results.at(-1), message(3 * 2048));
  }
  const tooMany = fragment(1, 33, hex('00'), key);
  const { reason, authenticated } = syntaxError(() => accepting(new Reassembler(), tooMany));
  assert.equal([reason, authenticated], ['limit', false]);
  const reassembler = new Reassembler();
  const parts = Array.from({ length: 32 }, (_, index) => fragment(index + 1, 32, new Uint8Array(600), key));
  const error = syntaxError(() => parts.map(part => accepting(reassembler, part)));
  assert.equal([error.reason, error.authenticated], ['limit', true]);
});

test('what is reassembled but malformed is the fault of the peer', () => {
  const key = sealing();
  const reassembler = new Reassembler();
  reassembler.accept(fragment(1, 2, hex('000000'), key), opening);
  assert.ok(syntaxError(() => reassembler.accept(fragment(2, 2, hex('ff'), key), opening)).authenticated);
});

test('a message with an Encrypted payload is no fragment', () => {
  const [whole] = sealFragments(message(10), sealing(), 1280) as [Uint8Array];
  syntaxError(() => new Reassembler().accept(whole, opening));
  syntaxError(() => fragmentNumber(whole));
});

test.run();
