import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  contains,
  formatAddress,
  formatPrefix,
  halves,
  parseAddress,
  parsePrefix,
  samePrefix,
} from '../src/prefix.js';

test('IPv4 addresses are read and written', () => {
  assert.is(parseAddress('192.0.2.1').value, 0xc0000201n);
  for (const text of ['0.0.0.0', '10.1.2.3', '255.255.255.255']) {
    assert.is(formatAddress(parseAddress(text)), text);
  }
});

test('IPv6 addresses are read in all forms and written as in RFC 5952', () => {
  const cases: [string, string][] = [
    ['2001:db8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:0DB8::0001', '2001:db8::1'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ];
  for (const [given, written] of cases) assert.is(formatAddress(parseAddress(given)), written);
});

test('what is not an address or a prefix is refused', () => {
  const bad = [
    '',
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    'fe80::1%eth0',
    'host',
    '1.2.3.4/33',
    '::/129',
    '1.2.3.4/',
    '1.2.3.4/ 8',
    '::/0x1',
    '1.2.3.4/8/8',
  ];
  for (const text of bad) {
    assert.throws(
      () => parsePrefix(text),
      (error: { code?: string }) => error.code === 'CONFIG_INVALID',
      text,
    );
  }
});

test('a prefix has no bits behind its length', () => {
  assert.is(formatPrefix(parsePrefix('10.1.2.3/8')), '10.0.0.0/8');
  assert.is(formatPrefix(parsePrefix('10.1.2.3')), '10.1.2.3/32');
  assert.is(formatPrefix(parsePrefix('2001:db8::ffff/64')), '2001:db8::/64');
  assert.is(formatPrefix(parsePrefix('1.2.3.4/0')), '0.0.0.0/0');
  assert.ok(samePrefix(parsePrefix('10.1.0.0/8'), parsePrefix('10.2.0.0/8')));
});

test('prefixes contain what shares their bits', () => {
  const outer = parsePrefix('10.30.0.0/16');
  assert.ok(contains(outer, parseAddress('10.30.255.255')));
  assert.not.ok(contains(outer, parseAddress('10.31.0.0')));
  assert.ok(contains(outer, parsePrefix('10.30.7.0/24')));
  assert.not.ok(contains(outer, parsePrefix('10.0.0.0/8')));
  assert.not.ok(contains(parsePrefix('0.0.0.0/0'), parseAddress('::1')));
});

test('halves cover the whole', () => {
  assert.equal(halves(parsePrefix('0.0.0.0/0')).map(formatPrefix), ['0.0.0.0/1', '128.0.0.0/1']);
  assert.equal(halves(parsePrefix('::/0')).map(formatPrefix), ['::/1', '8000::/1']);
});

test.run();
