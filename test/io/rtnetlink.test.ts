import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseNotifications } from '../../src/io/rtnetlink.js';

/** A message of a type: its fixed part and its attributes, each padded to four bytes. */
function message(type: number, body: number[], attributes: [type: number, value: number[]][] = []): number[] {
  const padded = attributes.flatMap(([kind, value]) => {
    const bytes = [4 + value.length, 0, kind, 0, ...value];
    return [...bytes, ...Array<number>((4 - (bytes.length % 4)) % 4).fill(0)];
  });
  const length = 16 + body.length + padded.length;
  return [length & 0xff, length >> 8, 0, 0, type, ...Array<number>(11).fill(0), ...body, ...padded];
}

const name = (text: string) => [...Buffer.from(`${text}\0`)];
const link = (flags: number, family = 0) => [
  family,
  0,
  1,
  0,
  7,
  0,
  0,
  0,
  flags & 0xff,
  flags >> 8,
  0,
  0,
  0,
  0,
  0,
  0,
];
const route = (table: number, protocol: number) => [2, 0, 0, 0, table, protocol, 0, 1, 0, 0, 0, 0];
const parse = (...messages: number[][]) => parseNotifications(Uint8Array.from(messages.flat()));

test('links: up means switched on, with a carrier', () => {
  const of = (flags: number) => parse(message(16, link(flags), [[3, name('eth0')]]));
  assert.equal(of(0x41), [{ type: 'link', index: 7, name: 'eth0', up: true }]);
  assert.equal(of(0x01), [{ type: 'link', index: 7, name: 'eth0', up: false }]);
  assert.equal(of(0x40), [{ type: 'link', index: 7, name: 'eth0', up: false }]);
  assert.equal(parse(message(17, link(0x41), [[3, name('eth0')]])), [
    { type: 'link-gone', index: 7, name: 'eth0' },
  ]);
  assert.equal(parse(message(16, link(0x41, 7), [[3, name('eth0')]])), [], 'a port of a bridge');
});

test('addresses of both families, the own one of a link with two ends', () => {
  const body = [2, 24, 0, 0, 7, 0, 0, 0];
  assert.equal(
    parse(
      message(20, body, [[1, [192, 0, 2, 1]]]),
      message(21, body, [
        [1, [10, 0, 0, 1]],
        [2, [10, 0, 0, 2]],
      ]),
    ),
    [
      { type: 'address', index: 7, address: '192.0.2.1', present: true },
      { type: 'address', index: 7, address: '10.0.0.2', present: false },
    ],
  );
  const six = [0x20, 1, 0xd, 0xb8, ...Array<number>(11).fill(0), 9];
  assert.equal(parse(message(20, [10, ...body.slice(1)], [[1, six]])), [
    { type: 'address', index: 7, address: '2001:db8::9', present: true },
  ]);
  assert.equal(parse(message(20, body, [[1, [1, 2, 3]]])), []);
});

test("routes, without the kernel's table of its own addresses", () => {
  assert.equal(parse(message(24, route(254, 118), [[4, [9, 0, 0, 0]]]), message(25, route(254, 3))), [
    { type: 'route', index: 9, protocol: 118, present: true },
    { type: 'route', index: undefined, protocol: 3, present: false },
  ]);
  assert.equal(parse(message(24, route(255, 2))), []);
});

test('messages that are cut short, or lie about their lengths, do no harm', () => {
  const whole = [
    ...message(16, link(0x41), [[3, name('eth0')]]),
    ...message(20, [2, 24, 0, 0, 7, 0, 0, 0], [[1, [192, 0, 2, 1]]]),
    ...message(24, route(254, 118), [[4, [9, 0, 0, 0]]]),
  ];
  for (let size = 0; size <= whole.length; size++) parse(whole.slice(0, size));
  for (let at = 0; at < whole.length; at++) {
    for (const value of [0, 1, 3, 4, 0x7f, 0xff]) {
      const changed = whole.slice();
      changed[at] = value;
      parse(changed);
    }
  }
  assert.equal(parse(message(99, [])), []);
});

test.run();
