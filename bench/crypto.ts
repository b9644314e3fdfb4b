// How long one packet takes in the ciphers of the packet core, of node:crypto and of @noble/ciphers, on one core.
//
// 1. All three seal and open the same batch of packets; the results must be equal.
// 2. They seal and open it in turn, again and again, so that what else the machine does slows all three; the median round of
//    each counts.
// The core works in place, as in the data plane; the other two return new buffers and need an object per packet.
import { cpus } from 'node:os';
import { AEAD_CONTEXT_SIZE, BATCH, SLOT_SIZE } from '../src/packet/abi.js';
import { PacketCore } from '../src/packet/core.js';
import { nobleAead, nodeOpen, nodeSeal, SUITES, type Suite } from '../test/support/aead.js';
import { randomBytes } from '../test/support/bytes.js';
import { generator } from '../test/support/random.js';

const SIZES = [64, 576, 1400, 9000];
const MS_EACH = 120;
const MIN_ROUNDS = 15;

const core = new PacketCore();
// Above all that the core itself uses.
const KEY = 0x8000000;
const CONTEXT = KEY + 4096;
const SLOTS = CONTEXT + 2 * AEAD_CONTEXT_SIZE;
/** In a slot: 4 bytes SPI, 4 bytes sequence number, 8 bytes IV, the packet. */
const AAD_BYTES = 8;
const DATA_OFFSET = 16;

interface Packet {
  nonce: Uint8Array;
  aad: Uint8Array;
  plaintext: Uint8Array;
  sealed: Uint8Array;
}

interface Implementation {
  name: string;
  /** Puts packets in place, outside of the time measured. */
  prepare(side: 'plaintext' | 'sealed'): void;
  seal(): void;
  open(): void;
  /** What the last call made. */
  result(index: number, length: number): Uint8Array;
}

function makePackets(suite: Suite, key: Uint8Array, size: number): Packet[] {
  const random = generator(size);
  const salt = randomBytes(random, 4);
  return Array.from({ length: BATCH }, (_, index) => {
    const nonce = new Uint8Array(12);
    nonce.set(salt);
    new DataView(nonce.buffer).setUint32(8, index);
    const aad = randomBytes(random, AAD_BYTES);
    const plaintext = randomBytes(random, size);
    return { nonce, aad, plaintext, sealed: Uint8Array.from(nodeSeal(suite, key, nonce, aad, plaintext)) };
  });
}

function inCore(suite: Suite, key: Uint8Array, packets: readonly Packet[], size: number): Implementation {
  const { bytes, exports } = core;
  const first = packets[0] as Packet;
  bytes.set(key, KEY);
  bytes.set(first.nonce.subarray(0, 4), KEY + key.length);
  exports.aeadInstall(suite.code, CONTEXT, KEY);
  return {
    name: 'core',
    prepare(side) {
      packets.forEach((packet, index) => {
        const slot = SLOTS + index * SLOT_SIZE;
        bytes.set(packet.aad, slot);
        bytes.set(packet.nonce.subarray(4), slot + AAD_BYTES);
        bytes.set(packet[side], slot + DATA_OFFSET);
      });
    },
    seal() {
      for (let slot = SLOTS; slot < SLOTS + BATCH * SLOT_SIZE; slot += SLOT_SIZE) {
        exports.aeadSeal(suite.code, CONTEXT, slot + AAD_BYTES, slot, AAD_BYTES, slot + DATA_OFFSET, size);
      }
    },
    open() {
      for (let slot = SLOTS; slot < SLOTS + BATCH * SLOT_SIZE; slot += SLOT_SIZE) {
        const aad = slot + AAD_BYTES;
        if (exports.aeadOpen(suite.code, CONTEXT, aad, slot, AAD_BYTES, slot + DATA_OFFSET, size) === 0) {
          throw new Error('a tag is wrong');
        }
      }
    },
    result(index, length) {
      const at = SLOTS + index * SLOT_SIZE + DATA_OFFSET;
      return bytes.subarray(at, at + length);
    },
  };
}

