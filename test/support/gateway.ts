// The gateway's side of the packet core, driven as its data plane would, without sockets; and a client of it.
import { addressBytes } from '../../src/address.js';
import {
  EVENT_PEER_MOVED,
  EVENT_SIZE,
  EVENTS,
  OK,
  PEER_RECEIVED,
  PEER_SIZE,
  PEERS,
  RESULT_EVENTS,
  RESULT_TO_CONTROL,
  RESULT_TO_DEVICE,
  RX_NAMES,
  RX_SLOTS,
  SA_INDEX_MASK,
  SCRATCH,
  SLOT_HEADROOM,
  SLOT_SIZE,
  TO_CONTROL,
  TO_DEVICE,
  TX_LENGTHS,
  TX_SLOTS,
} from '../../src/packet/abi.js';
import { PacketCore, type Selector } from '../../src/packet/core.js';
import { type EspOptions, type EspSa, IPV4, openEsp, SUITES, sealEsp } from '../reference/esp.js';
import { emit, UDP } from '../reference/packets.js';
import { randomBytes } from './bytes.js';
import { BASE, collect, type Datagram, deliver, peerOf, sockaddr } from './kernel.js';
import { generator } from './random.js';
import { loaded } from './relay_server.js';

export const SERVER = '10.20.0.9';
const NAME = 32;

const range = (first: string, last: string): Selector => ({
  family: 4,
  protocol: 0,
  firstPort: 0,
  lastPort: 65535,
  first,
  last,
});
export const NETWORKS = [range('10.20.0.0', '10.20.255.255')];

export interface Received {
  device: Uint8Array[];
  control: Datagram[];
  /** Peers that moved, and where. */
  moved: [peer: number, to: string][];
  counted: Record<string, number>;
}

/** Number `n` (from 0) of a gateway's clients. */
export class TestPeer {
  readonly index: number;
  readonly address: string;
  readonly at: string;
  readonly fromClient: EspSa;
  readonly toClient: EspSa;
  sequence = 0n;

  constructor(n: number, at = `198.51.100.${n + 1}:${4500 + n}`) {
    const random = generator(n + 1);
    const suite = SUITES[n % SUITES.length] as EspSa['suite'];
    const key = () => randomBytes(random, suite === 'aes128gcm16' ? 20 : 36);
    this.index = n;
    this.address = `10.61.0.${n + 2}`;
    this.at = at;
    this.fromClient = { suite, spi: 0x7000_0000 + n, key: key() };
    this.toClient = { suite, spi: 0x5000_0000 + 2048 * n, key: key() };
  }

  /** An ESP packet with the next sequence number, unless another is given. */
  seal(payload: Uint8Array, sequence = ++this.sequence, options: EspOptions = {}): Uint8Array {
    return sealEsp(this.fromClient, { sequence, nextHeader: IPV4, payload }, options);
  }

  /** What an ESP packet for the client carries. */
  open(datagram: Uint8Array): Uint8Array {
    return openEsp(this.toClient, datagram).payload;
  }

  /** A packet from the client to the server, and one back. */
  up(bytes = 100): Uint8Array {
    return inner(this.address, SERVER, bytes);
  }

  down(bytes = 100): Uint8Array {
    return inner(SERVER, this.address, bytes);
  }
}

/** A UDP packet. */
export function inner(source: string, destination: string, bytes = 100): Uint8Array {
  const transport = randomBytes(generator(bytes), 8 + bytes);
  const [from, to] = [addressBytes(source), addressBytes(destination)];
  return emit({ source: from, destination: to, protocol: UDP, transport });
}

export class TestGateway {
  readonly core = new PacketCore();

  constructor(...peers: TestPeer[]) {
    const base = [Number(BASE & 0xffff_ffffn), Number(BASE >> 32n)] as const;
    if (this.core.exports.gatewayInit(...base, loaded('10.61.0.0'), 24, 1300) !== OK) throw new Error('init');
    for (const peer of peers) this.add(peer);
  }

  /** Installs a peer with an association each way. */
  add(peer: TestPeer): void {
    if (this.install(peer.index, peer.address, peer.at) !== OK) throw new Error('peer');
    this.associate(peer);
  }

