import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Encapsulation, innerMtu, maxSegment } from '../../src/packet/mtu.js';

const RELAY: Record<Encapsulation, number> = { none: 0, clear: 20 + 8 + 24, ipip: 20 };

/** The bytes of the datagram on the wire, step by step as RFC 4303 builds it. */
function onTheWire(device: number, family: 4 | 6, encapsulation: Encapsulation): number {
  const inner = device + RELAY[encapsulation];
  let payload = inner + 2;
  while (payload % 4 !== 0) payload++;
  return (family === 4 ? 20 : 40) + 8 + 8 + 8 + payload + 16;
}

test('the largest packet fits, one byte more does not', () => {
  for (const family of [4, 6] as const) {
    for (const encapsulation of ['none', 'clear', 'ipip'] as const) {
      for (let link = 1280; link <= 1460; link++) {
        const mtu = innerMtu(link, family, encapsulation);
        assert.ok(onTheWire(mtu, family, encapsulation) <= link);
        assert.ok(onTheWire(mtu + 1, family, encapsulation) > link);
      }
    }
  }
});

test('Ethernet, where a gateway in user space takes less than the link', () => {
  assert.is(innerMtu(1500, 4, 'none'), 1400);
  assert.is(innerMtu(1500, 4, 'clear'), 1348);
  assert.is(maxSegment(1348), 1308);
});

test.run();
