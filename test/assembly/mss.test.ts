import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { TX_SLOTS } from '../../src/packet/abi.js';
import { PacketCore } from '../../src/packet/core.js';
import { emit, type Packet, TCP } from '../reference/packets.js';
import { concat, hex, pick, randomBytes, randomInteger } from '../support/bytes.js';
import { randomExtensions } from '../support/generate.js';
import { generator } from '../support/random.js';

const core = new PacketCore();
const SYN = 2;
const ACK = 16;

function clamp(bytes: Uint8Array, maxSegment: number): string {
  core.bytes.set(bytes, TX_SLOTS);
  core.exports.clampMss(TX_SLOTS, bytes.length, maxSegment);
  return hex(core.bytes.subarray(TX_SLOTS, TX_SLOTS + bytes.length));
}

function tcp(version: 4 | 6, flags: number, options: Uint8Array, random = generator(1)): Packet {
  const header = randomBytes(random, 20);
  header[12] = ((20 + options.length) / 4) << 4;
  header[13] = flags;
  const size = version === 4 ? 4 : 16;
  return {
    source: randomBytes(random, size),
    destination: randomBytes(random, size),
    protocol: TCP,
    transport: concat(header, options, randomBytes(random, randomInteger(random, 0, 9))),
  };
}

const mss = (value: number): Uint8Array => Uint8Array.of(2, 4, value >> 8, value & 0xff);
/** Options padded with zeros (end of list) to whole words. */
const padded = (...options: Uint8Array[]): Uint8Array => {
  const bytes = concat(...options);
  return concat(bytes, new Uint8Array((4 - (bytes.length % 4)) % 4));
};

test('the option of a SYN is lowered, wherever it is among the options', () => {
  const random = generator(9293);
  const others = [
    Uint8Array.of(1),
    Uint8Array.of(3, 3, 7),
    Uint8Array.of(4, 2),
    Uint8Array.of(8, 10, 0, 0, 0, 1, 0, 0, 0, 2),
    Uint8Array.of(254, 5, 1, 2, 3),
  ];
  let odd = 0;
  for (let i = 0; i < 5000; i++) {
    const version = pick(random, [4, 6] as const);
    const before = Array.from({ length: randomInteger(random, 0, 3) }, () => pick(random, others));
    const after = Array.from({ length: randomInteger(random, 0, 1) }, () => pick(random, others));
    const offered = randomInteger(random, 0, 0xffff);
    const limit = randomInteger(random, 536, 9000);
    const effective = version === 4 ? limit : limit - 20;
    odd += concat(...before).length % 2;
    const packet = tcp(
      version,
      pick(random, [SYN, SYN | ACK]),
      padded(...before, mss(offered), ...after),
      random,
    );
    if (version === 6 && random() < 0.3) Object.assign(packet, randomExtensions(random));
    const expected = packet.transport.slice();
    expected.set(mss(Math.min(offered, effective)), 20 + concat(...before).length);
    assert.is(clamp(emit(packet), limit), hex(emit({ ...packet, transport: expected })), `packet ${i}`);
  }
  assert.ok(odd > 1000, 'odd offsets were among them');
});

test('anything else is left alone', () => {
  const udp: Packet = { ...tcp(4, SYN, padded(mss(9000))), protocol: 17 };
  const cases: Record<string, Uint8Array> = {
    'no SYN': emit(tcp(4, ACK, padded(mss(9000)))),
    'no option': emit(tcp(4, SYN, padded(Uint8Array.of(3, 3, 7)))),
    'behind the end of the list': emit(tcp(4, SYN, padded(Uint8Array.of(0, 0, 0, 0), mss(9000)))),
    'an option of length zero before it': emit(tcp(4, SYN, padded(Uint8Array.of(9, 0, 1, 1), mss(9000)))),
    'an option of length one before it': emit(tcp(4, SYN, padded(Uint8Array.of(9, 1), mss(9000)))),
    'an option that reaches over it': emit(tcp(4, SYN, padded(Uint8Array.of(9, 40, 1, 1), mss(9000)))),
    'wrong length': emit(tcp(4, SYN, padded(Uint8Array.of(2, 3, 0x23), Uint8Array.of(2, 5, 0x23, 0x28, 1)))),
    'small enough': emit(tcp(4, SYN, padded(mss(1360)))),
    'not TCP': emit(udp),
    'a later fragment': emit({ ...tcp(4, SYN, padded(mss(9000))), fragment: { from: 8, to: 24 } }),
    'the first 16 bytes of the header': emit({
      ...tcp(4, SYN, padded(mss(9000))),
      fragment: { from: 0, to: 16 },
    }),
  };
  for (const [name, bytes] of Object.entries(cases)) assert.is(clamp(bytes, 1360), hex(bytes), name);
});

test('the walk ends with the segment even if the data offset says more', () => {
  const packet = tcp(4, SYN, mss(9000));
  packet.transport = packet.transport.subarray(0, 23);
  packet.transport[12] = 0xf0;
  const bytes = emit(packet);
  // Right behind the packet lies what would complete the option.
  core.bytes[TX_SLOTS + bytes.length] = 0x28;
  assert.is(clamp(bytes, 1360), hex(bytes));
  assert.is(core.bytes[TX_SLOTS + bytes.length], 0x28);
});

test('several options are all lowered', () => {
  const twice = tcp(4, SYN, padded(mss(9000), mss(1460)));
  const expected = twice.transport.slice();
  expected.set(concat(mss(1360), mss(1360)), 20);
  assert.is(clamp(emit(twice), 1360), hex(emit({ ...twice, transport: expected })));
});

test.run();
