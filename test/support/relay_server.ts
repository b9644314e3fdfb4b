// The relay server's side of the packet core, driven as its data plane would, without sockets.
import {
  COUNTERS,
  COUNTERS_MAX,
  EVENT_SIZE,
  EVENTS,
  RELAY_KEY,
  RELAY_SEALED_KEY,
  RESULT_EVENTS,
  RESULT_NEXT,
  RESULT_RAW,
  RESULT_REPLIES,
  RESULT_TO_DEVICE,
  SESSION_INFO_EPOCH,
  SESSION_INFO_PATH,
  SESSION_INFO_RECEIVED,
  SLOT_HEADROOM,
  SLOT_SIZE,
  TO_DEVICE,
  TX_LENGTHS,
  TX_RAW_MMSG,
  TX_SLOTS,
} from '../../src/packet/abi.js';
import { PacketCore, RELAY_MODES } from '../../src/packet/core.js';
import { counterIndices } from '../../src/packet/counters.js';
import { emit, UDP } from '../reference/packets.js';
import { encodeRelay, type RelayPacket } from '../reference/relay.js';
import { randomBytes } from './bytes.js';
import { BASE, collect, type Datagram, deliver, peerOf } from './kernel.js';
import { generator } from './random.js';

export interface Event {
  kind: number;
  session: number;
  epoch: number;
  path: string;
}

export interface Received {
  toDevice: Uint8Array[];
  events: Event[];
  replies: Datagram[];
  /** Counters that grew, by name. */
  counted: Record<string, number>;
}

export interface Session {
  index: number;
  mode?: keyof typeof RELAY_MODES;
  /** Dotted IPv4 address. */
  lease: string;
  /** The client's keys. */
  sendKey: Uint8Array;
  receiveKey: Uint8Array;
}

export function address4(text: string): Uint8Array {
  return Uint8Array.from(text.split('.').map(Number));
}

/** An IPv4 address as the core loads it from a packet. */
export function loaded(text: string): number {
  return new DataView(address4(text).buffer).getUint32(0, true);
}

export class RelayServer {
  readonly core = new PacketCore();

  constructor(pool = '10.30.200.0', prefix = 24, maxSegment = 1300) {
    const status = this.core.exports.relayInit(
      Number(BASE & 0xffff_ffffn),
      Number(BASE >> 32n),
      loaded(pool),
      prefix,
      maxSegment,
    );
    if (status !== 0) throw new Error(`relayInit: ${status}`);
  }

  install(session: Session): number {
    const { index, mode = 'clear', lease, sendKey, receiveKey } = session;
    this.core.writeSessionKeys(mode, sendKey, receiveKey);
    return this.core.exports.relaySessionInstall(index, RELAY_MODES[mode], loaded(lease));
  }

