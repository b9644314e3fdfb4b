import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addressBytes } from '../../src/address.js';
import {
  BATCH,
  ERR_INDEX,
  ERR_LENGTH,
  ERR_STATE,
  OK,
  PEER_MAX,
  SA_OUT,
  SA_SEQUENCE,
  SLOT_SIZE,
} from '../../src/packet/abi.js';
import { emit, TCP } from '../reference/packets.js';
import { concat, hex, pick, randomBytes, randomInteger } from '../support/bytes.js';
import { inner, SERVER, TestGateway, TestPeer } from '../support/gateway.js';
import { randomPacket } from '../support/generate.js';
import { collect } from '../support/kernel.js';
import { generator } from '../support/random.js';

const SEED = 7296;
const HOSTILE = 120_000;
const ELSEWHERE = '203.0.113.77:61000';

function ike(responderSpi: number, bytes = 60): Uint8Array {
  const message = new Uint8Array(4 + bytes);
  new DataView(message.buffer).setUint32(4, 0x1234_5678);
  new DataView(message.buffer).setUint32(4 + 12, responderSpi);
  return message;
}

test('packets pass both ways, for each client under its own keys', () => {
  const peers = [0, 1, 2].map(n => new TestPeer(n));
  const gateway = new TestGateway(...peers);
  for (const peer of peers) {
    const up = peer.up();
    const { device, counted } = gateway.receiveFrom(peer, peer.seal(up));
    assert.equal(device.map(hex), [hex(up)]);
    assert.equal(counted, { 'rx-packets': 1 });
    assert.is(gateway.received(peer.index), 1);
  }
  const down = peers.map(peer => peer.down());
  const { sent, counted } = gateway.transmit(...down);
  assert.equal(counted, { 'tx-packets': 3 });
  assert.equal(
    sent.map(({ peer }) => peer),
    peers.map(({ at }) => at),
  );
  sent.forEach(({ bytes }, i) => {
    assert.is(hex((peers[i] as TestPeer).open(bytes)), hex(down[i] as Uint8Array));
  });
});

test('a client reached over IPv6', () => {
  const peer = new TestPeer(0, '[2001:db8::5]:4500');
  const gateway = new TestGateway(peer);
  assert.is(gateway.transmit(peer.down()).sent[0]?.peer, '[2001:db8::5]:4500');
  assert.equal(gateway.receiveFrom(peer, peer.seal(peer.up())).moved, []);
  const to = '[2001:db8::6]:4500';
  assert.equal(gateway.receive([{ bytes: peer.seal(peer.up()), peer: to }]).moved, [[0, to]]);
  assert.is(gateway.transmit(peer.down()).sent[0]?.peer, to);
});

test('a client sends from its virtual address alone, and to the networks alone', () => {
  const [peer, other] = [new TestPeer(0), new TestPeer(1)];
  const gateway = new TestGateway(peer, other);
  for (const packet of [
    inner(other.address, SERVER),
    inner(SERVER, SERVER),
    inner('10.61.0.1', SERVER),
    inner(peer.address, '10.21.0.1'),
    inner(peer.address, other.address),
  ]) {
    const { device, counted } = gateway.receiveFrom(peer, peer.seal(packet));
    assert.equal([device, counted], [[], { 'rx-selector': 1 }]);
  }
  // The other way round too.
  assert.equal(gateway.transmit(inner('10.21.0.1', peer.address)).counted, { 'tx-source': 1 });
});

