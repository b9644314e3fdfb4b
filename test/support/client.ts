// A packet core in the client's role, driven with whole packets and datagrams.
import {
  COUNTER_CONTROL,
  COUNTER_DRAINS,
  COUNTER_KEEPALIVES,
  COUNTER_PROBE_REPLIES,
  COUNTER_RX_PACKETS,
  COUNTER_TX_PACKETS,
  COUNTERS,
  EVENT_SIZE,
  EVENTS,
  IOVEC_SIZE,
  MMSG_FLAGS,
  MMSG_LENGTH,
  MMSG_SIZE,
  RESULT_EVENTS,
  RESULT_TO_CONTROL,
  RESULT_TO_DEVICE,
  RX_MMSG,
  RX_SLOTS,
  SA_CONTEXTS,
  SA_IN,
  SA_INDEX_MASK,
  SA_RECORD_SIZE,
  SLOT_HEADROOM,
  SLOT_SIZE,
  TO_CONTROL,
  TO_DEVICE,
  TX_IOV,
  TX_LENGTHS,
  TX_MMSG,
  TX_SLOTS,
} from '../../src/packet/abi.js';
import { PacketCore, type Selector } from '../../src/packet/core.js';
import { counterIndices, isDrop } from '../../src/packet/counters.js';
import type { EspSa } from '../reference/esp.js';

/** Stands for the address of the memory in the process. */
const BASE = 0x7f12_3456_0000n;

export interface Received {
  device: Uint8Array[];
  control: Uint8Array[];
  events: { kind: number; path: number; a: number; b: number; c: bigint }[];
}

export const anySelector = (family: 4 | 6): Selector => ({
  family,
  protocol: 0,
  firstPort: 0,
  lastPort: 65535,
  first: family === 4 ? '0.0.0.0' : '::',
  last: family === 4 ? '255.255.255.255' : 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
});

export const ANY = [anySelector(4), anySelector(6)];

/** What each counter must add up to: every packet and datagram handed in is one of these, once. */
const OUTCOMES_TX = [COUNTER_TX_PACKETS];
const OUTCOMES_RX = [
  COUNTER_RX_PACKETS,
  COUNTER_KEEPALIVES,
  COUNTER_CONTROL,
  COUNTER_PROBE_REPLIES,
  COUNTER_DRAINS,
];

export class TestClient {
  readonly core = new PacketCore();

  constructor() {
    this.core.initClient(BASE);
  }

  /** Installs the reference's association in both directions or one, for a path. */
  install(
    direction: 'in' | 'out',
    sa: EspSa,
    options: { path?: number; index?: number } & Partial<Selectors> = {},
  ): void {
    const { path = 0, index = sa.spi & 1023, local = ANY, remote = ANY } = options;
    this.core.installSa({ direction, index, path, local, remote, ...sa });
    if (direction === 'out') this.core.setPath(path, index);
  }

  /** Hands a batch of device packets to the core. Returns the datagrams that it wants sent. */
  transmit(...packets: Uint8Array[]): Uint8Array[] {
    packets.forEach((packet, i) => {
      this.core.bytes.set(packet, TX_SLOTS + i * SLOT_SIZE + SLOT_HEADROOM);
      this.core.view.setUint32(TX_LENGTHS + i * 4, packet.length, true);
    });
    const messages = this.core.exports.clientTransmit(packets.length);
    return Array.from({ length: messages }, (_, i) => this.message(i));
  }

  /** The datagram that message `index` of TX_MMSG describes, as the system would read it. */
  message(index: number): Uint8Array {
    const { view } = this.core;
    const header = TX_MMSG + index * MMSG_SIZE;
    const iov = Number(view.getBigUint64(header + 16, true) - BASE);
    if (view.getBigUint64(header, true) !== 0n || view.getUint32(header + 8, true) !== 0)
      throw new Error('a name');
    if (view.getBigUint64(header + 24, true) !== 1n || iov !== TX_IOV + index * IOVEC_SIZE)
      throw new Error('iovec');
    if (view.getBigUint64(header + 32, true) !== 0n || view.getBigUint64(header + 40, true) !== 0n) {
      throw new Error('control data');
    }
    const address = Number(view.getBigUint64(iov, true) - BASE);
    return this.core.bytes.slice(address, address + Number(view.getBigUint64(iov + 8, true)));
  }

  /** Hands a batch of datagrams from the path's socket to the core. */
  receive(path: number, ...datagrams: Uint8Array[]): Received {
    const { bytes, view } = this.core;
    datagrams.forEach((datagram, i) => {
      bytes.set(datagram, RX_SLOTS + i * SLOT_SIZE + SLOT_HEADROOM);
      view.setUint32(RX_MMSG + i * MMSG_SIZE + MMSG_LENGTH, datagram.length, true);
      view.setUint32(RX_MMSG + i * MMSG_SIZE + MMSG_FLAGS, 0, true);
    });
    const packets = this.core.exports.clientReceive(path, datagrams.length);
    if (packets !== view.getUint32(RESULT_TO_DEVICE, true))
      throw new Error(`clientReceive returned ${packets}`);
    return {
      device: this.#list(TO_DEVICE, packets),
      control: this.#list(TO_CONTROL, view.getUint32(RESULT_TO_CONTROL, true)),
      events: Array.from({ length: view.getUint32(RESULT_EVENTS, true) }, (_, i) => {
        const at = EVENTS + i * EVENT_SIZE;
        return {
          kind: view.getUint32(at, true),
          path: view.getUint32(at + 4, true),
          a: view.getUint32(at + 8, true),
          b: view.getUint32(at + 12, true),
          c: view.getBigUint64(at + 16, true),
        };
      }),
    };
  }

  /** Counters that changed while `act` ran, by name; byte counters left out. */
  changes(act: () => void): Record<string, number> {
    const before = this.core.counters();
    act();
    const after = this.core.counters();
    return Object.fromEntries(
      Object.entries(after)
        .map(([name, value]): [string, number] => [name, value - (before[name] ?? 0)])
        .filter(([name, value]) => value !== 0 && !name.endsWith('-bytes')),
    );
  }

  /** Packets (`tx`) or datagrams (`rx`) accounted for so far: delivered or dropped. */
  accounted(direction: 'tx' | 'rx'): number {
    let sum = 0;
    for (const [name, index] of counterIndices) {
      const outcome = (direction === 'tx' ? OUTCOMES_TX : OUTCOMES_RX).includes(index);
      const dropped = isDrop(index) && name.startsWith('tx-') === (direction === 'tx');
      if (outcome || dropped) sum += Number(this.core.view.getBigUint64(COUNTERS + index * 8, true));
    }
    return sum;
  }

  /** A copy of an inbound association's record, window included. */
  inboundRecord(sa: EspSa): Uint8Array {
    const at = SA_IN + (sa.spi & SA_INDEX_MASK) * SA_RECORD_SIZE;
    return this.core.bytes.slice(at, at + SA_RECORD_SIZE);
  }

  /** Where `bytes` are in the part of the memory that this client uses, or -1. */
  findInCore(bytes: Uint8Array): number {
    return Buffer.from(this.core.bytes.buffer, 0, SA_CONTEXTS).indexOf(bytes);
  }

  #list(at: number, length: number): Uint8Array[] {
    return Array.from({ length }, (_, i) => {
      const address = this.core.view.getUint32(at + i * 8, true);
      return this.core.bytes.slice(address, address + this.core.view.getUint32(at + i * 8 + 4, true));
    });
  }
}

interface Selectors {
  local: readonly Selector[];
  remote: readonly Selector[];
}
