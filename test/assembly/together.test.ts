// Datagrams that are sent and received many at a time: the same ones, in the same order, as one at a time.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addressBytes } from '../../src/address.js';
import {
  GROUP_BYTES,
  GROUP_MAX,
  MMSG_SIZE,
  NAME_SIZE,
  OFFLOAD_RECEIVE,
  OFFLOAD_SEND,
  RELAY_DATA,
  RESULT_TO_DEVICE,
  RX_NAMES,
  TO_DEVICE,
  TX_MMSG,
  TX_SPLIT_MMSG,
} from '../../src/packet/abi.js';
import type { PacketCore } from '../../src/packet/core.js';
import { type EspSa, IPV4, keyLength, SUITES, sealEsp } from '../reference/esp.js';
import { emit } from '../reference/packets.js';
import { concat, hex, pick, randomBytes, randomInteger } from '../support/bytes.js';
import { TestClient } from '../support/client.js';
import { BASE, collect, deliverTogether, sockaddr } from '../support/kernel.js';
import { generator } from '../support/random.js';
import { inner, type RelayServer, SERVER, session, setUp } from '../support/relay_server.js';

const SOL_UDP = 17;
const UDP_SEGMENT = 103;
/** RFC 3692. */
const EXPERIMENTAL = 253;
const [LEFT, RIGHT] = ['192.0.2.1:7511', '192.0.2.2:7511'];

interface Message {
  datagrams: Uint8Array[];
  segment: number | undefined;
  peer: string;
}

/** What the kernel reads in message `i` of TX_MMSG. */
function message({ core: { view, bytes } }: RelayServer, i: number): Message {
  const at = TX_MMSG + i * MMSG_SIZE;
  const pointer = (address: number) => Number(view.getBigUint64(address, true) - BASE);
  const count = Number(view.getBigUint64(at + 24, true));
  const datagrams = Array.from({ length: count }, (_, k) => {
    const vector = pointer(at + 16) + k * 16;
    return bytes.slice(pointer(vector), pointer(vector) + Number(view.getBigUint64(vector + 8, true)));
  });
  const name = pointer(at);
  const peer = `${bytes.subarray(name + 4, name + 8).join('.')}:${view.getUint16(name + 2)}`;
  if (view.getBigUint64(at + 40, true) === 0n) return { datagrams, segment: undefined, peer };
  const control = pointer(at + 32);
  assert.is(view.getBigUint64(control, true), 18n);
  assert.is(view.getUint32(control + 8, true), SOL_UDP);
  assert.is(view.getUint32(control + 12, true), UDP_SEGMENT);
  return { datagrams, segment: view.getUint16(control + 16, true), peer };
}

const MODES = ['clear', 'sealed'] as const;

/** Two sessions, each with its path, on a server with these offloads. */
function scene(mode: (typeof MODES)[number], offloads: number) {
  const one = setUp(session(1, { mode }), session(2, { mode }));
  one.clients.forEach((client, i) => {
    const bytes = client.packet(RELAY_DATA, inner(client.session.lease, SERVER));
    one.server.receive({ bytes, peer: i === 0 ? LEFT : RIGHT });
  });
  one.server.core.useOffloads(offloads);
  return one;
}

for (const mode of MODES)
  test(`${mode}: datagrams of equal size to one peer share a message, and stay the same`, () => {
    const random = generator(1);
    const [plain, together] = [scene(mode, 0), scene(mode, OFFLOAD_SEND)];
    let shared = 0;
    for (let round = 0; round < 60; round++) {
      let size = randomInteger(random, 0, 1300);
      const packets = Array.from({ length: 64 }, () => {
        if (random() < 0.1) size = randomInteger(random, 0, pick(random, [100, 1300, 8000]));
        const lease = random() < 0.05 ? session(2).lease : session(1).lease;
        return inner(SERVER, lease, size);
      });
      const expected = plain.server.transmit(...packets).udp;
      const count = together.server.transmitOnly(...packets);
      const messages = Array.from({ length: count }, (_, i) => message(together.server, i));
      assert.equal(
        messages.flatMap(({ datagrams, peer }) => datagrams.map(bytes => `${peer} ${hex(bytes)}`)),
        expected.map(({ bytes, peer }) => `${peer} ${hex(bytes)}`),
      );
      for (const { datagrams, segment } of messages) {
        const lengths = datagrams.map(({ length }) => length);
        if (segment === undefined) assert.is(lengths.length, 1);
        else {
          shared++;
          assert.ok(lengths.length > 1 && lengths.length <= GROUP_MAX);
          assert.ok(lengths.slice(0, -1).every(length => length === segment));
          assert.ok((lengths.at(-1) as number) <= segment);
          assert.ok(lengths.reduce((sum, length) => sum + length) <= GROUP_BYTES);
        }
      }
      // As when the kernel refuses them.
      const split = together.server.core.exports.messageSplit(TX_MMSG, 0, count, TX_SPLIT_MMSG);
      const singles = collect(together.server.core, split, TX_SPLIT_MMSG);
      assert.equal(
        singles.map(({ bytes, peer }) => `${peer} ${hex(bytes)}`),
        expected.map(({ bytes, peer }) => `${peer} ${hex(bytes)}`),
      );
    }
    assert.ok(shared > 60);
  });