  /** Datagrams of the data socket. */
  receive(...datagrams: Datagram[]): Received {
    return this.#received(() => {
      deliver(this.core, datagrams);
      this.core.exports.relayReceive(datagrams.length);
    });
  }

  /** Packets of the raw socket. */
  receiveIpip(...packets: Uint8Array[]): Received {
    return this.#received(() => {
      // The kernel names the sender also where a test has cut the header off.
      const source = (bytes: Uint8Array) =>
        bytes.length < 16 ? '10.61.0.1' : bytes.subarray(12, 16).join('.');
      const datagrams = packets.map(bytes => ({ bytes, peer: `${source(bytes)}:0` }));
      deliver(this.core, datagrams);
      this.core.exports.relayReceiveIpip(datagrams.length);
    });
  }

  /** Packets of the device. */
  transmit(...packets: Uint8Array[]): { udp: Datagram[]; raw: Datagram[]; counted: Record<string, number> } {
    const before = this.counters();
    const udp = collect(this.core, this.transmitOnly(...packets));
    const raw = collect(this.core, this.#u32(RESULT_RAW), TX_RAW_MMSG);
    return { udp, raw, counted: this.#changes(before) };
  }

  /** As `transmit`, but leaves the messages, whose number it returns, where they are. */
  transmitOnly(...packets: Uint8Array[]): number {
    packets.forEach((bytes, i) => {
      this.core.bytes.set(bytes, TX_SLOTS + i * SLOT_SIZE + SLOT_HEADROOM);
      this.core.view.setUint32(TX_LENGTHS + i * 4, bytes.length, true);
    });
    return this.core.exports.relayTransmit(packets.length);
  }

  drain(first: number): { messages: Datagram[]; next: number } {
    const messages = collect(this.core, this.core.exports.relayDrain(first));
    return { messages, next: this.#u32(RESULT_NEXT) };
  }

  info(index: number): { received: number; epoch: number; path: string | undefined } | undefined {
    if (this.core.exports.relaySessionInfo(index) !== 0) return undefined;
    const path = this.core.bytes.slice(SESSION_INFO_PATH, SESSION_INFO_PATH + 16);
    return {
      received: Number(this.core.view.getBigUint64(SESSION_INFO_RECEIVED, true)),
      epoch: this.#u32(SESSION_INFO_EPOCH),
      path: path.every(byte => byte === 0) ? undefined : peerOf(path),
    };
  }

  counters(): BigUint64Array {
    return new BigUint64Array(this.core.bytes.slice(COUNTERS, COUNTERS + COUNTERS_MAX * 8).buffer);
  }

  #received(run: () => void): Received {
    const before = this.counters();
    run();
    return {
      toDevice: Array.from({ length: this.#u32(RESULT_TO_DEVICE) }, (_, i) => {
        const address = this.#u32(TO_DEVICE + i * 8);
        return this.core.bytes.slice(address, address + this.#u32(TO_DEVICE + i * 8 + 4));
      }),
      events: Array.from({ length: this.#u32(RESULT_EVENTS) }, (_, i) => {
        const event = EVENTS + i * EVENT_SIZE;
        return {
          kind: this.#u32(event),
          session: this.#u32(event + 4),
          epoch: this.#u32(event + 12),
          path: peerOf(this.core.bytes.slice(event + 16, event + 32)),
        };
      }),
      replies: collect(this.core, this.#u32(RESULT_REPLIES)),
      counted: this.#changes(before),
    };
  }

  #changes(before: BigUint64Array): Record<string, number> {
    const after = this.counters();
    const changes = [...counterIndices].map(([name, index]): [string, number] => [
      name,
      Number((after[index] ?? 0n) - (before[index] ?? 0n)),
    ]);
    return Object.fromEntries(changes.filter(([, change]) => change !== 0));
  }

  #u32(at: number): number {
    return this.core.view.getUint32(at, true);
  }
}

/** The client's end of a session: numbers its packets. */
export class RelayPeer {
  readonly session: Session;
  epoch = 0;
  sequence = 0n;

  constructor(session: Session) {
    this.session = session;
  }

  /** A packet with the next sequence number, unless another is given. */
  packet(type: number, payload: Uint8Array, changes: Partial<RelayPacket> = {}): Uint8Array {
    const sequence = changes.sequence ?? ++this.sequence;
    return encodeRelay(
      { type, payload, epoch: this.epoch, session: this.session.index, ...changes, sequence },
      this.session.sendKey,
    );
  }
}

/** A host behind the relay. */
export const SERVER = '10.30.0.1';

/** Session number `n` (from 1): its lease is that address of the pool. */
export function session(n: number, changes: Partial<Session> = {}): Session {
  const random = generator(n);
  const size = changes.mode === 'sealed' ? RELAY_SEALED_KEY : RELAY_KEY;
  return {
    index: (0x5a00_0000 + 0x20000 * n + n) >>> 0,
    lease: `10.30.200.${n}`,
    sendKey: randomBytes(random, size),
    receiveKey: randomBytes(random, size),
    ...changes,
  };
}

/** A server with these sessions (or session 1), and their clients. */
export function setUp(...sessions: Session[]): {
  server: RelayServer;
  clients: RelayPeer[];
  client: RelayPeer;
} {
  const server = new RelayServer();
  const clients = (sessions.length === 0 ? [session(1)] : sessions).map(one => {
    if (server.install(one) !== 0) throw new Error('install');
    return new RelayPeer(one);
  });
  return { server, clients, client: clients[0] as RelayPeer };
}

/** A UDP packet. */
export function inner(source: string, destination: string, bytes = 100): Uint8Array {
  const transport = randomBytes(generator(bytes), 8 + bytes);
  return emit({ source: address4(source), destination: address4(destination), protocol: UDP, transport });
}

/** A packet from the client's lease, and one to it. */
export const up = (client: RelayPeer): Uint8Array => inner(client.session.lease, SERVER);
export const down = (client: RelayPeer): Uint8Array => inner(SERVER, client.session.lease);