test('a client is reached where its newest authentic packet came from', () => {
  const peer = new TestPeer(0);
  const gateway = new TestGateway(peer);
  const from = (at: string, bytes: Uint8Array) => gateway.receive([{ bytes, peer: at }]);
  const held = peer.seal(peer.up());
  gateway.receiveFrom(peer, peer.seal(peer.up()));
  // A late one moves nothing, nor does one that is repeated, forged or of another source.
  assert.equal(from(ELSEWHERE, held).moved, []);
  assert.equal(from(ELSEWHERE, held).counted, { 'rx-replay': 1 });
  const forged = peer.seal(peer.up(), 1000n);
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
  assert.equal(from(ELSEWHERE, forged).counted, { 'rx-auth': 1 });
  assert.equal(from(ELSEWHERE, peer.seal(inner('10.61.0.9', SERVER))).counted, { 'rx-selector': 1 });
  assert.is(gateway.transmit(peer.down()).sent[0]?.peer, peer.at);

  const moved = from(ELSEWHERE, peer.seal(peer.up()));
  assert.equal(moved.moved, [[0, ELSEWHERE]]);
  assert.equal(moved.counted, { 'rx-packets': 1, 'session-moves': 1 });
  assert.equal(from(ELSEWHERE, peer.seal(peer.up())).moved, []);
  assert.is(gateway.transmit(peer.down()).sent[0]?.peer, ELSEWHERE);
  // Another port of the same address is another place.
  assert.equal(from('203.0.113.77:61001', peer.seal(peer.up())).moved, [[0, '203.0.113.77:61001']]);

  gateway.writeName('192.0.2.9:4500');
  assert.is(gateway.core.exports.gatewayPeerMove(0), OK);
  assert.is(gateway.transmit(peer.down()).sent[0]?.peer, '192.0.2.9:4500');
});

test('a packet for a client that moves or ends before it is sent goes where it was to go', () => {
  const peer = new TestPeer(0);
  const gateway = new TestGateway(peer);
  gateway.transmit(peer.down());
  gateway.core.exports.gatewayPeerRemove(0);
  assert.equal(
    collect(gateway.core, 1).map(message => message.peer),
    [peer.at],
  );
  assert.is(gateway.transmit(inner(SERVER, peer.address)).counted['tx-no-session'], 1);
});

test('what goes to nobody is counted', () => {
  const [peer, lonely] = [new TestPeer(0), new TestPeer(1)];
  const gateway = new TestGateway(peer);
  assert.is(gateway.install(lonely.index, lonely.address, lonely.at), OK);
  const big = new Uint8Array(9217);
  big.set(peer.down());
  const { sent, counted } = gateway.transmit(
    inner(SERVER, '10.62.0.2'),
    inner(SERVER, '10.61.0.77'),
    lonely.down(),
    Uint8Array.of(0x45, 0),
    big,
    emit({
      source: addressBytes('fd00::1'),
      destination: addressBytes('fd00::2'),
      protocol: TCP,
      transport: new Uint8Array(20),
    }),
  );
  assert.equal(sent, []);
  assert.equal(counted, {
    'tx-destination': 2,
    'tx-no-session': 1,
    'tx-no-tunnel': 1,
    'tx-malformed': 1,
    'tx-too-big': 1,
  });
});

test('an association that has been removed is not sent on, nor is another in its place', () => {
  const [peer, other] = [new TestPeer(0), new TestPeer(1)];
  const gateway = new TestGateway(peer);
  gateway.core.removeSa('out', 0);
  assert.equal(gateway.transmit(peer.down()).counted, { 'tx-no-tunnel': 1 });
  // Of the same peer, at the same place, but nobody said to use it.
  const { spi } = peer.toClient;
  const sa = { ...peer.toClient, spi: spi + 1, index: 0, path: 0, local: [], remote: [] };
  const any = [
    {
      family: 4 as const,
      protocol: 0,
      firstPort: 0,
      lastPort: 65535,
      first: '0.0.0.0',
      last: '255.255.255.255',
    },
  ];
  gateway.core.installSa({ ...sa, direction: 'out', local: any, remote: any });
  assert.equal(gateway.transmit(peer.down()).counted, { 'tx-no-tunnel': 1 });
  assert.is(gateway.install(1, other.address, other.at), OK);
  assert.is(gateway.core.exports.gatewayPeerSend(1, 0), ERR_STATE, 'it is not its association');
  assert.is(gateway.core.exports.gatewayPeerSend(0, 0), OK);
  assert.equal(gateway.transmit(peer.down()).counted, { 'tx-packets': 1 });
});

