// The relay's sessions in sealed mode, at both ends: what is accepted changes what it must, and nothing else does.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addressBytes } from '../../src/address.js';
import {
  BIG_TX_SLOTS,
  OFFLOAD_HEADER,
  OFFLOAD_TCP,
  OK,
  RELAY_DATA,
  RELAY_DRAIN,
  RELAY_PROBE,
  RELAY_PROBE_BODY,
  RELAY_PROBE_REPLY,
  RELAY_SEALED_HEADER,
  SCRATCH,
  SCRATCH_SIZE,
  SESSION_INDEX_MASK,
  SESSION_SIZE,
  SESSION_WINDOW_SIZE,
  SESSION_WINDOWS,
  SESSIONS,
  SLOT_HEADROOM,
  TX_LENGTHS,
  VNET_HEADER,
} from '../../src/packet/abi.js';
import { emit, TCP } from '../reference/packets.js';
import { decodeRelay, encodeRelay } from '../reference/relay.js';
import { concat, hex, pick, randomBytes, randomInteger } from '../support/bytes.js';
import { TestClient } from '../support/client.js';
import { randomPacket } from '../support/generate.js';
import { collect } from '../support/kernel.js';
import { emitVnet, segment, TCPV4 } from '../support/offloads.js';
import { parseProbe } from '../support/probes.js';
import { generator } from '../support/random.js';
import {
  down,
  inner,
  RelayPeer,
  type RelayServer,
  SERVER,
  session,
  setUp,
  up,
} from '../support/relay_server.js';
import { Gateway, RELAY, RELAY_PORT, Relay } from '../support/tunnels.js';

const TOKYO = '10.61.0.7:40000';
const OSAKA = '10.62.0.9:40000';
const ELSEWHERE = '203.0.113.66:1';
const HOSTILE = 100_000;
const BATCH = 64;

const MODES = ['clear', 'sealed'] as const;

const sealed = (n: number) => session(n, { mode: 'sealed' });

/** A sealed session between another sealed one and one in clear mode, all heard from. */
function established() {
  const one = setUp(sealed(1), sealed(2), session(3));
  for (const client of one.clients) {
    one.server.receive({ bytes: client.packet(RELAY_DATA, up(client)), peer: TOKYO });
  }
  return one;
}

/** All that the server keeps about these sessions. */
function state(server: RelayServer, clients: readonly RelayPeer[]): Buffer {
  const { bytes } = server.core;
  return Buffer.concat(
    clients.flatMap(({ session: { index } }) => {
      const place = index & SESSION_INDEX_MASK;
      const record = SESSIONS + place * SESSION_SIZE;
      const window = SESSION_WINDOWS + place * SESSION_WINDOW_SIZE;
      return [
        bytes.slice(record - SESSION_SIZE, record + 2 * SESSION_SIZE),
        bytes.slice(window, window + SESSION_WINDOW_SIZE),
      ];
    }),
  );
}

test('a changed byte anywhere: nothing is delivered, answered, moved or used up', () => {
  const { server, clients } = established();
  const [client] = clients as [RelayPeer];
  const before = state(server, clients);
  for (const type of [RELAY_DATA, RELAY_PROBE]) {
    const payload = type === RELAY_DATA ? up(client) : new Uint8Array(RELAY_PROBE_BODY);
    const bytes = client.packet(type, payload, { epoch: 5 });
    const reasons = new Set<string>();
    for (let at = 0; at < bytes.length; at++) {
      const tampered = bytes.slice();
      tampered[at] = (tampered[at] as number) ^ (1 << (at & 7));
      const result = server.receive({ bytes: tampered, peer: ELSEWHERE });
      assert.equal([result.toDevice, result.events, result.replies], [[], [], []], `byte ${at}`);
      for (const reason of Object.keys(result.counted)) reasons.add(reason);
    }
    assert.equal([...reasons].sort(), ['relay-session', 'relay-tag']);
    assert.is(Buffer.compare(state(server, clients), before), 0);
  }
  const good = client.packet(RELAY_DATA, up(client), { epoch: 5 });
  const { toDevice, events } = server.receive({ bytes: good, peer: OSAKA });
  assert.equal([toDevice.length, events.length], [1, 1]);
});

