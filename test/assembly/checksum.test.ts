import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { TX_SLOTS } from '../../src/packet/abi.js';
import { PacketCore } from '../../src/packet/core.js';
import { internetChecksum, internetSum } from '../reference/checksum.js';
import { concat, randomBytes, unhex } from '../support/bytes.js';
import { generator } from '../support/random.js';

const core = new PacketCore();
const { checksum, fold, sumBytes, sumPseudoHeader4, sumPseudoHeader6, updateChecksum } = core.exports;
const LONGEST = 9001;
/** Between the core's memory order and the network order of the references. */
const swap = (value: number): number => ((value & 0xff) << 8) | (value >> 8);

function sumOf(bytes: Uint8Array, alignment = 0): number {
  core.bytes.set(bytes, TX_SLOTS + alignment);
  return swap(fold(sumBytes(TX_SLOTS + alignment, bytes.length, 0n)));
}

test('RFC 1071 section 3: the sum of 0001 f203 f4f5 f6f7 is ddf2', () => {
  assert.is(sumOf(unhex('0001 f203 f4f5 f6f7')), 0xddf2);
  assert.is(internetSum(unhex('0001 f203 f4f5 f6f7')), 0xddf2);
});

test('RFC 1624 section 4: checksum dd2f becomes 0000 when 5555 becomes 3285', () => {
  const delta = fold(BigInt(swap(0x5555) ^ 0xffff) + BigInt(swap(0x3285)));
  assert.is(swap(updateChecksum(swap(0xdd2f), delta)), 0x0000);
});

test('every length from 0 to 9001 at every alignment equals the reference', () => {
  const bytes = randomBytes(generator(1071), LONGEST);
  // Expected sums grow with the length, so that this takes linear time.
  let sum = 0;
  for (let alignment = 0; alignment < 16; alignment++)
    core.bytes.set(bytes, TX_SLOTS + alignment * 16_384 + alignment);
  for (let length = 0; length <= LONGEST; length++) {
    const odd = length % 2 === 1;
    const last = bytes[length - 1] ?? 0;
    const expected = odd ? internetFold(sum + (last << 8)) : sum;
    for (let alignment = 0; alignment < 16; alignment++) {
      const got = swap(fold(sumBytes(TX_SLOTS + alignment * 16_384 + alignment, length, 0n)));
      if (got !== expected) assert.is(got, expected, `length ${length}, alignment ${alignment}`);
    }
    if (length % 1000 === 1) assert.is(expected, internetSum(bytes.subarray(0, length)));
    const next = bytes[length] ?? 0;
    sum = odd ? internetFold(sum + (last << 8) + next) : sum;
  }
});

const internetFold = (sum: number): number => (sum & 0xffff) + (sum >>> 16);

test('the largest sums do not overflow', () => {
  for (const length of [9001, 65_535, 65_536, 524_288]) {
    const bytes = new Uint8Array(length).fill(0xff);
    assert.is(sumOf(bytes), length % 2 === 0 ? 0xffff : internetSum(bytes), `${length} bytes`);
  }
});

test('pieces chain', () => {
  const random = generator(7);
  for (let i = 0; i < 1000; i++) {
    const first = randomBytes(random, 2 * Math.floor(random() * 40));
    const second = randomBytes(random, Math.floor(random() * 80));
    core.bytes.set(first, TX_SLOTS);
    core.bytes.set(second, TX_SLOTS + 1001);
    const chained = sumBytes(TX_SLOTS + 1001, second.length, sumBytes(TX_SLOTS, first.length, 0n));
    assert.is(swap(fold(chained)), internetSum(concat(first, second)));
  }
});

test('the sum of nothing is zero, and so is the checksum over a right checksum', () => {
  assert.is(sumOf(new Uint8Array(0)), 0);
  const header = unhex('4500 0073 0000 4000 4011 0000 c0a8 0001 c0a8 00c7');
  core.bytes.set(header, TX_SLOTS);
  const value = checksum(TX_SLOTS, header.length);
  assert.is(swap(value), 0xb861);
  core.view.setUint16(TX_SLOTS + 10, value, true);
  assert.is(checksum(TX_SLOTS, header.length), 0);
});

test('pseudo-headers equal those built byte by byte', () => {
  const random = generator(768);
  for (let i = 0; i < 1000; i++) {
    const length = Math.floor(random() * 65_536);
    const protocol = Math.floor(random() * 256);
    const size = Uint8Array.of(length >> 8, length & 0xff);
    const ip = randomBytes(random, 40);
    core.bytes.set(ip, TX_SLOTS);
    assert.is(
      swap(fold(sumPseudoHeader4(TX_SLOTS, protocol, length))),
      internetSum(concat(ip.subarray(12, 20), Uint8Array.of(0, protocol), size)),
    );
    assert.is(
      swap(fold(sumPseudoHeader6(TX_SLOTS, protocol, length))),
      internetSum(concat(ip.subarray(8, 40), Uint8Array.of(0, 0), size, Uint8Array.of(0, 0, 0, protocol))),
    );
  }
});

test('an incremental update equals a new checksum for random words', () => {
  const random = generator(1624);
  for (let i = 0; i < 20_000; i++) {
    const words = randomBytes(random, 20);
    // Runs of zeros and ones are where end-around carries go wrong.
    if (i % 3 === 0) words.fill(i % 2 === 0 ? 0xff : 0, 0, 18);
    if (internetSum(words) === 0) continue;
    const before = internetChecksum(words);
    const old = words.slice(4, 6);
    words.set(
      i % 5 === 0 ? Uint8Array.of(0, 0) : i % 7 === 0 ? Uint8Array.of(0xff, 0xff) : randomBytes(random, 2),
      4,
    );
    if (internetSum(words) === 0) continue;
    const delta = internetFold((internetSum(old) ^ 0xffff) + internetSum(words.subarray(4, 6)));
    assert.is(updateChecksum(before, delta), internetChecksum(words));
  }
});

test.run();