test('an association that has used up its sequence numbers sends no more', () => {
  const peer = new TestPeer(0);
  const gateway = new TestGateway(peer);
  gateway.core.view.setBigUint64(SA_OUT + SA_SEQUENCE, 0xffff_fffen, true);
  assert.equal(gateway.transmit(peer.down(), peer.down()).counted, {
    'tx-packets': 1,
    'tx-sequence-exhausted': 1,
  });
});

test('IKE goes to the control plane with its sender; floods of beginnings leave room for the rest', () => {
  const gateway = new TestGateway();
  const batch = [ike(0), ike(7), ike(0, 28), ike(9)].map((bytes, i) => ({ bytes, peer: `192.0.2.${i}:500` }));
  const { control, counted } = gateway.receive(batch);
  assert.equal(
    control.map(({ bytes, peer }) => [bytes.length, peer]),
    [
      [60, '192.0.2.0:500'],
      [60, '192.0.2.1:500'],
      [28, '192.0.2.2:500'],
      [60, '192.0.2.3:500'],
    ],
  );
  assert.equal(counted, { control: 4 });
  const flooded = gateway.receive(batch, { inits: 1 });
  assert.equal(
    flooded.control.map(({ peer }) => peer),
    ['192.0.2.0:500', '192.0.2.1:500', '192.0.2.3:500'],
  );
  assert.equal(flooded.counted, { control: 3, 'rx-control-full': 1 });
  assert.equal(gateway.receive(batch, { others: 0 }).counted, { control: 2, 'rx-control-full': 2 });
});

test('what is neither IKE nor ESP of a client', () => {
  const peer = new TestPeer(0);
  const gateway = new TestGateway(peer);
  const at = (bytes: Uint8Array) => ({ bytes, peer: ELSEWHERE });
  const { device, control, counted } = gateway.receive([
    at(Uint8Array.of(0xff)),
    at(Uint8Array.of(0xfe)),
    at(new Uint8Array(0)),
    at(new Uint8Array(31)),
    at(new Uint8Array(SLOT_SIZE)),
    at(concat(Uint8Array.of(0x70, 0, 0, 9), new Uint8Array(60))),
  ]);
  assert.equal([device, control], [[], []]);
  assert.equal(counted, { keepalives: 1, 'rx-short': 3, 'rx-truncated': 1, 'rx-unknown-spi': 1 });
  // The peer has gone, its association not yet.
  gateway.core.exports.gatewayPeerRemove(0);
  assert.equal(gateway.receiveFrom(peer, peer.seal(peer.up())).counted, { 'rx-not-for-us': 1 });
});

test("TCP's MSS is clamped both ways", () => {
  const peer = new TestPeer(0);
  const gateway = new TestGateway(peer);
  const syn = (source: string, destination: string) => {
    const transport = concat(new Uint8Array(20), Uint8Array.of(2, 4, 5, 180));
    transport[12] = 0x60;
    transport[13] = 2;
    return emit({
      source: addressBytes(source),
      destination: addressBytes(destination),
      protocol: TCP,
      transport,
    });
  };
  const mss = (packet: Uint8Array) => new DataView(packet.buffer, packet.byteOffset).getUint16(42);
  const [up] = gateway.receiveFrom(peer, peer.seal(syn(peer.address, SERVER))).device;
  assert.is(mss(up as Uint8Array), 1300);
  const [down] = gateway.transmit(syn(SERVER, peer.address)).sent;
  assert.is(mss(peer.open(down?.bytes ?? new Uint8Array())), 1300);
});