function deliver({ core }: RelayServer, i: number, whole: Uint8Array, size: number | undefined): void {
  core.bytes.set(sockaddr(LEFT), RX_NAMES + i * NAME_SIZE);
  deliverTogether(core, i, whole, size);
}

function toDevice({ core }: { core: PacketCore }): string[] {
  return Array.from({ length: core.view.getUint32(RESULT_TO_DEVICE, true) }, (_, i) => {
    const address = core.view.getUint32(TO_DEVICE + i * 8, true);
    return hex(core.bytes.slice(address, address + core.view.getUint32(TO_DEVICE + i * 8 + 4, true)));
  });
}

for (const mode of MODES)
  test(`${mode}: datagrams received together are each handled, the shorter last one too`, () => {
    const random = generator(2);
    const { server, client } = scene(mode, OFFLOAD_RECEIVE);
    for (let round = 0; round < 40; round++) {
      const size = randomInteger(random, 1, 900);
      const number = randomInteger(random, 1, 60);
      const expected = Array.from({ length: number }, (_, i) =>
        inner(client.session.lease, SERVER, i === number - 1 ? randomInteger(random, 0, size) : size),
      );
      const datagrams = expected.map(packet => client.packet(RELAY_DATA, packet));
      deliver(server, 0, concat(...datagrams), (datagrams[0] as Uint8Array).length);
      const single = inner(client.session.lease, SERVER, 77);
      deliver(server, 1, client.packet(RELAY_DATA, single), undefined);
      server.core.exports.relayReceive(2);
      assert.equal(toDevice(server), [...expected, single].map(hex));
    }
  });

for (const mode of MODES)
  test(`${mode}: of datagrams received together, those that are no good are dropped alone`, () => {
    const { server, client } = scene(mode, OFFLOAD_RECEIVE);
    const packets = Array.from({ length: 8 }, () => inner(client.session.lease, SERVER, 100));
    const datagrams = packets.map(packet => client.packet(RELAY_DATA, packet));
    (datagrams[3] as Uint8Array).subarray(30).fill(0xee, 0, 2);
    deliver(server, 0, concat(...datagrams), (datagrams[0] as Uint8Array).length);
    server.core.exports.relayReceive(1);
    assert.equal(toDevice(server), packets.filter((_, i) => i !== 3).map(hex));
  });

for (const suite of SUITES) {
  test(`${suite}: ESP packets received together are opened like single ones`, () => {
    const random = generator(4);
    const sa: EspSa = { suite, spi: 0xc0de_0001, key: randomBytes(random, keyLength(suite)) };
    const client = new TestClient();
    client.core.setDeviceAddresses('10.61.0.7');
    client.core.setVirtualAddresses(0, '10.61.0.7');
    client.install('in', sa);
    client.core.useOffloads(OFFLOAD_RECEIVE);
    const [source, destination] = ['10.20.0.9', '10.61.0.7'].map(addressBytes) as [Uint8Array, Uint8Array];
    let sequence = 0n;
    for (let round = 0; round < 60; round++) {
      // Two slots, the second of which begins a sequence of other sizes.
      const expected: string[] = [];
      for (const slot of [0, 1]) {
        const size = randomInteger(random, 0, pick(random, [40, 200, 1400]));
        const number = randomInteger(random, 2, Math.min(64, Math.floor(60_000 / (size + 90))));
        const damaged = random() < 0.3 ? randomInteger(random, 0, number - 1) : -1;
        const datagrams = Array.from({ length: number }, (_, i) => {
          const transport = randomBytes(random, i === number - 1 ? randomInteger(random, 0, size) : size);
          const payload = emit({ source, destination, protocol: EXPERIMENTAL, transport });
          sequence += 1n;
          const datagram = sealEsp(sa, { sequence, nextHeader: IPV4, payload });
          if (i !== damaged) expected.push(hex(payload));
          else (datagram[datagram.length >> 1] as number) ^= 1;
          return datagram;
        });
        deliverTogether(client.core, slot, concat(...datagrams), (datagrams[0] as Uint8Array).length);
      }
      client.core.exports.clientReceive(0, 2);
      assert.equal(toDevice(client), expected, `round ${round}`);
    }
  });
}

for (const mode of MODES)
  test(`${mode}: no size in the control message makes the core trap`, () => {
    const random = generator(3);
    const { server } = scene(mode, OFFLOAD_RECEIVE);
    for (let round = 0; round < 500; round++) {
      const whole = new Uint8Array(randomInteger(random, 0, 65_507));
      deliver(server, 0, whole, pick(random, [0, 1, 2, 100, 65_535, 0x7fff_ffff, 0xffff_ffff]));
      server.core.exports.relayReceive(1);
      assert.equal(toDevice(server), []);
    }
  });

test.run();
