/**
 * One direction of a line. A frame, from one TAP device to the other:
 *
 *   1. is read into a slot of the pool that all lanes share;
 *   2. is lost, or waits for its turn where there is a rate;
 *   3. gets the time when it is due: turn + delay + jitter, never before the frame in front of it;
 *   4. is written when that time has come, and its slot is free again.
 *
 * The slots of the frames on their way and their times stand in rings; nothing is allocated for a frame.
 */
import { NativeMemory, read, write } from '../../io/libc.js';
import {
  ARRIVED,
  BLACKHOLE,
  BYTES_PER_MS,
  DELAY,
  DELIVERED,
  JITTER,
  LATE,
  LATEST,
  type LaneMemory,
  LOSS,
  LOST,
  OVERFLOWED,
  QUEUE,
  REFUSED,
} from './settings.js';

/** Frames on their way in all lanes together: at 1 Gbit/s, 190 ms of full frames. A power of two. */
const SLOTS = 16_384;
const MASK = SLOTS - 1;
/** The slot that is never taken: frames that there is no room for are read into it. */
const WASTE = SLOTS - 1;
/** Bytes: an Ethernet frame of the usual MTU, and some. */
const SLOT_SIZE = 2048;
/** Frames that are read from one lane before the others have their turn. */
const BATCH = 64;

/** A delay is kept when it is not exceeded by more than this. */
const LATE_MS = 1;

const ETHERTYPE = 12;
const ARP = 0x0806;

/** Slots for frames. The one that was freed last is used first, while it is still in the processor's cache. */
export class Pool {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly #free = new Int32Array(SLOTS);
  #count = WASTE;

  constructor() {
    const memory = new NativeMemory(SLOTS * SLOT_SIZE);
    this.address = memory.address;
    this.bytes = memory.bytes;
    for (let index = 0; index < WASTE; index++) this.#free[index] = WASTE - 1 - index;
  }

  /** The number of a free slot; WASTE when there is none. */
  take(): number {
    return this.#count === 0 ? WASTE : (this.#free[--this.#count] ?? WASTE);
  }

  give(slot: number): void {
    if (slot !== WASTE) this.#free[this.#count++] = slot;
  }
}

export class Lane {
  readonly from: number;
  readonly #to: number;
  readonly #memory: LaneMemory;
  readonly #pool: Pool;
  readonly #slots = new Int32Array(SLOTS);
  readonly #sizes = new Int32Array(SLOTS);
  readonly #due = new Float64Array(SLOTS);
  /** Frames delivered and frames accepted so far; their difference is on its way. */
  #head = 0;
  #tail = 0;
  /** When the frame that was accepted last has left the queue, and when it is due. */
  #busyUntil = 0;
  #lastDue = 0;
  readonly #fates: Int32Array;

  /** `from` and `to`: descriptors of TAP devices. */
  constructor(options: { from: number; to: number; memory: LaneMemory; pool: Pool; seed: number }) {
    this.from = options.from;
    this.#to = options.to;
    this.#memory = options.memory;
    this.#pool = options.pool;
    // Two generators, so that a jitter does not change which frames are lost.
    this.#fates = new Int32Array([scramble(options.seed), scramble(options.seed + 1)]);
  }

  /** When the next frame is due; Infinity when none is on its way. */
  get due(): number {
    return this.#head === this.#tail ? Number.POSITIVE_INFINITY : (this.#due[this.#head & MASK] ?? 0);
  }

  /** Takes in what has arrived, at most a batch, as of `now`; returns how many frames. */
  accept(now: number): number {
    const pool = this.#pool;
    let count = 0;
    for (; count < BATCH; count++) {
      const slot = pool.take();
      const at = slot * SLOT_SIZE;
      const size = read(this.from, pool.address + at, SLOT_SIZE);
      if (size <= 0) {
        pool.give(slot);
        break;
      }
      this.#add(ARRIVED);
      const vanishes = this.#vanishes(at);
      if (!vanishes && slot !== WASTE && this.#enqueue(slot, size, now)) continue;
      pool.give(slot);
      this.#add(vanishes ? LOST : OVERFLOWED);
    }
    return count;
  }

  /** Delivers the frames that are due at `now`; returns how many. */
  deliver(now: number): number {
    const pool = this.#pool;
    const first = this.#head;
    while (this.#head !== this.#tail) {
      const place = this.#head & MASK;
      const due = this.#due[place] ?? 0;
      if (due > now) break;
      this.#head++;
      const slot = this.#slots[place] ?? 0;
      const written = write(this.#to, pool.address + slot * SLOT_SIZE, this.#sizes[place] ?? 0);
      pool.give(slot);
      this.#add(written < 0 ? REFUSED : DELIVERED);
      if (now - due > LATE_MS) this.#late(now - due);
    }
    return this.#head - first;
  }

  /** Broadcast and multicast, ARP among it, are no part of the traffic: they always pass a loss. */
  #vanishes(at: number): boolean {
    const { bytes } = this.#pool;
    const type = ((bytes[at + ETHERTYPE] ?? 0) << 8) | (bytes[at + ETHERTYPE + 1] ?? 0);
    if (type === ARP) return false;
    if (this.#memory[BLACKHOLE] === 1) return true;
    const loss = this.#memory[LOSS] ?? 0;
    return loss > 0 && ((bytes[at] ?? 0) & 1) === 0 && this.#random(0) < loss;
  }

  #enqueue(slot: number, size: number, now: number): boolean {
    const memory = this.#memory;
    const turn = Math.max(now, this.#busyUntil);
    if (turn - now > (memory[QUEUE] ?? 0)) return false;
    const sent = turn + size / (memory[BYTES_PER_MS] ?? 1);
    const jitter = memory[JITTER] ?? 0;
    const late = jitter === 0 ? 0 : jitter * this.#random(1);
    const due = Math.max(this.#lastDue, sent + (memory[DELAY] ?? 0) + late);
    this.#busyUntil = sent;
    this.#lastDue = due;
    const place = this.#tail++ & MASK;
    this.#slots[place] = slot;
    this.#sizes[place] = size;
    this.#due[place] = due;
    return true;
  }

  #late(ms: number): void {
    this.#add(LATE);
    if (ms > (this.#memory[LATEST] ?? 0)) this.#memory[LATEST] = ms;
  }

  #add(counter: number): void {
    this.#memory[counter] = (this.#memory[counter] ?? 0) + 1;
  }

  /** The next number of a generator (xorshift32, Marsaglia 2003), from 0 to below 1. */
  #random(generator: number): number {
    let state = this.#fates[generator] ?? 1;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#fates[generator] = state;
    return (state >>> 0) / 2 ** 32;
  }
}

/** A state for xorshift32 from any seed: neighbouring seeds give unrelated ones, and never 0. */
function scramble(seed: number): number {
  let state = Math.imul((seed | 0) + 0x9e3779b9, 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return state ^ (state >>> 16) || 1;
}
