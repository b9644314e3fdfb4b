import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addressBytes } from '../../src/address.js';
import { SELECTORS_MAX } from '../../src/packet/abi.js';
import type { Selector } from '../../src/packet/core.js';
import { type EspSa, IPV4, IPV6, sealEsp } from '../reference/esp.js';
import { emit, ICMP, type Packet, SCTP, TCP, UDP } from '../reference/packets.js';
import { concat, randomBytes } from '../support/bytes.js';
import { ANY, anySelector, TestClient } from '../support/client.js';
import { generator } from '../support/random.js';

const OURS = { 4: '10.61.0.7', 6: 'fd00:61::7' } as const;
const THEIRS = { 4: '10.20.0.9', 6: 'fd00:20::9' } as const;
const GRE = 47;
const PORTS = concat(Uint8Array.of(0x1f, 0x90, 0, 53), new Uint8Array(36));
PORTS[12] = 0x50;

interface Rules {
  local?: Selector[];
  remote?: Selector[];
}

/** Whether a packet with the given rules may leave, and its answer may enter: as `[out, in]`. */
function passes(rules: Rules, change: Partial<Packet> = {}, version: 4 | 6 = 4): [boolean, boolean] {
  const sa: EspSa = { suite: 'chacha20poly1305', spi: 0x700, key: randomBytes(generator(7), 36) };
  const client = new TestClient();
  client.core.setDeviceAddresses(...Object.values(OURS));
  client.core.setVirtualAddresses(0, ...Object.values(OURS));
  client.install('in', sa, rules);
  client.install('out', sa, rules);
  client.core.activate(0, 1);
  const ours = addressBytes(OURS[version]);
  const theirs = addressBytes(THEIRS[version]);
  const packet = { protocol: UDP, transport: PORTS, ...change };
  const sent = client.transmit(emit({ source: ours, destination: theirs, ...packet }));
  // The answer has the ports exchanged; what has none is its own answer.
  const swapped = concat(
    packet.transport.subarray(2, 4),
    packet.transport.subarray(0, 2),
    packet.transport.subarray(4),
  );
  const hasPorts =
    [TCP, UDP, SCTP].includes(packet.protocol) &&
    packet.transport.length >= 4 &&
    (packet.fragment?.from ?? 0) === 0;
  const payload = emit({
    ...packet,
    source: theirs,
    destination: ours,
    transport: hasPorts ? swapped : packet.transport,
  });
  const nextHeader = version === 4 ? IPV4 : IPV6;
  const { device } = client.receive(0, sealEsp(sa, { sequence: 1n, nextHeader, payload }));
  const counters = client.core.counters();
  assert.is(sent.length + (counters['tx-destination'] ?? 0), 1);
  assert.is(device.length + (counters['rx-selector'] ?? 0), 1);
  return [sent.length === 1, device.length === 1];
}

const rule = (change: Partial<Selector>, family: 4 | 6 = 4): Selector => ({
  ...anySelector(family),
  ...change,
});
const YES = [true, true];
const NO = [false, false];

test('any address, protocol and port', () => {
  assert.equal(passes({}), YES);
  assert.equal(passes({}, {}, 6), YES);
});

test('a family without a selector does not pass', () => {
  assert.equal(passes({ local: [anySelector(6)], remote: [anySelector(6)] }), NO);
  assert.equal(passes({ local: [anySelector(4)], remote: [anySelector(4)] }, {}, 6), NO);
  assert.equal(passes({ local: [anySelector(6)] }), NO);
  assert.equal(passes({ remote: [anySelector(6)] }), NO);
});