test('a probe is answered, sealed, to where it came from, and never with more bytes', () => {
  const { server, client } = established();
  for (const [i, size] of [RELAY_PROBE_BODY, 56, 1000].entries()) {
    const body = randomBytes(generator(size), size);
    const bytes = client.packet(RELAY_PROBE, body);
    const [reply] = server.receive({ bytes, peer: OSAKA }).replies;
    assert.is(reply?.peer, OSAKA);
    assert.ok((reply?.bytes.length ?? 0) <= bytes.length);
    assert.is(Buffer.from(reply?.bytes ?? bytes).indexOf(body.subarray(0, 12)), -1, 'not to be read');
    const { type, payload } = decodeRelay(reply?.bytes ?? bytes, client.session.receiveKey) ?? {};
    assert.is(type, RELAY_PROBE_REPLY);
    assert.equal(payload?.subarray(0, 12), body.subarray(0, 12), 'id and time');
    assert.is(payload && parseProbe(payload).complete, BigInt(i + 2), 'with what came before');
  }
  const short = server.receive({ bytes: client.packet(RELAY_PROBE, new Uint8Array(39)), peer: OSAKA });
  assert.equal([short.replies, short.counted], [[], { 'relay-short': 1 }]);
});

test('the request to leave is sealed, and all packets of a session share one space of numbers', () => {
  const { server, clients } = established();
  const [client] = clients as [RelayPeer];
  const key = client.session.receiveKey;
  const sequences: (bigint | undefined)[] = [];
  const note = (messages: { bytes: Uint8Array }[]): void => {
    for (const { bytes } of messages) {
      const packet = decodeRelay(bytes, key);
      if (packet !== undefined) sequences.push(packet.sequence);
    }
  };
  note(
    server.receive({ bytes: client.packet(RELAY_PROBE, new Uint8Array(RELAY_PROBE_BODY)), peer: TOKYO })
      .replies,
  );
  note(server.transmit(down(client), down(client)).udp);
  const { messages } = server.drain(0);
  assert.equal(messages.map(({ bytes }) => bytes.length).sort(), [24, 32, 32]);
  assert.ok(messages.some(({ bytes }) => decodeRelay(bytes, key)?.type === RELAY_DRAIN));
  note(messages);
  note(server.transmit(down(client)).udp);
  assert.equal(sequences, [1n, 2n, 3n, 4n, 5n]);
});

test('a replayed packet does nothing; one sent again after a switch is taken once and moves nothing', () => {
  const { server, clients } = established();
  const [client] = clients as [RelayPeer];
  const lost = client.packet(RELAY_DATA, up(client));
  const taken = client.packet(RELAY_DATA, up(client));
  server.receive({ bytes: taken, peer: TOKYO });
  client.epoch = 1;
  const probe = client.packet(RELAY_PROBE, new Uint8Array(RELAY_PROBE_BODY));
  assert.is(server.receive({ bytes: probe, peer: OSAKA }).events.length, 1);
  // The bytes of before, old epoch and all, over the new path.
  const again = server.receive({ bytes: lost, peer: OSAKA });
  assert.equal([again.toDevice.length, again.events.length], [1, 0]);
  const late = server.receive({ bytes: lost, peer: TOKYO });
  assert.equal([late.toDevice, late.events, late.counted], [[], [], { 'relay-duplicate': 1 }]);
  const before = state(server, clients);
  for (const bytes of [lost, taken, probe]) {
    const { counted } = server.receive({ bytes, peer: ELSEWHERE });
    assert.equal(counted, { 'relay-duplicate': 1 });
  }
  assert.is(Buffer.compare(state(server, clients), before), 0);
  assert.is(server.info(client.session.index)?.path, OSAKA);
  // One with another epoch is another message: without the key there is none.
  const moved = client.packet(RELAY_DATA, up(client), { sequence: 1000n });
  new DataView(moved.buffer).setUint16(2, 2);
  assert.equal(server.receive({ bytes: moved, peer: ELSEWHERE }).counted, { 'relay-tag': 1 });
});

