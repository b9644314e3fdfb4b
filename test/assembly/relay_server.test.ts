import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  DUPLICATE_WINDOW,
  EVENT_SESSION_MOVED,
  MMSG_SIZE,
  NAME_SIZE,
  RELAY_DATA,
  RELAY_DRAIN,
  RELAY_PROBE,
  RELAY_PROBE_REPLY,
  RELAY_VERSION,
  RX_MMSG,
} from '../../src/packet/abi.js';
import { emit, TCP, UDP } from '../reference/packets.js';
import { decodeRelay } from '../reference/relay.js';
import { concat, hex, randomBytes } from '../support/bytes.js';
import { probeBody } from '../support/probes.js';
import { generator } from '../support/random.js';
import {
  address4,
  down,
  inner,
  RelayPeer,
  RelayServer,
  SERVER,
  session,
  setUp,
  up,
} from '../support/relay_server.js';

const TOKYO = '10.61.0.7:40000';
const OSAKA = '10.62.0.9:40000';
const ELSEWHERE = '203.0.113.66:1';

const moved = (client: RelayPeer, path: string, epoch = 0): object[] => [
  { kind: EVENT_SESSION_MOVED, session: client.session.index, epoch, path },
];

test('the first authentic packet tells the path, its content goes to the device', () => {
  const { server, client } = setUp();
  assert.equal(server.info(client.session.index), { received: 0, epoch: 0, path: undefined });
  const packet = up(client);
  const { toDevice, events, replies, counted } = server.receive({
    bytes: client.packet(RELAY_DATA, packet),
    peer: TOKYO,
  });
  assert.equal(toDevice.map(hex), [hex(packet)]);
  assert.equal(events, moved(client, TOKYO));
  assert.equal(replies, []);
  assert.equal(counted, { 'rx-packets': 1, 'rx-bytes': packet.length, 'session-moves': 1 });
  assert.equal(server.info(client.session.index), { received: 1, epoch: 0, path: TOKYO });
});

test('padding behind the inner packet is left off', () => {
  const { server, client } = setUp();
  const packet = up(client);
  const bytes = client.packet(RELAY_DATA, concat(packet, new Uint8Array(9)));
  assert.equal(server.receive({ bytes, peer: TOKYO }).toDevice.map(hex), [hex(packet)]);
});

test('packets for a lease go to the path of its session, tagged and numbered', () => {
  const { server, client } = setUp();
  client.epoch = 0xfffe;
  server.receive({ bytes: client.packet(RELAY_DATA, up(client)), peer: TOKYO });
  const packets = [down(client), down(client), down(client)];
  const { udp, raw, counted } = server.transmit(...packets);
  assert.equal(raw, []);
  assert.equal(
    udp.map(message => message.peer),
    [TOKYO, TOKYO, TOKYO],
  );
  udp.forEach((message, i) => {
    assert.equal(decodeRelay(message.bytes, client.session.receiveKey), {
      version: RELAY_VERSION,
      type: RELAY_DATA,
      flags: 0,
      epoch: 0xfffe,
      session: client.session.index,
      sequence: BigInt(i + 1),
      payload: packets[i],
    });
  });
  assert.equal(counted, { 'tx-packets': 3, 'tx-bytes': 3 * (packets[0]?.length ?? 0) });
});

test('what cannot go anywhere is dropped under its reason, the rest of the batch goes on', () => {
  const { server, clients } = setUp(session(1), session(2));
  const [client, silent] = clients as [RelayPeer, RelayPeer];
  server.receive({ bytes: client.packet(RELAY_DATA, up(client)), peer: TOKYO });
  const sixteen = { source: new Uint8Array(16), destination: new Uint8Array(16), protocol: UDP };
  const big = inner(SERVER, client.session.lease, 9600);
  const { udp, counted } = server.transmit(
    down(client),
    down(client).subarray(0, 60),
    inner(SERVER, '10.30.201.1'),
    emit({ ...sixteen, transport: new Uint8Array(20) }),
    inner(SERVER, '10.30.200.77'),
    down(silent),
    big,
    down(client),
  );
  assert.is(udp.length, 2);
  delete counted['tx-bytes'];
  assert.equal(counted, {
    'tx-packets': 2,
    'tx-malformed': 1,
    'tx-destination': 2,
    'tx-no-session': 1,
    'tx-no-tunnel': 1,
    'tx-too-big': 1,
  });
});

