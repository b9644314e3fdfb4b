/**
 * The relay's part of the packet core, with so many sessions: what it costs to take a packet from the network to the device, and
 * one from the device to the network. Packets are spread over all sessions in random order, which is the worst case for the
 * processor's caches.
 */
import { randomBytes } from 'node:crypto';
import { ipv4Number } from '../../address.js';
import { BatchIo } from '../../dataplane/batch.js';
import type { Endpoint } from '../../ike/api.js';
import { SERVER_ADDRESS } from '../../lab/index.js';
import {
  BATCH,
  MMSG_FLAGS,
  MMSG_LENGTH,
  MMSG_SIZE,
  NAME_SIZE,
  OK,
  POOL_MAX,
  RELAY_DATA,
  RELAY_HEADER,
  RELAY_MODE_CLEAR,
  RELAY_SEALED_KEY,
  RESULT_TO_DEVICE,
  RX_MMSG,
  RX_NAMES,
  RX_SLOTS,
  SCRATCH,
  SESSION_INDEX_MASK,
  SESSION_MAX,
  SLOT_HEADROOM,
  SLOT_SIZE,
  TX_LENGTHS,
  TX_SLOTS,
} from '../../packet/abi.js';
import { PacketCore } from '../../packet/core.js';
import { timed } from '../stopwatch.js';

export const DIRECTIONS = ['to-server', 'to-client'] as const;
export type RelayDirection = (typeof DIRECTIONS)[number];

/** 10.0.0.0/12, the largest pool; in host order. */
const POOL = 0x0a000000;
const POOL_PREFIX = 32 - Math.log2(POOL_MAX);
export const CLIENT_POOL = `10.0.0.0/${POOL_PREFIX}`;
const MAX_SEGMENT = 1300;
/** The sessions' common key: what is measured does not depend on it. Above all that the core itself uses. */
const KEY = 0xc000000;
const SERVER = ipv4Number(SERVER_ADDRESS);
const IPV4_HEADER = 20;
const IPV4_CHECKSUM = 10;
const IPV4_SOURCE = 12;
const IPV4_DESTINATION = 16;
const IPV4_UDP = 17;
const UDP_DESTINATION = IPV4_HEADER + 2;
const UDP_LENGTH = IPV4_HEADER + 4;
export const DISCARD_PORT = 9;
const AF_INET = 2;

export class RelayCore {
  readonly io = new BatchIo(new PacketCore());
  readonly #core = this.io.core;
  readonly #bytes: number;
  readonly #gateway: Endpoint | undefined;
  /** By session: index, lease, packets received so far. */
  readonly #indices: Uint32Array;
  readonly #leases: Uint32Array;
  readonly #sequences: Uint32Array;

  /** `bytes`: of a packet. `gateway`: from where all packets come; made-up addresses without it. */
  constructor(sessions: number, bytes: number, gateway?: Endpoint) {
    const { exports, bytes: memory } = this.#core;
    this.#bytes = bytes;
    this.#gateway = gateway;
    this.#indices = new Uint32Array(sessions);
    this.#leases = new Uint32Array(sessions);
    this.#sequences = new Uint32Array(sessions);
    mustBeOk(
      'relayInit',
      exports.relayInit(...halves(this.io.base), swapped(POOL), POOL_PREFIX, MAX_SEGMENT),
    );
    memory.set(randomBytes(RELAY_SEALED_KEY), KEY);
    // The places of the sessions in the tables are as random as their indices, their leases follow each other.
    const places = shuffled(SESSION_MAX);
    for (let i = 0; i < sessions; i++) {
      const index = (((i + 1) * (SESSION_INDEX_MASK + 1)) | (places[i] ?? 0)) >>> 0;
      this.#indices[i] = index;
      this.#leases[i] = POOL + 1 + i;
      for (const key of [SCRATCH, SCRATCH + RELAY_SEALED_KEY]) {
        memory.copyWithin(key, KEY, KEY + RELAY_SEALED_KEY);
      }
      const lease = swapped(this.#leases[i] ?? 0);
      mustBeOk('relaySessionInstall', exports.relaySessionInstall(index, RELAY_MODE_CLEAR, lease));
    }
    for (let slot = 0; slot < BATCH; slot++) this.#layOut(slot);
    this.#hearFromAll();
  }

  get sessions(): number {
    return this.#indices.length;
  }

  /** Nanoseconds for one packet of a batch whose sessions are chosen at random, without system calls. */
  batch(direction: RelayDirection): number {
    const { exports } = this.#core;
    for (let slot = 0; slot < BATCH; slot++) {
      if (direction === 'to-server') this.#datagram(slot, this.#anySession());
      else this.#packet(slot, this.#anySession());
    }
    const handle = direction === 'to-server' ? exports.relayReceive : exports.relayTransmit;
    let handled = 0;
    const microseconds = timed(() => {
      handled = handle(BATCH);
    });
    if (direction === 'to-server') handled = this.#core.view.getUint32(RESULT_TO_DEVICE, true);
    if (handled !== BATCH) throw new Error(`the relay dropped ${BATCH - handled} packets`);
    return (microseconds * 1000) / BATCH;
  }

  /** The next datagram of one of the clients; it is good until the next call. */
  nextDatagram(): Uint8Array {
    const p = transmittedPacket(0);
    this.#protect(p, this.#anySession());
    return this.#core.bytes.subarray(p - RELAY_HEADER, p + this.#bytes);
  }

  /** The address of one of the clients. */
  anyLease(): string {
    const lease = this.#leases[this.#anySession()] ?? 0;
    return [24, 16, 8, 0].map(shift => (lease >>> shift) & 255).join('.');
  }

  #anySession(): number {
    return Math.floor(Math.random() * this.sessions);
  }