test('sessions never mix: each accepts its own packets only, and says nothing to others', () => {
  const random = generator(3);
  const sessions = Array.from({ length: 40 }, (_, i) => session(i + 1, { mode: pick(random, MODES) }));
  const { server, clients } = setUp(...sessions);
  clients.forEach((client, i) => {
    const peer = `10.61.0.${i + 1}:40000`;
    assert.is(server.receive({ bytes: client.packet(RELAY_DATA, up(client)), peer }).toDevice.length, 1);
  });
  for (let round = 0; round < 400; round++) {
    const one = pick(random, clients);
    const other = pick(
      random,
      clients.filter(client => client !== one),
    );
    const stolen = one.packet(RELAY_DATA, up(one), { session: other.session.index, sequence: 1000n });
    const result = server.receive({ bytes: stolen, peer: ELSEWHERE });
    assert.equal([result.toDevice, result.events, result.counted], [[], [], { 'relay-tag': 1 }]);

    const packets = Array.from({ length: 20 }, () => pick(random, clients));
    const { udp } = server.transmit(...packets.map(down));
    packets.forEach((client, i) => {
      const { bytes, peer } = udp[i] as (typeof udp)[number];
      assert.is(peer, `10.61.0.${clients.indexOf(client) + 1}:40000`);
      const readers = clients.filter(reader => decodeRelay(bytes, reader.session.receiveKey) !== undefined);
      assert.equal(readers, [client]);
      const packet = decodeRelay(bytes, client.session.receiveKey);
      assert.is(packet?.session, client.session.index);
      assert.equal(packet?.payload, down(client));
    });
  }
});

test('a session installed again has other keys and begins anew; one removed leaves none', () => {
  const { server, client } = established();
  const old = client.packet(RELAY_DATA, up(client));
  const { index } = client.session;
  const again = new RelayPeer({ ...sealed(9), index, lease: client.session.lease });
  assert.is(server.install(again.session), OK);
  assert.equal(server.receive({ bytes: old, peer: TOKYO }).counted, { 'relay-tag': 1 });
  server.receive({ bytes: again.packet(RELAY_DATA, up(again)), peer: TOKYO });
  const [first] = server.transmit(down(again)).udp;
  assert.is(decodeRelay(first?.bytes ?? old, again.session.receiveKey)?.sequence, 1n);
  const memory = Buffer.from(server.core.bytes.buffer);
  const place = SESSIONS + (index & SESSION_INDEX_MASK) * SESSION_SIZE;
  const record = memory.subarray(place, place + SESSION_SIZE);
  const keys = [again.session.sendKey, again.session.receiveKey].map(key => Buffer.from(key));
  for (const key of keys) {
    assert.ok(record.includes(key));
    assert.not.ok(memory.subarray(SCRATCH, SCRATCH + SCRATCH_SIZE).includes(key));
  }
  assert.is(server.core.exports.relaySessionRemove(index), OK);
  assert.ok(record.every(byte => byte === 0));
});

test('every packet of a super-packet is sealed on its own', () => {
  const random = generator(65535);
  const { server, client } = established();
  const { core } = server;
  core.useOffloads(OFFLOAD_HEADER | OFFLOAD_TCP);
  for (const [bytes, size] of [
    [60_000, 1300],
    [9000, 16],
    [1200, 1300],
  ] as const) {
    const header = randomBytes(random, 20);
    header[12] = 0x50;
    const addresses = { source: addressBytes(SERVER), destination: addressBytes(client.session.lease) };
    const transport = concat(header, randomBytes(random, bytes));
    const packet = emit({ ...addresses, protocol: TCP, transport });
    const vnet = { flags: 1, type: TCPV4, headers: 0, size, start: 20, offset: 16 };
    core.bytes.set(concat(emitVnet(vnet), packet), BIG_TX_SLOTS + SLOT_HEADROOM - VNET_HEADER);
    core.view.setUint32(TX_LENGTHS, VNET_HEADER + packet.length, true);
    const messages = collect(core, core.exports.relayTransmit(1));
    assert.equal(
      messages.map(message => hex(decodeRelay(message.bytes, client.session.receiveKey)?.payload ?? packet)),
      segment(vnet, packet).map(hex),
    );
  }
});

