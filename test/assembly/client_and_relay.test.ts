import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addressBytes } from '../../src/address.js';
import { EVENT_PROBE_REPLY, OK, OWN_MESSAGE } from '../../src/packet/abi.js';
import { emit } from '../reference/packets.js';
import { TestClient } from '../support/client.js';
import { randomPacket } from '../support/generate.js';
import type { Datagram } from '../support/kernel.js';
import { generator } from '../support/random.js';
import { RelayServer, SERVER, type Session, session } from '../support/relay_server.js';
import { Gateway, RELAY, RELAY_PORT, Relay } from '../support/tunnels.js';

const SEED = 5944;
const DEVICE = addressBytes('192.168.77.2');
const UDP = 17;

/** The core as a client and the core as a relay server, joined by two reference gateways. */
class World {
  readonly random = generator(SEED);
  readonly client = new TestClient();
  readonly server = new RelayServer();
  readonly session: Session;
  readonly gateways: Gateway[];

  constructor(mode: 'clear' | 'sealed' | 'ipip') {
    this.session = session(5, { mode });
    const { core } = this.client;
    core.setDeviceAddresses(DEVICE.join('.'));
    core.setControlAddresses('192.0.0.2');
    core.setRelay({ address: RELAY.join('.'), port: RELAY_PORT });
    this.gateways = [0, 1].map(path => {
      const gateway = new Gateway(path, addressBytes(`10.6${path}.0.7`), this.random);
      core.setVirtualAddresses(path, gateway.virtual.join('.'));
      this.client.install('in', gateway.toClient, { path });
      this.client.install('out', gateway.fromClient, { path });
      return gateway;
    });
    const { index: sessionIndex, ...keys } = this.session;
    core.bindRelay({ ...keys, mode, clientPort: new Relay(this.random).clientPort, sessionIndex });
    core.activate(0, 1);
    if (this.server.install(this.session) !== OK) throw new Error('install');
  }

  /** Where the server takes the session to be: a virtual address. */
  get sessionAddress(): string | undefined {
    return this.server.info(this.session.index)?.path?.split(':')[0];
  }

  /** The client's datagrams through a path's gateway into the server. */
  toServer(path: number, ...datagrams: Uint8Array[]) {
    const packets = datagrams.map(datagram => (this.gateways[path] as Gateway).open(datagram));
    if (packets.every(packet => packet[9] !== UDP)) return this.server.receiveIpip(...packets);
    return this.server.receive(
      ...packets.map(packet => ({
        bytes: packet.subarray(28),
        peer: `${packet.subarray(12, 16).join('.')}:${((packet[20] ?? 0) << 8) | (packet[21] ?? 0)}`,
      })),
    );
  }

  /** The server's messages, by the gateway whose virtual address they go to, into the client. */
  toClient(messages: readonly Datagram[], raw: readonly Datagram[] = []) {
    const wrapped = messages.map(({ bytes, peer }) => {
      const [address = '', port] = peer.split(':');
      const packet = new Relay(this.random).wrap(addressBytes(address), bytes);
      new DataView(packet.buffer).setUint16(22, Number(port));
      return packet;
    });
    // The kernel puts the outer header in front of what goes to the raw socket.
    const encapsulated = raw.map(({ bytes, peer }) =>
      new Relay(this.random).sendIpip(addressBytes(peer.split(':')[0] ?? ''), bytes),
    );
    const datagrams = [...wrapped, ...encapsulated].map(packet => {
      const virtual = packet.subarray(16, 20);
      const gateway = this.gateways.find(one => Buffer.from(one.virtual).equals(virtual));
      return (gateway as Gateway).seal(packet);
    });
    return this.client.receive(0, ...datagrams);
  }

  /** Packets from the device to the server's network and back. */
  converse(path: number, rounds: number): void {
    const lease = addressBytes(this.session.lease);
    const host = addressBytes(SERVER);
    for (let i = 0; i < rounds; i++) {
      const packet = { ...randomPacket(this.random, 4), destination: host };
      const sent = this.client.transmit(emit({ ...packet, source: DEVICE }));
      assert.equal(
        this.toServer(path, ...sent).toDevice,
        [emit({ ...packet, source: lease })],
        `packet ${i} up`,
      );
      const { udp, raw } = this.server.transmit(emit({ ...packet, source: host, destination: lease }));
      const { device } = this.toClient(udp, raw);
      assert.equal(device, [emit({ ...packet, source: host, destination: DEVICE })], `packet ${i} down`);
    }
  }

  /** A probe over a path and its answer. */
  probe(path: number, id: number): void {
    assert.is(this.client.core.exports.clientProbe(path, id, 7, 9, false), OK);
    const { replies } = this.toServer(path, this.client.message(OWN_MESSAGE));
    const { events } = this.toClient(replies);
    assert.equal(events, [{ kind: EVENT_PROBE_REPLY, path, a: id, b: 0, c: (9n << 32n) | 7n }]);
  }
}

for (const mode of ['clear', 'sealed'] as const) {
  test(`${mode}: client and server understand each other, over a change of path too`, () => {
    const world = new World(mode);
    world.converse(0, 300);
    assert.is(world.sessionAddress, '10.60.0.7');
    world.client.core.activate(1, 2);
    world.converse(1, 300);
    assert.is(world.sessionAddress, '10.61.0.7');
  });
}

for (const mode of ['clear', 'sealed', 'ipip'] as const) {
  test(`${mode}: a probe over the active path moves the session, one over another does not`, () => {
    const world = new World(mode);
    world.probe(0, 1);
    assert.is(world.sessionAddress, '10.60.0.7');
    world.probe(1, 2);
    assert.is(world.sessionAddress, '10.60.0.7');
    world.client.core.activate(1, 2);
    world.probe(0, 3);
    assert.is(world.sessionAddress, '10.60.0.7');
    world.probe(1, 4);
    assert.is(world.sessionAddress, '10.61.0.7');
    world.probe(0, 5);
    assert.is(world.sessionAddress, '10.61.0.7');
  });
}

test('ipip: packets pass once a probe has shown the path, and again after the probe on the next', () => {
  const world = new World('ipip');
  world.probe(0, 1);
  world.converse(0, 300);
  world.client.core.activate(1, 2);
  world.probe(1, 2);
  world.converse(1, 300);
});

test.run();
