import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { concat, Reader, u64Bytes, Writer } from '../../src/ike/bytes.js';
import { hex, syntaxError, toHex } from './support.js';

test('what is written is read', () => {
  const bytes = new Writer(1)
    .u8(0xff)
    .u16(0x0102)
    .u24(0x030405)
    .u32(0xf6f7f8f9)
    .u64(0xfffefdfcfbfaf9f8n)
    .bytes(hex('aabb'))
    .finish();
  assert.is(toHex(bytes), 'ff' + '0102' + '030405' + 'f6f7f8f9' + 'fffefdfcfbfaf9f8' + 'aabb');
  const reader = new Reader(bytes, 'test');
  assert.is(reader.u8(), 0xff);
  assert.is(reader.u16(), 0x0102);
  assert.is(reader.u24(), 0x030405);
  assert.is(reader.u32(), 0xf6f7f8f9);
  assert.is(reader.u64(), 0xfffefdfcfbfaf9f8n);
  assert.is(reader.remaining, 2);
  assert.equal(reader.rest(), hex('aabb'));
  reader.end();
});

test('reading past the end, or leaving something, is a syntax error that names what was read', () => {
  const read = (use: (reader: Reader) => void) =>
    syntaxError(() => use(new Reader(hex('0102030405'), 'thing')));
  assert.match(read(reader => reader.u64()).message, /^thing: needs 8 bytes at 0, has 5$/);
  for (const size of [6, -1, 0xffffffff]) read(reader => reader.bytes(size));
  read(reader => reader.skip(6));
  read(reader => reader.part(6, 'part'));
  read(reader => reader.part(2, 'part').u24());
  read(reader => reader.end());
});

test('a number that does not fit its field is not written', () => {
  const writer = new Writer();
  assert.throws(() => writer.u8(256), RangeError);
  assert.throws(() => writer.u8(-1), RangeError);
  assert.throws(() => writer.u16(65536), RangeError);
  assert.throws(() => writer.u24(0x1000000), RangeError);
  writer.u16(0);
  assert.throws(() => writer.setU16(0, 65536), RangeError);
});

test('a length is filled in afterwards', () => {
  const writer = new Writer().u16(0).u8(7);
  writer.setU16(0, 0x1234);
  assert.is(toHex(writer.finish()), '123407');
});

test('concatenation and 64-bit numbers', () => {
  assert.is(toHex(concat(hex('01'), hex(''), hex('0203'))), '010203');
  assert.is(toHex(u64Bytes(0x0102030405060708n)), '0102030405060708');
});

test.run();