test('peers have places and addresses of their own', () => {
  const gateway = new TestGateway();
  const { exports } = gateway.core;
  assert.is(gateway.install(3, '10.61.0.5', ELSEWHERE), OK);
  assert.is(gateway.install(3, '10.61.0.6', ELSEWHERE), ERR_STATE);
  assert.is(gateway.install(4, '10.61.0.5', ELSEWHERE), ERR_STATE);
  assert.is(gateway.install(4, '10.62.0.5', ELSEWHERE), ERR_INDEX);
  assert.is(gateway.install(PEER_MAX, '10.61.0.6', ELSEWHERE), ERR_INDEX);
  assert.is(exports.gatewayPeerMove(4), ERR_INDEX);
  assert.is(exports.gatewayPeerMove(PEER_MAX), ERR_INDEX);
  assert.is(exports.gatewayPeerSend(3, 0), ERR_STATE);
  assert.is(exports.gatewayPeerSend(3, 1024), ERR_INDEX);
  assert.is(exports.gatewayPeerRemove(4), ERR_INDEX);
  assert.is(exports.gatewayPeerRemove(PEER_MAX), ERR_INDEX);
  assert.is(exports.gatewayPeerRemove(3), OK);
  assert.is(gateway.install(PEER_MAX - 1, '10.61.0.5', ELSEWHERE), OK, 'the address is free again');
  assert.is(exports.gatewayReceive(BATCH + 1, 0, 0), ERR_LENGTH);
  assert.is(exports.gatewayTransmit(BATCH + 1), ERR_LENGTH);
  assert.is(exports.gatewayInit(0, 0, 0, 11, 1300), ERR_LENGTH);
});

test(`${HOSTILE} hostile datagrams: each is counted once, none gets through or moves a client`, () => {
  const random = generator(SEED);
  const peers = [0, 1, 2].map(n => new TestPeer(n));
  const gateway = new TestGateway(...peers);
  for (const peer of peers) gateway.receiveFrom(peer, peer.seal(peer.up()));
  const records = peers.map(({ index }) => hex(gateway.record(index)));
  const valid = peers.map(peer => peer.seal(peer.up(), 5000n));
  const damaged = () => {
    const datagram = pick(random, valid).slice();
    const at = randomInteger(random, 0, datagram.length - 1);
    datagram[at] = (datagram[at] ?? 0) ^ (1 << randomInteger(random, 0, 7));
    return random() < 0.3 ? datagram.subarray(0, randomInteger(random, 0, datagram.length)) : datagram;
  };
  const noise = () => {
    const bytes = randomBytes(random, randomInteger(random, 0, 120));
    // Some for an association that there is.
    if (random() < 0.5) bytes.set(pick(random, valid).subarray(0, Math.min(8, bytes.length)));
    return bytes;
  };
  for (let done = 0; done < HOSTILE; done += BATCH) {
    const batch = Array.from({ length: BATCH }, () => ({
      bytes: random() < 0.5 ? damaged() : noise(),
      peer: `203.0.113.${randomInteger(random, 1, 254)}:${randomInteger(random, 1, 65535)}`,
    }));
    const { device, moved, counted } = gateway.receive(batch);
    assert.is(device.length, 0);
    assert.is(moved.length, 0);
    assert.is(
      Object.values(counted).reduce((sum, value) => sum + value, 0),
      BATCH,
      JSON.stringify(counted),
    );
  }
  assert.equal(
    peers.map(({ index }) => hex(gateway.record(index))),
    records,
  );
  // All of them still work.
  for (const [i, peer] of peers.entries()) {
    assert.is(gateway.receiveFrom(peer, valid[i] as Uint8Array).device.length, 1);
  }
});

test(`${HOSTILE} random packets from the device: each is sent or counted once`, () => {
  const random = generator(SEED);
  const peer = new TestPeer(0);
  const gateway = new TestGateway(peer);
  for (let done = 0; done < HOSTILE; done += BATCH) {
    const packets = Array.from({ length: BATCH }, () => {
      const packet = emit(randomPacket(random, random() < 0.7 ? 4 : 6));
      if (random() < 0.3) packet.set(addressBytes(peer.address), 16);
      if (random() < 0.1) packet[randomInteger(random, 0, 19)] = randomInteger(random, 0, 255);
      return random() < 0.1 ? packet.subarray(0, randomInteger(random, 0, packet.length)) : packet;
    });
    const { sent, counted } = gateway.transmit(...packets);
    assert.is(sent.length, counted['tx-packets'] ?? 0);
    assert.is(
      Object.values(counted).reduce((sum, value) => sum + value, 0),
      BATCH,
    );
  }
});

test.run();
