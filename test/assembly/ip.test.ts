import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ERR_LENGTH, TX_SLOTS } from '../../src/packet/abi.js';
import { PacketCore } from '../../src/packet/core.js';
import { emit, ICMPV6, type Packet, TCP, UDP } from '../reference/packets.js';
import { randomBytes } from '../support/bytes.js';
import { randomPacket } from '../support/generate.js';
import { generator } from '../support/random.js';

const core = new PacketCore();
const P = TX_SLOTS;

function checkPacket(bytes: Uint8Array, available = bytes.length): number {
  core.bytes.set(bytes, P);
  return core.exports.checkPacket(P, available);
}

/** Protocol, and offset of the transport header or zero. */
function locate(bytes: Uint8Array, length = bytes.length): { protocol: number; offset: number } {
  core.bytes.set(bytes, P);
  const located = core.exports.locateTransport(P, length) >>> 0;
  return { protocol: (located >> 16) & 0xff, offset: located & 0xffff };
}

const packet4: Packet = {
  source: Uint8Array.of(192, 0, 2, 1),
  destination: Uint8Array.of(198, 51, 100, 1),
  protocol: UDP,
  transport: new Uint8Array(12),
};
const packet6: Packet = {
  ...packet4,
  source: new Uint8Array(16).fill(1),
  destination: new Uint8Array(16).fill(2),
};

test('a packet of each version has its total length, whatever comes behind it', () => {
  for (const [packet, total] of [
    [packet4, 32],
    [packet6, 52],
  ] as const) {
    const bytes = emit(packet);
    assert.is(checkPacket(bytes), total);
    assert.is(checkPacket(bytes, total + 100), total);
  }
});

test('every shorter piece of a packet is refused', () => {
  for (const packet of [packet4, packet6, { ...packet4, options: new Uint8Array(40) }]) {
    const bytes = emit(packet);
    for (let available = 0; available < bytes.length; available++) {
      assert.is(checkPacket(bytes, available), ERR_LENGTH, `${available} bytes`);
    }
  }
});

test('other versions and contradictory lengths are refused', () => {
  const bytes = emit(packet4);
  for (let version = 0; version < 16; version++) {
    if (version === 4) continue;
    const other = bytes.slice();
    other[0] = (version << 4) | 5;
    assert.is(checkPacket(other), ERR_LENGTH, `version ${version}`);
  }
  for (let words = 0; words < 16; words++) {
    const other = bytes.slice();
    other[0] = 0x40 | words;
    assert.is(checkPacket(other), words < 5 || words * 4 > 32 ? ERR_LENGTH : 32, `${words} words of header`);
  }
  for (let total = 0; total < 40; total++) {
    const other = bytes.slice();
    other[3] = total;
    assert.is(checkPacket(other), total < 20 || total > 32 ? ERR_LENGTH : total, `total length ${total}`);
  }
});

test('random bytes: a length from the header size to what is available, or refused', () => {
  const random = generator(791);
  for (let i = 0; i < 50_000; i++) {
    const bytes = randomBytes(random, Math.floor(random() * 100));
    if (bytes.length > 4) bytes.set([i % 2 === 0 ? 0x45 : 0x60, 0, 0, Math.floor(random() * 100)]);
    const length = checkPacket(bytes);
    assert.ok(length === ERR_LENGTH || (length >= (i % 2 === 0 ? 20 : 40) && length <= bytes.length));
  }
});

test('the transport header is found behind options and extension headers', () => {
  const random = generator(8200);
  for (let i = 0; i < 5000; i++) {
    const packet = randomPacket(random, i % 2 === 0 ? 4 : 6);
    const bytes = emit(packet);
    assert.equal(locate(bytes), {
      protocol: packet.protocol,
      offset: bytes.length - packet.transport.length,
    });
  }
});

test('a later fragment has no transport header', () => {
  for (const packet of [packet4, packet6]) {
    const transport = new Uint8Array(40);
    const first = emit({ ...packet, transport, fragment: { from: 0, to: 16 } });
    assert.is.not(locate(first).offset, 0);
    const later = emit({ ...packet, transport, fragment: { from: 16, to: 40 } });
    assert.equal(locate(later), { protocol: UDP, offset: 0 });
  }
});

test('the walk over extension headers is bounded, by number and by length', () => {
  const extension = { protocol: 60, bytes: new Uint8Array(8) };
  const with_ = (count: number): Uint8Array =>
    emit({
      ...packet6,
      protocol: TCP,
      transport: new Uint8Array(20),
      extensions: new Array(count).fill(extension),
    });
  assert.equal(locate(with_(7)), { protocol: TCP, offset: 96 });
  assert.is(locate(with_(9)).offset, 0);
  const long = emit({ ...packet6, protocol: ICMPV6, transport: new Uint8Array(8), extensions: [extension] });
  long[41] = 255;
  assert.is(locate(long).offset, 0);
  for (let length = 40; length < 48; length++) assert.is(locate(long, length).offset, 0);
});

test.run();