  /** Every session gets a path, as there is none before its first packet. */
  #hearFromAll(): void {
    const sessions = this.#indices.length;
    for (let first = 0; first < sessions; first += BATCH) {
      const count = Math.min(BATCH, sessions - first);
      for (let slot = 0; slot < count; slot++) this.#datagram(slot, first + slot);
      this.#core.exports.relayReceive(count);
    }
  }

  /** What is the same in every packet of a slot. */
  #layOut(slot: number): void {
    const { view } = this.#core;
    for (const p of [receivedPacket(slot), transmittedPacket(slot)]) {
      view.setUint16(p, 0x4500);
      view.setUint16(p + 2, this.#bytes);
      view.setUint16(p + 8, (64 << 8) | IPV4_UDP);
      view.setUint32(p + IPV4_SOURCE, SERVER);
      view.setUint32(p + IPV4_DESTINATION, SERVER);
      view.setUint16(p + UDP_DESTINATION, DISCARD_PORT);
      view.setUint16(p + UDP_LENGTH, this.#bytes - IPV4_HEADER);
    }
  }

  /** Puts a client's next datagram into slot `slot` of a receive batch. */
  #datagram(slot: number, session: number): void {
    const { view } = this.#core;
    this.#protect(receivedPacket(slot), session);
    const message = RX_MMSG + slot * MMSG_SIZE;
    view.setUint32(message + MMSG_LENGTH, this.#bytes + RELAY_HEADER, true);
    view.setUint32(message + MMSG_FLAGS, 0, true);
    // A sockaddr_in: each client has its own, behind one of the gateways.
    const name = RX_NAMES + slot * NAME_SIZE;
    view.setUint16(name, AF_INET, true);
    if (this.#gateway === undefined) {
      view.setUint16(name + 2, 1024 + (session % 60_000));
      view.setUint32(name + 4, POOL + (session & 3));
    } else {
      view.setUint16(name + 2, this.#gateway.port);
      view.setUint32(name + 4, ipv4Number(this.#gateway.address));
    }
  }

  /** Makes the packet at `p` the session's next one, with the relay's header in front. */
  #protect(p: number, session: number): void {
    const { view, exports } = this.#core;
    view.setUint32(p + IPV4_SOURCE, this.#leases[session] ?? 0);
    view.setUint16(p + IPV4_CHECKSUM, 0);
    view.setUint16(p + IPV4_CHECKSUM, exports.checksum(p, IPV4_HEADER), true);
    const sequence = (this.#sequences[session] ?? 0) + 1;
    this.#sequences[session] = sequence;
    const index = this.#indices[session] ?? 0;
    exports.relayProtect(RELAY_MODE_CLEAR, p, this.#bytes, RELAY_DATA, index, 0, BigInt(sequence), KEY);
  }

  /** Puts a server's packet for a client into slot `slot` of a transmit batch. */
  #packet(slot: number, session: number): void {
    const { view } = this.#core;
    view.setUint32(transmittedPacket(slot) + IPV4_DESTINATION, this.#leases[session] ?? 0);
    view.setUint32(TX_LENGTHS + 4 * slot, this.#bytes, true);
  }
}

const receivedPacket = (slot: number) => RX_SLOTS + slot * SLOT_SIZE + SLOT_HEADROOM + RELAY_HEADER;
const transmittedPacket = (slot: number) => TX_SLOTS + slot * SLOT_SIZE + SLOT_HEADROOM;

/** The lower and the upper 32 bits. */
function halves(address: number): [number, number] {
  return [address % 2 ** 32, Math.floor(address / 2 ** 32)];
}

/** An IPv4 address in host order as the core loads it from a packet. */
function swapped(address: number): number {
  return new DataView(Uint32Array.of(address).buffer).getUint32(0);
}

/** The numbers below `count` in random order (Fisher-Yates). */
function shuffled(count: number): Uint32Array {
  const numbers = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [numbers[i], numbers[j]] = [numbers[j] ?? 0, numbers[i] ?? 0];
  }
  return numbers;
}

function mustBeOk(call: string, status: number): void {
  if (status !== OK) throw new Error(`${call} returned ${status}`);
}