test('the MSS of a SYN is clamped in both directions', () => {
  const { server, client } = setUp();
  server.receive({ bytes: client.packet(RELAY_DATA, up(client)), peer: TOKYO });
  const syn = (from: string, to: string, mss: number): Uint8Array => {
    const transport = new Uint8Array(24);
    transport.set([0x60, 2], 12);
    transport.set([2, 4, mss >> 8, mss & 0xff], 20);
    return emit({
      source: address4(from),
      destination: address4(to),
      protocol: TCP,
      transport,
    });
  };
  const { lease } = client.session;
  const [message] = server.transmit(syn(SERVER, lease, 1460)).udp;
  assert.is(hex(message?.bytes.subarray(24) ?? new Uint8Array(0)), hex(syn(SERVER, lease, 1300)));
  const bytes = client.packet(RELAY_DATA, syn(lease, SERVER, 1308));
  assert.equal(server.receive({ bytes, peer: TOKYO }).toDevice.map(hex), [hex(syn(lease, SERVER, 1300))]);
});

test('a probe is answered to where it came from, with its id and time, and never with more bytes', () => {
  const { server, client } = setUp();
  for (const [i, size] of [40, 56, 1000].entries()) {
    const body = randomBytes(generator(i), size);
    const bytes = client.packet(RELAY_PROBE, body);
    const { replies, toDevice, counted } = server.receive({ bytes, peer: i === 1 ? OSAKA : TOKYO });
    assert.equal(toDevice, []);
    assert.is(counted['probe-replies'], 1);
    assert.is(replies[0]?.peer, i === 1 ? OSAKA : TOKYO);
    const expected = probeBody({ complete: BigInt(i + 1) });
    expected.set(body.subarray(0, 12));
    assert.equal(decodeRelay(replies[0]?.bytes ?? bytes, client.session.receiveKey), {
      version: RELAY_VERSION,
      type: RELAY_PROBE_REPLY,
      flags: 0,
      epoch: 0,
      session: client.session.index,
      sequence: BigInt(i + 1),
      payload: expected,
    });
  }
  const short = server.receive({ bytes: client.packet(RELAY_PROBE, new Uint8Array(39)), peer: TOKYO });
  assert.equal([short.replies, short.counted], [[], { 'relay-short': 1 }]);
});

test('sequence numbers are one space for all types of packets', () => {
  const { server, client } = setUp();
  const key = client.session.receiveKey;
  const sequences: (bigint | undefined)[] = [];
  const note = (messages: { bytes: Uint8Array }[]): void => {
    for (const { bytes } of messages) sequences.push(decodeRelay(bytes, key)?.sequence);
  };
  note(server.receive({ bytes: client.packet(RELAY_PROBE, new Uint8Array(40)), peer: TOKYO }).replies);
  note(server.transmit(down(client), down(client)).udp);
  note(server.drain(0).messages);
  note(server.receive({ bytes: client.packet(RELAY_PROBE, new Uint8Array(40)), peer: TOKYO }).replies);
  assert.equal(sequences, [1n, 2n, 3n, 4n, 5n]);
});

test('no bit of header or inner header can be changed without the drop of the packet, and nothing else happens', () => {
  const { server, client } = setUp(session(1), session(2));
  server.receive({ bytes: client.packet(RELAY_DATA, up(client)), peer: TOKYO });
  const before = server.info(client.session.index);
  const bytes = client.packet(RELAY_DATA, up(client), { epoch: 5 });
  const reasons = new Set<string>();
  for (let bit = 0; bit < 48 * 8; bit++) {
    const tampered = bytes.slice();
    tampered[bit >> 3] = (tampered[bit >> 3] as number) ^ (1 << (bit & 7));
    const { toDevice, events, replies, counted } = server.receive({ bytes: tampered, peer: ELSEWHERE });
    assert.equal([toDevice, events, replies], [[], [], []], `bit ${bit}`);
    for (const reason of Object.keys(counted)) reasons.add(reason);
    assert.equal(server.info(client.session.index), before);
  }
  assert.equal([...reasons].sort(), ['relay-duplicate', 'relay-session', 'relay-tag', 'relay-version']);
  // The window did not move either: the true one is still accepted.
  assert.is(server.receive({ bytes, peer: OSAKA }).toDevice.length, 1);
});

test('a replayed packet does nothing, wherever it comes from', () => {
  const { server, client } = setUp();
  const packets = [0, 1, 2].map(() => client.packet(RELAY_DATA, up(client)));
  const probe = client.packet(RELAY_PROBE, new Uint8Array(40), { epoch: 1 });
  const all = [...packets, probe];
  server.receive(...all.map(bytes => ({ bytes, peer: TOKYO })));
  const before = server.info(client.session.index);
  for (const bytes of all) {
    const { toDevice, events, replies, counted } = server.receive({ bytes, peer: ELSEWHERE });
    assert.equal([toDevice, events, replies], [[], [], []]);
    assert.equal(counted, { 'relay-duplicate': 1 });
  }
  assert.equal(server.info(client.session.index), before);
});

