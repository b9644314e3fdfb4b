import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { TrafficSelector } from '../../../src/ike/api.js';
import type { TsPayload } from '../../../src/ike/payloads/ts.js';
import { hex, syntaxError } from '../support.js';
import { emitOne, parseOne, payloadSuite, withHeader } from './suite.js';

const IPV4: TrafficSelector = {
  family: 4,
  protocol: 6,
  firstPort: 80,
  lastPort: 443,
  first: '10.0.0.0',
  last: '10.255.255.255',
};
const IPV6: TrafficSelector = {
  family: 6,
  protocol: 0,
  firstPort: 0,
  lastPort: 65535,
  first: '2001:db8::',
  last: '2001:db8::ffff',
};
const IPV4_BYTES = '07 06 0010 0050 01bb 0a000000 0affffff';
const IPV6_BYTES = `08 00 0028 0000 ffff 20010db8000000000000000000000000 20010db800000000000000000000ffff`;

payloadSuite({
  name: 'TSi',
  type: 44,
  payload: { type: 'TSi', selectors: [IPV4, IPV6] },
  bytes: `00 00 0040 02 000000 ${IPV4_BYTES} ${IPV6_BYTES}`,
});

payloadSuite({
  name: 'TSr',
  type: 45,
  payload: { type: 'TSr', selectors: [IPV6] },
  bytes: `00 00 0030 01 000000 ${IPV6_BYTES}`,
});

test('TS: selectors of another type are left out', () => {
  const body = hex(`02000000 09 00 000c 0000000000000000 ${IPV4_BYTES}`);
  assert.equal((parseOne(44, withHeader(body)) as TsPayload).selectors, [IPV4]);
});

test('TS: 65535 to 0 is OPAQUE, any other ports in the wrong order are refused', () => {
  const opaque = { ...IPV4, firstPort: 65535, lastPort: 0 };
  assert.equal(parseOne(44, emitOne({ type: 'TSi', selectors: [opaque] })), {
    type: 'TSi',
    selectors: [opaque],
  });
  syntaxError(() => parseOne(44, withHeader(hex('01000000 07 06 0010 01bb 0050 0a000000 0affffff'))));
});

const REFUSED: [string, string][] = [
  ['addresses in the wrong order', '01000000 07 00 0010 0000 ffff 0a000001 0a000000'],
  ['IPv4 addresses of another length', '01000000 07 00 0011 0000 ffff 0a000000 0affffff 00'],
  ['IPv6 addresses of IPv4 length', '01000000 08 00 0010 0000 ffff 0a000000 0affffff'],
  ['a length below the header', '01000000 07 00 0003 0000 ffff 0a000000 0affffff'],
  ['fewer selectors than counted', `02000000 ${IPV4_BYTES}`],
  ['more selectors than counted', `01000000 ${IPV4_BYTES} ${IPV4_BYTES}`],
];

for (const [what, body] of REFUSED) {
  test(`TS: ${what} is refused`, () => {
    syntaxError(() => parseOne(44, withHeader(hex(body))));
  });
}

test('TS: more selectors than the count can say are not emitted', () => {
  assert.throws(() => emitOne({ type: 'TSi', selectors: new Array(256).fill(IPV4) }), /not within/);
});

test.run();