  install(index: number, address: string, at: string): number {
    this.writeName(at);
    return this.core.exports.gatewayPeerInstall(index, loaded(address));
  }

  associate({ index, address, fromClient, toClient }: TestPeer): void {
    const common = { path: index, local: NETWORKS, remote: [range(address, address)] };
    const inbound = fromClient.spi & SA_INDEX_MASK;
    this.core.installSa({ ...common, direction: 'in', index: inbound, ...fromClient });
    this.core.installSa({ ...common, direction: 'out', index, ...toClient });
    if (this.core.exports.gatewayPeerSend(index, index) !== OK) throw new Error('send');
  }

  writeName(at: string): void {
    this.core.bytes.fill(0, SCRATCH, SCRATCH + NAME);
    this.core.bytes.set(sockaddr(at), SCRATCH);
  }

  received(peer: number): number {
    return Number(this.core.view.getBigUint64(PEERS + peer * PEER_SIZE + PEER_RECEIVED, true));
  }

  record(peer: number): Uint8Array {
    return this.core.bytes.slice(PEERS + peer * PEER_SIZE, PEERS + (peer + 1) * PEER_SIZE);
  }

  receive(datagrams: readonly Datagram[], credits: { inits?: number; others?: number } = {}): Received {
    const { inits = 64, others = 64 } = credits;
    const before = this.core.counters();
    deliver(this.core, datagrams);
    const packets = this.core.exports.gatewayReceive(datagrams.length, inits, others);
    if (packets !== this.#u32(RESULT_TO_DEVICE)) throw new Error(`gatewayReceive returned ${packets}`);
    const control = this.#list(TO_CONTROL, this.#u32(RESULT_TO_CONTROL)).map(({ at, bytes }) => {
      const name = RX_NAMES + Math.floor((at - RX_SLOTS) / SLOT_SIZE) * NAME;
      return { bytes, peer: peerOf(this.core.bytes.subarray(name, name + NAME)) };
    });
    return {
      device: this.#list(TO_DEVICE, packets).map(({ bytes }) => bytes),
      control,
      moved: Array.from({ length: this.#u32(RESULT_EVENTS) }, (_, i): [number, string] => {
        const event = EVENTS + i * EVENT_SIZE;
        if (this.#u32(event) !== EVENT_PEER_MOVED) throw new Error('another event');
        return [this.#u32(event + 4), peerOf(this.core.bytes.subarray(event + 16, event + EVENT_SIZE))];
      }),
      counted: this.#changes(before),
    };
  }

  /** From one peer, where it is. */
  receiveFrom(peer: TestPeer, ...datagrams: Uint8Array[]): Received {
    return this.receive(datagrams.map(bytes => ({ bytes, peer: peer.at })));
  }

  transmit(...packets: Uint8Array[]): { sent: Datagram[]; counted: Record<string, number> } {
    const before = this.core.counters();
    packets.forEach((bytes, i) => {
      this.core.bytes.set(bytes, TX_SLOTS + i * SLOT_SIZE + SLOT_HEADROOM);
      this.core.view.setUint32(TX_LENGTHS + i * 4, bytes.length, true);
    });
    const sent = collect(this.core, this.core.exports.gatewayTransmit(packets.length));
    return { sent, counted: this.#changes(before) };
  }

  /** Counters that grew, by name; byte counters left out. */
  #changes(before: Record<string, number>): Record<string, number> {
    const grown = Object.entries(this.core.counters())
      .map(([name, value]): [string, number] => [name, value - (before[name] ?? 0)])
      .filter(([name, value]) => value !== 0 && !name.endsWith('-bytes'));
    return Object.fromEntries(grown);
  }

  #list(list: number, length: number): { at: number; bytes: Uint8Array }[] {
    return Array.from({ length }, (_, i) => {
      const at = this.#u32(list + i * 8);
      return { at, bytes: this.core.bytes.slice(at, at + this.#u32(list + i * 8 + 4)) };
    });
  }

  #u32(at: number): number {
    return this.core.view.getUint32(at, true);
  }
}