test('a doubled packet in one batch is taken once', () => {
  const { server, client } = setUp();
  const bytes = client.packet(RELAY_DATA, up(client));
  const { toDevice, counted } = server.receive({ bytes, peer: TOKYO }, { bytes, peer: TOKYO });
  assert.is(toDevice.length, 1);
  assert.is(counted['relay-duplicate'], 1);
});

test('reordered packets are accepted within the window, not below it, and do not move the session', () => {
  const { server, client } = setUp();
  const late = (sequence: bigint): Uint8Array => client.packet(RELAY_DATA, up(client), { sequence });
  server.receive({ bytes: late(100_000n), peer: TOKYO });
  const lowest = 100_000n - BigInt(DUPLICATE_WINDOW) + 1n;
  for (const sequence of [99_999n, 90_000n, lowest + 1n, lowest]) {
    const { toDevice, events } = server.receive({ bytes: late(sequence), peer: OSAKA });
    assert.equal([toDevice.length, events.length], [1, 0]);
  }
  for (const sequence of [lowest - 1n, 1n, 0n]) {
    assert.equal(server.receive({ bytes: late(sequence), peer: OSAKA }).counted, { 'relay-duplicate': 1 });
  }
  assert.is(server.info(client.session.index)?.path, TOKYO);
});

test('epochs: a newer one moves the session, an older one never, an equal one if the packet is the newest', () => {
  const { server, client } = setUp();
  const from = (peer: string, epoch: number, sequence: bigint): string | undefined => {
    const bytes = client.packet(RELAY_DATA, up(client), { epoch, sequence });
    const { toDevice } = server.receive({ bytes, peer });
    assert.is(toDevice.length, 1, 'the packet itself is good in any case');
    return server.info(client.session.index)?.path;
  };
  assert.is(from(TOKYO, 7, 100n), TOKYO);
  assert.is(from(OSAKA, 7, 99n), TOKYO, 'equal epoch, late packet');
  assert.is(from(OSAKA, 7, 101n), OSAKA, 'equal epoch, newest packet');
  assert.is(from(TOKYO, 6, 102n), OSAKA, 'older epoch, newest packet');
  assert.is(from(TOKYO, 8, 50n), TOKYO, 'newer epoch, late packet');
  assert.is(from(OSAKA, 7, 103n), TOKYO, 'older epoch again');
  assert.is(server.info(client.session.index)?.epoch, 8);
});

test('epochs wrap around', () => {
  const { server, client } = setUp();
  const paths: [number, string, boolean][] = [
    [0xfffe, '10.61.0.1:1', true],
    [0xffff, '10.61.0.2:1', true],
    [0x0000, '10.61.0.3:1', true],
    [0xffff, '10.61.0.4:1', false],
    [0x0005, '10.61.0.5:1', true],
    [0x8005, '10.61.0.6:1', false],
    [0x8004, '10.61.0.7:1', true],
    [0x0003, '10.61.0.8:1', true],
    [0x8003, '10.61.0.9:1', false],
  ];
  for (const [epoch, peer, moves] of paths) {
    const { events } = server.receive({ bytes: client.packet(RELAY_DATA, up(client), { epoch }), peer });
    assert.equal(events, moves ? moved(client, peer, epoch) : [], `epoch ${epoch}`);
  }
});

test('a raised epoch over the same path is remembered and is no event', () => {
  const { server, client } = setUp();
  server.receive({ bytes: client.packet(RELAY_DATA, up(client)), peer: TOKYO });
  const { events } = server.receive({
    bytes: client.packet(RELAY_DATA, up(client), { epoch: 3 }),
    peer: TOKYO,
  });
  assert.equal(events, []);
  assert.equal(server.info(client.session.index), { received: 2, epoch: 3, path: TOKYO });
});

