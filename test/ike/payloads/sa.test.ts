import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Payload } from '../../../src/ike/payloads/payload.js';
import {
  MAX_PROPOSALS,
  MAX_TRANSFORMS,
  type SaPayload,
  type Transform,
} from '../../../src/ike/payloads/sa.js';
import { hex, syntaxError } from '../support.js';
import { emitOne, parseOne, payloadSuite, withHeader } from './suite.js';

const SA = 33;

payloadSuite({
  name: 'SA of IKE and ESP',
  type: SA,
  payload: {
    type: 'SA',
    proposals: [
      {
        number: 1,
        protocol: 1,
        spi: new Uint8Array(0),
        transforms: [
          { type: 1, id: 20, keyLength: 256 },
          { type: 2, id: 5 },
          { type: 4, id: 31 },
        ],
      },
      {
        number: 2,
        protocol: 3,
        spi: hex('c0ffee01'),
        transforms: [
          { type: 1, id: 28 },
          { type: 5, id: 0 },
        ],
      },
    ],
  },
  bytes: `00 00 0044
    02 00 0024 01 01 00 03
      03 00 000c 01 00 0014 800e 0100
      03 00 0008 02 00 0005
      00 00 0008 04 00 001f
    00 00 001c 02 03 04 02 c0ffee01
      03 00 0008 01 00 001c
      00 00 0008 05 00 0000`,
});

payloadSuite({
  name: 'SA with attributes that are not known',
  type: SA,
  payload: {
    type: 'SA',
    proposals: [
      {
        number: 1,
        protocol: 3,
        spi: hex('00000100'),
        transforms: [
          {
            type: 1,
            id: 12,
            keyLength: 128,
            unknownAttributes: [
              { type: 15, value: 7 },
              { type: 16, value: hex('aabbcc') },
            ],
          },
        ],
      },
    ],
  },
  bytes: `00 00 0027
    00 00 0023 01 03 04 01 00000100
      00 00 0017 01 00 000c 800e 0080 800f 0007 0010 0003 aabbcc`,
});

function transforms(count: number): Transform[] {
  return Array.from({ length: count }, (_, id) => ({ type: 1, id }));
}

function proposals(count: number): SaPayload {
  const one = (number: number) => ({
    number,
    protocol: 1,
    spi: new Uint8Array(0),
    transforms: transforms(1),
  });
  return { type: 'SA', proposals: Array.from({ length: count }, (_, index) => one(index + 1)) };
}

function roundTrip(payload: Payload): Payload {
  return parseOne(SA, emitOne(payload));
}

test('SA: bounded numbers of proposals and transforms', () => {
  assert.equal(roundTrip(proposals(MAX_PROPOSALS)), proposals(MAX_PROPOSALS));
  syntaxError(() => roundTrip(proposals(MAX_PROPOSALS + 1)));
  const many = (count: number): SaPayload => ({
    type: 'SA',
    proposals: [{ number: 1, protocol: 1, spi: new Uint8Array(0), transforms: transforms(count) }],
  });
  assert.equal(roundTrip(many(MAX_TRANSFORMS)), many(MAX_TRANSFORMS));
  syntaxError(() => roundTrip(many(MAX_TRANSFORMS + 1)));
});

const REFUSED: [string, string][] = [
  ['no proposal at all', ''],
  ['a "last substructure" that is neither', '0100 0010 01010001 0000 0008 01000014'],
  ['no last proposal', '0200 0010 01010001 0000 0008 01000014'],
  ['proposals after the last one', '0000 0010 01010001 0000 0008 01000014 0000 0008 02010000'],
  ['fewer transforms than counted', '0000 0010 01010002 0300 0008 01000014'],
  ['more transforms than counted', '0000 0018 01010001 0000 0008 01000014 0000 0008 02000005'],
  ['a last transform that is not the last', '0000 0018 01010002 0000 0008 01000014 0000 0008 02000005'],
  ['a proposal shorter than its header', '0000 0003 01010001 0000 0008 01000014'],
  ['a transform shorter than its header', '0000 0010 01010001 0000 0003 01000014'],
  ['an SPI longer than the proposal', '0000 0010 0101ff01 0000 0008 01000014'],
  ['an attribute that is cut off', '0000 0012 01010001 0000 000a 01000014 800e'],
  ['an attribute longer than the transform', '0000 0014 01010001 0000 000c 01000014 00100005'],
  ['two key lengths', '0000 0018 01010001 0000 0010 01000014 800e0080 800e0100'],
];

for (const [what, body] of REFUSED) {
  test(`SA: ${what} is refused`, () => {
    syntaxError(() => parseOne(SA, withHeader(hex(body))));
  });
}

test('SA: a key length in the long form is an unknown attribute, so that nobody chooses it', () => {
  const body = hex('0000 0016 01010001 0000 000e 01000014 000e0002 0100');
  const { proposals } = parseOne(SA, withHeader(body)) as SaPayload;
  const [transform] = proposals[0]?.transforms ?? [];
  assert.is(transform?.keyLength, undefined);
  assert.equal(transform?.unknownAttributes, [{ type: 14, value: hex('0100') }]);
});

test.run();
