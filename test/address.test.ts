import { isIP } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  addressBytes,
  addressNumber,
  addressText,
  ipv4Number,
  numberAddress,
  tryAddressBytes,
} from '../src/address.js';
import { VpnrError } from '../src/errors.js';
import { hex, randomBytes, unhex } from './support/bytes.js';
import { generator } from './support/random.js';

const WRITTEN: [string, string][] = [
  ['0.0.0.0', '00000000'],
  ['198.51.100.10', 'c633640a'],
  ['255.255.255.255', 'ffffffff'],
  ['::', '00000000000000000000000000000000'],
  ['::1', '00000000000000000000000000000001'],
  ['2001:db8::', '20010db8000000000000000000000000'],
  ['2001:db8::1:0:0:1', '20010db8000000000001000000000001'],
  ['fe80::a0b:c0d', 'fe80000000000000000000000a0b0c0d'],
  // RFC 5952 section 4.2.2: one group of zeros is not shortened; 4.2.3: the first of equal runs is.
  ['2001:db8:0:1:1:1:1:1', '20010db8000000010001000100010001'],
  ['2001:db8::1:0:0:2', '20010db8000000000001000000000002'],
  ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
];

const READ: [string, string][] = [
  ['2001:0DB8:0:0:0:0:0:1', '20010db8000000000000000000000001'],
  ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201'],
  ['64:ff9b::192.0.2.33', '0064ff9b0000000000000000c0000221'],
  ['1:2:3:4:5:6:7::', '00010002000300040005000600070000'],
];

const WRONG =
  `. 1 1.2.3 1.2.3.4.5 256.1.1.1 01.2.3.4 1.2.3.4a 1.2.3.-4 1..2.3 0x1.2.3.4 1.2.3.4/24 : ::: 1:2:3:4:5:6:7
  1:2:3:4:5:6:7:8:9 1::2::3 12345:: g:: 1:2:3:4:5:6:7:8:: ::1.2.3 1.2.3.4:: ::1.2.3.4:5 ::1%eth0 [::1] ::1/128
  :1:2:3:4:5:6:7 1:2:3:4:5:6:7: example.net`.split(/\s+/);

test('addresses are read and written', () => {
  for (const [text, bytes] of WRITTEN) {
    assert.is(hex(addressBytes(text)), bytes);
    assert.is(addressText(unhex(bytes)), text);
  }
  for (const [text, bytes] of READ) assert.is(hex(addressBytes(text)), bytes, text);
});

test('whatever is written is read again', () => {
  const random = generator(5952);
  for (let i = 0; i < 5000; i++) {
    const bytes = randomBytes(random, random() < 0.5 ? 4 : 16);
    if (bytes.length === 16) {
      for (let group = 0; group < 8; group++) if (random() < 0.5) bytes.fill(0, group * 2, group * 2 + 2);
    }
    const text = addressText(bytes);
    assert.is(isIP(text), bytes.length === 4 ? 4 : 6, text);
    assert.equal(addressBytes(text), bytes, text);
  }
});

test('what is no address is refused', () => {
  for (const text of ['', ' 1.2.3.4', ...WRONG]) {
    assert.is(tryAddressBytes(text), undefined, text);
    assert.throws(
      () => addressBytes(text),
      (error: unknown) => error instanceof VpnrError && error.code === 'CONFIG_INVALID',
    );
  }
  for (const length of [0, 3, 5, 15, 17])
    assert.throws(() => addressText(new Uint8Array(length)), RangeError);
});

test('an IPv4 address as a number has its first byte highest', () => {
  assert.is(ipv4Number('198.51.100.10'), 0xc633640a);
  assert.throws(
    () => ipv4Number('::1'),
    (error: unknown) => error instanceof VpnrError,
  );
});

test('addresses as numbers', () => {
  for (const bytes of [
    '00000000',
    'ffffffff',
    '0a000001',
    '20010db8000000000000000000000001',
    'f'.repeat(32),
  ]) {
    const value = addressNumber(unhex(bytes));
    assert.is(value, BigInt(`0x${bytes}`));
    assert.is(hex(numberAddress(value, bytes.length === 8 ? 4 : 16)), bytes);
  }
});

test.run();