/** An implementation that returns buffers. */
function returning(
  name: string,
  packets: readonly Packet[],
  seal: (packet: Packet) => Uint8Array,
  open: (packet: Packet) => Uint8Array,
): Implementation {
  const results: Uint8Array[] = packets.map(packet => packet.plaintext);
  return {
    name,
    prepare() {},
    seal() {
      packets.forEach((packet, index) => {
        results[index] = seal(packet);
      });
    },
    open() {
      packets.forEach((packet, index) => {
        results[index] = open(packet);
      });
    },
    result: index => results[index] as Uint8Array,
  };
}

function implementations(suite: Suite, key: Uint8Array, packets: Packet[], size: number): Implementation[] {
  return [
    inCore(suite, key, packets, size),
    returning(
      'node:crypto',
      packets,
      ({ nonce, aad, plaintext }) => nodeSeal(suite, key, nonce, aad, plaintext),
      ({ nonce, aad, sealed }) => nodeOpen(suite, key, nonce, aad, sealed),
    ),
    returning(
      'noble',
      packets,
      ({ nonce, aad, plaintext }) => nobleAead(suite, key, nonce, aad).encrypt(plaintext),
      ({ nonce, aad, sealed }) => nobleAead(suite, key, nonce, aad).decrypt(sealed),
    ),
  ];
}

function check(implementation: Implementation, packets: readonly Packet[]): void {
  for (const [action, from, to] of [
    ['seal', 'plaintext', 'sealed'],
    ['open', 'sealed', 'plaintext'],
  ] as const) {
    implementation.prepare(from);
    implementation[action]();
    packets.forEach((packet, index) => {
      if (Buffer.compare(implementation.result(index, packet[to].length), packet[to]) !== 0) {
        throw new Error(`${implementation.name}: ${action} of ${packet.plaintext.length} bytes is wrong`);
      }
    });
  }
}

/** Microseconds for one packet with each implementation, in the median round. */
function measure(each: readonly Implementation[], action: 'seal' | 'open'): number[] {
  const times = each.map((): number[] => []);
  const started = performance.now();
  for (let round = 0; round < MIN_ROUNDS || performance.now() - started < MS_EACH * each.length; round++) {
    each.forEach((implementation, index) => {
      implementation.prepare(action === 'seal' ? 'plaintext' : 'sealed');
      const before = performance.now();
      implementation[action]();
      times[index]?.push(((performance.now() - before) * 1000) / BATCH);
    });
  }
  return times.map(list => list.sort((a, b) => a - b)[list.length >> 1] as number);
}

console.log(
  `${cpus()[0]?.model.trim()}, Node ${process.versions.node}; one core, median round, us for a packet (MB/s)\n`,
);
const columns = ['suite', 'bytes', '', 'core', 'node:crypto', 'noble', 'x node', 'x noble'];
const widths = [18, 5, 4, 16, 16, 16, 6, 7];
const print = (cells: readonly string[]): void => {
  const padded = cells.map((cell, i) =>
    (i === 0 || i === 2 ? cell.padEnd : cell.padStart).call(cell, widths[i] ?? 0),
  );
  console.log(padded.join('  ').trimEnd());
};
print(columns);
for (const suite of SUITES) {
  const key = randomBytes(generator(suite.code), suite.keyBytes);
  for (const size of SIZES) {
    const packets = makePackets(suite, key, size);
    const each = implementations(suite, key, packets, size);
    for (const implementation of each) check(implementation, packets);
    for (const action of ['seal', 'open'] as const) {
      const times = measure(each, action);
      const [ours, node, noble] = times as [number, number, number];
      print([
        suite.name,
        String(size),
        action,
        ...times.map(us => `${us.toFixed(2)} (${(size / us).toFixed(0).padStart(4)})`),
        (node / ours).toFixed(2),
        (noble / ours).toFixed(1),
      ]);
    }
  }
}
