import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addressBytes } from '../../src/address.js';
import {
  BATCH,
  LAYOUT_BASE,
  RELAY_DATA,
  RX_SLOTS,
  SA_CONTEXTS,
  SA_IN,
  SA_INDEX_MASK,
  SA_OUT,
  SA_RECORD_SIZE,
  SLOT_HEADROOM,
  SLOT_SIZE,
  TX_SLOTS,
} from '../../src/packet/abi.js';
import { emit } from '../reference/packets.js';
import { concat, pick, randomBytes, randomInteger } from '../support/bytes.js';
import { TestClient } from '../support/client.js';
import { randomPacket } from '../support/generate.js';
import { generator } from '../support/random.js';
import { Gateway, RELAY, RELAY_PORT, Relay } from '../support/tunnels.js';

const SEED = 3948;
const DATAGRAMS = 120_000;
const PACKETS = 120_000;
const DEVICE = addressBytes('192.168.77.2');
const SERVER = addressBytes('10.30.0.9');
const VIRTUAL = addressBytes('10.60.0.7');
const GUARD = 0xa5;
/** Bytes that ciphers may use in front of a packet (its headers too) and behind it. */
const BEFORE = 100;
const BEHIND = 256;

type Random = () => number;

function setUp() {
  const random = generator(SEED);
  const client = new TestClient();
  client.core.setDeviceAddresses(DEVICE.join('.'), 'fd00::2');
  client.core.setControlAddresses('192.0.0.2');
  client.core.setVirtualAddresses(0, VIRTUAL.join('.'), 'fd00:61::7');
  client.core.setMaxSegment(1300);
  const gateway = new Gateway(0, VIRTUAL, random);
  client.install('in', gateway.toClient);
  client.install('out', gateway.fromClient);
  client.core.activate(0, 1);
  client.core.setRelay({ address: RELAY.join('.'), port: RELAY_PORT });
  const relay = new Relay(random);
  relay.bind(client);
  client.core.exports.clientCredit(0, 1_000_000);
  setGuards(client);
  return { random, client, gateway, relay };
}

/** Fills what no code may touch: all between the areas of the layout. */
function guards(client: TestClient): Uint8Array[] {
  const { bytes, exports } = client.core;
  const slotsEnd = (slots: number) => slots + (BATCH + 1) * SLOT_SIZE;
  return [
    bytes.subarray(exports.staticEnd.value, LAYOUT_BASE),
    bytes.subarray(slotsEnd(TX_SLOTS), RX_SLOTS),
    bytes.subarray(slotsEnd(RX_SLOTS), 0x300000),
    bytes.subarray(SA_IN + (SA_IN - SA_OUT), SA_CONTEXTS),
  ];
}

function setGuards(client: TestClient): void {
  for (const guard of guards(client)) guard.fill(GUARD);
}

function guardsIntact(client: TestClient): boolean {
  return guards(client).every(guard => guard.every(byte => byte === GUARD));
}

/** Whether a slot's bytes away from the packet of `length` bytes are as `setSlot` left them. */
function slotIntact(client: TestClient, slot: number, length: number): boolean {
  const bytes = client.core.bytes.subarray(slot, slot + SLOT_SIZE);
  const untouched = (part: Uint8Array) => Buffer.compare(part, Buffer.alloc(part.length, GUARD)) === 0;
  return (
    untouched(bytes.subarray(0, SLOT_HEADROOM - BEFORE)) &&
    untouched(bytes.subarray(Math.min(SLOT_HEADROOM + length + BEHIND, SLOT_SIZE)))
  );
}

/** Both records and what the window remembers: what only authentic packets may change. */
function associations(client: TestClient, gateway: Gateway): Buffer {
  const record = (table: number, spi: number) => {
    const at = table + (spi & SA_INDEX_MASK) * SA_RECORD_SIZE;
    return client.core.bytes.subarray(at, at + SA_RECORD_SIZE);
  };
  return Buffer.concat([record(SA_IN, gateway.toClient.spi), record(SA_OUT, gateway.fromClient.spi)]);
}

/** A change that a network or an attacker without keys can make. */
function mutate(random: Random, original: Uint8Array): Uint8Array {
  const kind = randomInteger(random, 0, 3);
  if (kind === 0) return original.slice(0, randomInteger(random, 0, original.length - 1));
  if (kind === 1) return concat(original, randomBytes(random, randomInteger(random, 1, 40)));
  const mutated = original.slice();
  for (let i = randomInteger(random, 1, kind === 2 ? 1 : 8); i > 0; i--) {
    const at = randomInteger(random, 0, mutated.length - 1);
    mutated[at] = (mutated[at] ?? 0) ^ randomInteger(random, 1, 255);
  }
  return mutated;
}

function chunks<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) =>
    list.slice(i * size, (i + 1) * size),
  );
}