test("another session's key opens nothing, and a session cannot speak for another lease", () => {
  const { server, clients } = setUp(session(1), session(2));
  const [one, two] = clients as [RelayPeer, RelayPeer];
  const forged = one.packet(RELAY_DATA, up(two), { session: two.session.index });
  assert.equal(server.receive({ bytes: forged, peer: TOKYO }).counted, { 'relay-tag': 1 });
  assert.equal(server.info(two.session.index), { received: 0, epoch: 0, path: undefined });
  const spoofs: [Uint8Array, string][] = [
    [up(two), 'relay-source'],
    [inner(SERVER, SERVER), 'relay-source'],
    [
      emit({
        source: new Uint8Array(16),
        destination: new Uint8Array(16),
        protocol: UDP,
        transport: new Uint8Array(8),
      }),
      'relay-source',
    ],
    [up(one).subarray(0, 100), 'relay-inner'],
    [up(one).subarray(0, 19), 'relay-inner'],
    [new Uint8Array(0), 'relay-inner'],
    [new Uint8Array(64), 'relay-inner'],
  ];
  for (const [payload, reason] of spoofs) {
    const { toDevice, counted } = server.receive({ bytes: one.packet(RELAY_DATA, payload), peer: TOKYO });
    assert.equal([toDevice.length, counted[reason]], [0, 1], reason);
  }
});

test('unknown sessions, short datagrams, other types and cut datagrams are counted', () => {
  const { server, client } = setUp();
  const unknown = client.packet(RELAY_DATA, up(client), { session: client.session.index ^ 0x100000 });
  const nobody = client.packet(RELAY_DATA, up(client), { session: 0 });
  assert.equal(server.receive({ bytes: unknown, peer: TOKYO }, { bytes: nobody, peer: TOKYO }).counted, {
    'relay-session': 2,
  });
  const bytes = client.packet(RELAY_DATA, up(client));
  for (const length of [0, 1, 23]) {
    assert.equal(server.receive({ bytes: bytes.subarray(0, length), peer: TOKYO }).counted, {
      'relay-short': 1,
    });
  }
  for (const type of [0, RELAY_PROBE_REPLY, RELAY_DRAIN, 5, 15]) {
    const { counted, replies } = server.receive({ bytes: client.packet(type, up(client)), peer: TOKYO });
    assert.equal([counted['relay-type'], replies.length], [1, 0]);
  }
  const long = client.packet(RELAY_DATA, inner(client.session.lease, SERVER, 12_000));
  assert.equal(server.receive({ bytes: long, peer: TOKYO }).counted, { 'rx-truncated': 1 });
});

test('message headers are made ready for the next batch', () => {
  const { server, client } = setUp();
  const datagrams = [1, 2, 3].map(() => ({ bytes: client.packet(RELAY_DATA, up(client)), peer: TOKYO }));
  server.receive(...datagrams);
  for (let i = 0; i < 3; i++) {
    assert.is(server.core.view.getUint32(RX_MMSG + i * MMSG_SIZE + 8, true), NAME_SIZE, 'msg_namelen');
    assert.is(server.core.view.getUint32(RX_MMSG + i * MMSG_SIZE + 48, true), 0, 'msg_flags');
  }
});

test('a whole batch: 64 datagrams of two sessions, data and probes', () => {
  const { server, clients } = setUp(session(1), session(2));
  const datagrams = Array.from({ length: 64 }, (_, i) => {
    const client = clients[i % 2] as RelayPeer;
    const bytes =
      i % 4 < 2 ? client.packet(RELAY_DATA, up(client)) : client.packet(RELAY_PROBE, new Uint8Array(40));
    return { bytes, peer: i % 2 === 0 ? TOKYO : OSAKA };
  });
  const { toDevice, replies, events } = server.receive(...datagrams);
  assert.equal([toDevice.length, replies.length, events.length], [32, 32, 2]);
  assert.equal(
    replies.map(reply => reply.peer),
    replies.map((_, i) => (i % 2 === 0 ? TOKYO : OSAKA)),
  );
});

test('DRAIN goes to every session that has a path, in batches', () => {
  const server = new RelayServer();
  const clients = Array.from({ length: 150 }, (_, i) => new RelayPeer(session(i + 1)));
  for (const client of clients) assert.is(server.install(client.session), 0);
  const heard = clients.filter((_, i) => i % 10 !== 3);
  for (const client of heard) server.receive({ bytes: client.packet(RELAY_DATA, up(client)), peer: TOKYO });
  const sizes: number[] = [];
  const reached = new Set<number | undefined>();
  for (let next = 0; next < 131_072; ) {
    const batch = server.drain(next);
    next = batch.next;
    sizes.push(batch.messages.length);
    for (const { bytes, peer } of batch.messages) {
      const client = clients.find(
        ({ session: { index } }) => index === new DataView(bytes.buffer).getUint32(4),
      );
      const packet = client && decodeRelay(bytes, client.session.receiveKey);
      assert.equal([packet?.type, packet?.payload.length, peer], [RELAY_DRAIN, 0, TOKYO]);
      reached.add(packet?.session);
    }
  }
  assert.equal(sizes, [64, 64, 7]);
  assert.equal(
    [...reached],
    heard.map(client => client.session.index),
  );
});

test.run();