/** Something that is not a packet of this session: noise, another's, a true one cut or changed somewhere. */
function forge(random: () => number, known: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  const choice = random();
  const fields = known.subarray(0, RELAY_SEALED_HEADER);
  if (choice < 0.15) return randomBytes(random, randomInteger(random, 0, 120));
  if (choice < 0.3) return concat(fields, randomBytes(random, randomInteger(random, 0, 300)));
  if (choice < 0.4) return concat(fields, pick(random, others).subarray(RELAY_SEALED_HEADER));
  if (choice < 0.55) return known.subarray(0, randomInteger(random, 0, known.length - 1));
  if (choice < 0.65) return concat(known, randomBytes(random, randomInteger(random, 1, 20)));
  const bytes = known.slice();
  for (let i = randomInteger(random, 1, 3); i > 0; i--) {
    const at = randomInteger(random, 0, bytes.length - 1);
    bytes[at] = (bytes[at] as number) ^ (1 << randomInteger(random, 0, 7));
  }
  return Buffer.compare(bytes, known) === 0 ? fields : bytes;
}

test(`${HOSTILE} hostile datagrams at the relay: each is counted, none does anything`, () => {
  const random = generator(7511);
  const { server, clients } = established();
  const [client, other, clear] = clients as [RelayPeer, RelayPeer, RelayPeer];
  const known = Array.from({ length: 8 }, (_, i) => {
    const payload = inner(client.session.lease, SERVER, randomInteger(random, 0, 300));
    return client.packet(i === 7 ? RELAY_PROBE : RELAY_DATA, payload, { epoch: i });
  });
  const others = [other, clear].map(peer => peer.packet(RELAY_DATA, up(peer)));
  const before = state(server, clients);
  for (let done = 0; done < HOSTILE; done += BATCH) {
    const batch = Array.from({ length: BATCH }, () => forge(random, pick(random, known), others));
    const result = server.receive(...batch.map(bytes => ({ bytes, peer: ELSEWHERE })));
    assert.equal([result.toDevice.length, result.events.length, result.replies.length], [0, 0, 0]);
    const counted = Object.values(result.counted).reduce((sum, count) => sum + count, 0);
    assert.is(counted, BATCH);
  }
  assert.is(Buffer.compare(state(server, clients), before), 0);
  const { toDevice, replies } = server.receive(...known.map(bytes => ({ bytes, peer: TOKYO })));
  assert.equal([toDevice.length, replies.length], [7, 1], 'those withheld are as good as ever');
});

test(`${HOSTILE} hostile packets from the gateway at the client: each is counted, none does anything`, () => {
  const random = generator(7512);
  const client = new TestClient();
  const gateway = new Gateway(0, addressBytes('10.60.0.7'), random);
  client.core.setDeviceAddresses('192.168.77.2');
  client.core.setVirtualAddresses(0, gateway.virtual.join('.'));
  client.install('in', gateway.toClient);
  client.install('out', gateway.fromClient);
  client.core.setRelay({ address: RELAY.join('.'), port: RELAY_PORT });
  const relay = new Relay(random, 'sealed');
  relay.bind(client);
  const [known, others] = [relay.toClient, randomBytes(random, 36)].map((key, k) =>
    Array.from({ length: 4 }, (_, i) => {
      const payload = emit({ ...randomPacket(random, 4), destination: relay.lease });
      const sequence = BigInt(k * 10 + i + 1);
      return encodeRelay({ type: RELAY_DATA, epoch: 1, session: relay.session, sequence, payload }, key);
    }),
  ) as [Uint8Array[], Uint8Array[]];
  // The gateway's end of the tunnel, by the core itself: it is quick.
  const sealer = new TestClient();
  sealer.core.setDeviceAddresses(RELAY.join('.'));
  sealer.core.setVirtualAddresses(0, RELAY.join('.'));
  sealer.install('out', gateway.toClient);
  sealer.core.activate(0, 1);
  const send = (...packets: Uint8Array[]) =>
    client.receive(0, ...sealer.transmit(...packets.map(bytes => relay.wrap(gateway.virtual, bytes))));
  const counted = client.accounted('rx');
  let done = 0;
  for (; done < HOSTILE; done += BATCH) {
    const batch = Array.from({ length: BATCH }, () => forge(random, pick(random, known), others));
    const { device, control, events } = send(...batch);
    assert.equal([device, control, events], [[], [], []]);
  }
  assert.is(client.accounted('rx'), counted + done);
  // Their numbers are not used up.
  assert.is(send(...known).device.length, known.length);
  assert.equal(
    client.changes(() => send(...known)),
    { 'relay-duplicate': known.length },
  );
});

test.run();