test(`${DATAGRAMS} hostile datagrams: each is counted once, none changes anything`, () => {
  const { random, client, gateway, relay } = setUp();
  const inner = emit({ ...randomPacket(random, 4), source: SERVER, destination: relay.lease });
  const authentic = Array.from({ length: 40 }, () => gateway.seal(relay.send(VIRTUAL, RELAY_DATA, inner)));
  const first = authentic.shift() as Uint8Array;
  client.receive(0, first);
  const known = [first, ...authentic];
  const before = associations(client, gateway);
  const counted = client.accounted('rx');
  const delivered = client.core.counters()['rx-packets'];

  const make = (): Uint8Array => {
    const choice = random();
    if (choice < 0.2) return randomBytes(random, randomInteger(random, 0, 120));
    if (choice < 0.22) return randomBytes(random, randomInteger(random, 1000, 9984));
    if (choice < 0.3) return concat(first.subarray(0, 4), randomBytes(random, randomInteger(random, 0, 100)));
    if (choice < 0.35) return first;
    if (choice < 0.45) return concat(new Uint8Array(4), randomBytes(random, randomInteger(random, 0, 60)));
    return mutate(random, pick(random, known));
  };
  const slots = client.core.bytes.subarray(RX_SLOTS, RX_SLOTS + BATCH * SLOT_SIZE);
  let control = 0;
  for (let done = 0; done < DATAGRAMS; ) {
    const batch = Array.from({ length: Math.min(randomInteger(random, 1, BATCH), DATAGRAMS - done) }, make);
    if (done % 64 === 0) slots.fill(GUARD);
    const result = client.receive(0, ...batch);
    done += batch.length;
    assert.equal([result.device, result.events], [[], []]);
    control += result.control.length;
    if (!associations(client, gateway).equals(before))
      assert.unreachable(`state, seed ${SEED}, after ${done}`);
    if (client.accounted('rx') !== counted + done) assert.unreachable(`count, seed ${SEED}, after ${done}`);
  }
  slots.fill(GUARD);
  for (const batch of chunks(Array.from({ length: 2000 }, make), BATCH)) {
    slots.fill(GUARD);
    client.receive(0, ...batch);
    batch.forEach((datagram, i) => {
      assert.ok(
        slotIntact(client, RX_SLOTS + i * SLOT_SIZE, datagram.length),
        `slot ${i}, ${datagram.length} bytes`,
      );
    });
  }
  assert.ok(guardsIntact(client));
  assert.ok(control > 0);
  assert.is(client.core.counters()['rx-packets'], delivered);
  // Everything that was withheld is still as good as new.
  assert.is(client.receive(0, ...authentic).device.length, authentic.length);
});

test(`${DATAGRAMS / 4} hostile packets inside authentic ESP: each is counted once, none is delivered to a wrong address`, () => {
  const { random, client, gateway, relay } = setUp();
  const session = relay.send(
    VIRTUAL,
    RELAY_DATA,
    emit({ ...randomPacket(random, 4), destination: relay.lease }),
  );
  const make = (): Uint8Array => {
    const choice = random();
    if (choice < 0.1) return randomBytes(random, randomInteger(random, 1, 90));
    if (choice < 0.3) return emit({ ...randomPacket(random, random() < 0.5 ? 4 : 6), destination: VIRTUAL });
    if (choice < 0.6) return mutate(random, emit({ ...randomPacket(random, 4), destination: VIRTUAL }));
    if (choice < 0.7) return relay.wrap(VIRTUAL, randomBytes(random, randomInteger(random, 0, 80)));
    return mutate(random, session);
  };
  const counted = client.accounted('rx');
  const total = DATAGRAMS / 4;
  for (let done = 0; done < total; done += BATCH) {
    const batch = Array.from({ length: BATCH }, () => gateway.seal(make()));
    const { device, events } = client.receive(0, ...batch);
    assert.equal(events, []);
    for (const packet of device) {
      const destination = Buffer.from(packet.subarray(16, 20));
      const ours = destination.equals(DEVICE) || destination.equals(addressBytes('192.0.0.2'));
      if (!ours) assert.unreachable(`seed ${SEED}: delivered to ${destination.join('.')}`);
    }
  }
  assert.is(client.accounted('rx'), counted + Math.ceil(total / BATCH) * BATCH);
  assert.ok(guardsIntact(client));
});

test(`${PACKETS} hostile packets from the device: each is counted once, nothing leaves in the clear`, () => {
  const { random, client, gateway } = setUp();
  const make = (): Uint8Array => {
    const choice = random();
    if (choice < 0.2) return randomBytes(random, randomInteger(random, 0, 120));
    if (choice < 0.22) return randomBytes(random, randomInteger(random, 1000, 9300));
    const source = pick(random, [DEVICE, DEVICE, addressBytes('192.0.0.2'), SERVER]);
    const packet = { ...randomPacket(random, 4), source };
    return choice < 0.5 ? emit(packet) : mutate(random, emit(packet));
  };
  const slots = client.core.bytes.subarray(TX_SLOTS, TX_SLOTS + BATCH * SLOT_SIZE);
  let sent = 0;
  for (let done = 0; done < PACKETS; ) {
    const batch = Array.from({ length: Math.min(randomInteger(random, 1, BATCH), PACKETS - done) }, make);
    const watched = done % 16 === 0;
    if (watched) slots.fill(GUARD);
    const datagrams = client.transmit(...batch);
    done += batch.length;
    sent += datagrams.length;
    if (client.accounted('tx') !== done) assert.unreachable(`count, seed ${SEED}, after ${done}`);
    for (const datagram of datagrams) {
      if (Buffer.from(datagram).readUInt32BE(0) !== gateway.fromClient.spi) assert.unreachable('not ESP');
    }
    if (!watched) continue;
    if (datagrams[0] !== undefined) gateway.open(datagrams[0]);
    batch.forEach((packet, i) => {
      assert.ok(
        slotIntact(client, TX_SLOTS + i * SLOT_SIZE, packet.length),
        `slot ${i}, ${packet.length} bytes`,
      );
    });
  }
  assert.ok(sent > 0);
  assert.ok(guardsIntact(client));
});

test.run();
