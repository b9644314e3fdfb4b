import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Encapsulation, innerMtu, maxSegment } from '../../src/packet/mtu.js';

const RELAY: Record<Encapsulation, number> = {
  none: 0,
  clear: 20 + 8 + 24,
  sealed: 20 + 8 + 16 + 16,
  ipip: 20,
};

/** The bytes of the datagram on the wire, step by step as RFC 4303 builds it. */
function onTheWire(device: number, family: 4 | 6, encapsulation: Encapsulation, isCbc: boolean): number {
  const inner = device + RELAY[encapsulation];
  let payload = inner + 2;
  while (payload % (isCbc ? 16 : 4) !== 0) payload++;
  return (family === 4 ? 20 : 40) + 8 + 8 + (isCbc ? 16 : 8) + payload + 16;
}

test('the largest packet fits, one byte more does not', () => {
  for (const family of [4, 6] as const) {
    for (const encapsulation of ['none', 'clear', 'sealed', 'ipip'] as const) {
      for (let link = 1280; link <= 1460; link++) {
        for (const suite of ['aes128gcm16', 'aes128-sha256'] as const) {
          const mtu = innerMtu(link, family, encapsulation, [suite]);
          const isCbc = suite === 'aes128-sha256';
          // Of what a gateway in user space takes, the most is another matter.
          if (mtu + RELAY[encapsulation] === 1400) continue;
          assert.ok(onTheWire(mtu, family, encapsulation, isCbc) <= link);
          assert.ok(onTheWire(mtu + 1, family, encapsulation, isCbc) > link);
        }
      }
    }
  }
});

test('of several suites the worst decides', () => {
  const both = innerMtu(1400, 4, 'none', ['chacha20poly1305', 'aes256-sha256']);
  assert.is(both, innerMtu(1400, 4, 'none', ['aes256-sha256']));
  assert.ok(both < innerMtu(1400, 4, 'none', ['chacha20poly1305']));
  assert.is(innerMtu(1400, 4, 'none'), both);
});

test('Ethernet, where a gateway in user space takes less than the link', () => {
  assert.is(innerMtu(1500, 4, 'none'), 1400);
  assert.is(innerMtu(1500, 4, 'clear'), 1348);
  assert.is(innerMtu(1500, 4, 'sealed'), 1340);
  assert.is(maxSegment(1348), 1308);
});

test.run();