test('ranges of addresses are inclusive, compared in network order', () => {
  const range = (first: string, last: string) => rule({ first, last });
  assert.equal(passes({ remote: [range('10.20.0.9', '10.20.0.9')] }), YES);
  assert.equal(passes({ remote: [range('10.20.0.10', '10.20.0.255')] }), NO);
  assert.equal(passes({ remote: [range('9.255.255.255', '10.20.0.8')] }), NO);
  assert.equal(passes({ remote: [range('9.99.99.99', '10.20.1.0')] }), YES);
  assert.equal(passes({ remote: [range('10.20.1.0', '9.99.99.99')] }), NO);
  assert.equal(passes({ local: [range('10.61.0.7', '10.61.0.7')] }), YES);
  assert.equal(passes({ local: [range('10.61.0.8', '10.61.0.9')] }), NO);
});

test('IPv6 ranges reach over both halves of the address', () => {
  const range = (first: string, last: string) => rule({ first, last }, 6);
  assert.equal(passes({ remote: [range('fd00:20::9', 'fd00:20::9')] }, {}, 6), YES);
  assert.equal(passes({ remote: [range('fd00:20::', 'fd00:20::8')] }, {}, 6), NO);
  assert.equal(passes({ remote: [range('fd00:20::a', 'fd00:20::ffff')] }, {}, 6), NO);
  assert.equal(passes({ remote: [range('fd00:1f::ffff', 'fd00:21::1')] }, {}, 6), YES);
  assert.equal(passes({ remote: [range('fd00:21::', 'fd00:22::')] }, {}, 6), NO);
});

test('the protocol must match', () => {
  assert.equal(passes({ remote: [rule({ protocol: UDP })] }), YES);
  assert.equal(passes({ remote: [rule({ protocol: TCP })] }), NO);
  assert.equal(passes({ remote: [rule({ protocol: TCP })] }, { protocol: TCP }), YES);
});

test('ports are those of the own side', () => {
  const port = (firstPort: number, lastPort = firstPort) => rule({ firstPort, lastPort });
  for (const protocol of [TCP, UDP, SCTP]) {
    assert.equal(passes({ local: [port(8080)], remote: [port(53)] }, { protocol }), YES);
    assert.equal(passes({ local: [port(53)], remote: [port(8080)] }, { protocol }), NO);
    assert.equal(passes({ local: [port(8000, 8080)] }, { protocol }), YES);
    assert.equal(passes({ local: [port(8081, 9000)] }, { protocol }), NO);
  }
});

test('ICMP type and code stand for the ports (RFC 4301 section 4.4.1.1)', () => {
  const icmp = { protocol: ICMP, transport: concat(Uint8Array.of(8, 0), new Uint8Array(38)) };
  const range = (first: number, last: number) => rule({ protocol: ICMP, firstPort: first, lastPort: last });
  assert.equal(passes({ remote: [range(0x0800, 0x08ff)] }, icmp), YES);
  assert.equal(passes({ remote: [range(0x0000, 0x00ff)] }, icmp), NO);
});

test('what shows no port passes only where any port may, or none', () => {
  const any = rule({});
  const opaque = rule({ firstPort: 65535, lastPort: 0 });
  const one = rule({ firstPort: 8080, lastPort: 8080 });
  const fragment = { fragment: { from: 24, to: 40 } };
  for (const change of [{ protocol: GRE }, fragment, { protocol: SCTP, transport: PORTS.subarray(0, 3) }]) {
    assert.equal(passes({ local: [any] }, change), YES);
    assert.equal(passes({ local: [opaque] }, change), YES);
    assert.equal(passes({ local: [one] }, change), NO);
  }
  assert.equal(passes({ local: [opaque] }), NO);
});

test('one of several selectors is enough', () => {
  const none = rule({ first: '1.1.1.1', last: '1.1.1.1' });
  const lists = Array.from({ length: SELECTORS_MAX }, (_, i) => {
    const list = Array.from({ length: SELECTORS_MAX }, () => none);
    list[i] = anySelector(4);
    return list;
  });
  for (const list of lists) {
    assert.equal(passes({ local: list, remote: list }), YES);
    assert.equal(passes({ local: list, remote: [none] }), NO);
  }
  assert.equal(ANY.length, 2);
});

test.run();
