import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  addressBytes,
  addressNumber,
  formatAddress,
  numberAddress,
  parseAddress,
} from '../../src/ike/address.js';
import { hex, toHex } from './support.js';

const IPV6: [string, string, string][] = [
  // Text, bytes, the text of RFC 5952.
  ['::', '0'.repeat(32), '::'],
  ['::1', `${'0'.repeat(31)}1`, '::1'],
  ['1::', `0001${'0'.repeat(28)}`, '1::'],
  ['2001:DB8::1', '20010db8000000000000000000000001', '2001:db8::1'],
  ['2001:db8:0:0:1:0:0:1', '20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
  ['2001:db8:0:1:1:1:1:1', '20010db8000000010001000100010001', '2001:db8:0:1:1:1:1:1'],
  ['2001:0:0:1:0:0:0:1', '20010000000000010000000000000001', '2001:0:0:1::1'],
  ['1:2:3:4:5:6:7::', '00010002000300040005000600070000', '1:2:3:4:5:6:7:0'],
  ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201', '::ffff:c000:201'],
  ['64:ff9b::192.0.2.33', '0064ff9b0000000000000000c0000221', '64:ff9b::c000:221'],
];

for (const [text, bytes, canonical] of IPV6) {
  test(`IPv6 ${text}`, () => {
    assert.is(toHex(addressBytes(text)), bytes);
    assert.is(formatAddress(hex(bytes)), canonical);
    assert.is(toHex(addressBytes(canonical)), bytes);
  });
}

test('IPv4', () => {
  assert.equal(parseAddress('192.0.2.255'), hex('c00002ff'));
  assert.is(formatAddress(hex('00ff0a01')), '0.255.10.1');
});

test('what is no address', () => {
  const texts = `. 1.2.3 1.2.3.4.5 1.2.3.256 01.2.3.4 1.2.3.4a 1.2.3.-4 1..2.3 0x1.2.3.4 : ::: 1:2:3:4:5:6:7 1:2:3:4:5:6:7:8:9
    1::2::3 12345:: g:: 1:2:3:4:5:6:7:8:: ::1.2.3 1.2.3.4:: ::1.2.3.4:5 fe80::1%eth0 [::1] ::1/128 :1:2:3:4:5:6:7
    1:2:3:4:5:6:7: example.net`;
  for (const text of ['', ' 1.2.3.4', ...texts.split(/\s+/)]) {
    assert.is(parseAddress(text), undefined, `"${text}"`);
    assert.throws(() => addressBytes(text), /is not an IP address/);
  }
});

test('addresses as numbers', () => {
  for (const bytes of [
    '00000000',
    'ffffffff',
    '0a000001',
    '20010db8000000000000000000000001',
    'f'.repeat(32),
  ]) {
    const value = addressNumber(hex(bytes));
    assert.is(value, BigInt(`0x${bytes}`));
    assert.is(toHex(numberAddress(value, bytes.length === 8 ? 4 : 16)), bytes);
  }
});

test.run();
