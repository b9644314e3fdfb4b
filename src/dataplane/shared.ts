/** Memory that both threads see, so that counting and giving credit need no message. */
import { COUNTERS_MAX, PATH_MAX } from '../packet/abi.js';

/**
 * Reports of one kind that may wait in the main thread's queue at once. Beyond that the worker drops them, so that
 * nobody who sends faster than the main thread works can fill its memory.
 */
export const REPORTS_MAX = 64;
/** Each path's IKE datagrams have a queue of their own; all other reports share one. */
export const EVENT_QUEUE = PATH_MAX;
/** A gateway's IKE datagrams: those that begin an IKE SA, which anybody can send, and all others. */
export const INIT_QUEUE = 0;
export const SESSION_QUEUE = 1;
export const QUEUES = PATH_MAX + 1;

/** u64 counters, then u32 reports taken from each queue since the start, then the u32 OFFLOAD_ bits in use, then u32 turns of the worker. */
export class SharedState {
  readonly buffer: SharedArrayBuffer;
  /** A snapshot that the worker renews after every turn. */
  readonly counters: BigUint64Array;
  readonly #taken: Uint32Array;
  readonly #offloads: Uint32Array;
  readonly #turns: Uint32Array;

  constructor(buffer = new SharedArrayBuffer(COUNTERS_MAX * 8 + (QUEUES + 2) * 4)) {
    this.buffer = buffer;
    this.counters = new BigUint64Array(buffer, 0, COUNTERS_MAX);
    this.#taken = new Uint32Array(buffer, COUNTERS_MAX * 8, QUEUES);
    this.#offloads = new Uint32Array(buffer, COUNTERS_MAX * 8 + QUEUES * 4, 1);
    this.#turns = new Uint32Array(buffer, COUNTERS_MAX * 8 + (QUEUES + 1) * 4, 1);
  }

  /** The worker's OFFLOAD_ bits. */
  get offloads(): number {
    return Atomics.load(this.#offloads, 0);
  }

  set offloads(bits: number) {
    Atomics.store(this.#offloads, 0, bits);
  }

  /** Turns of the worker's loop so far, modulo 2^32. */
  get turns(): number {
    return Atomics.load(this.#turns, 0);
  }

  /** The worker has gone round its loop. */
  turned(): void {
    Atomics.add(this.#turns, 0, 1);
  }

  /** The main thread has dealt with a report of this queue. */
  take(queue: number): void {
    Atomics.add(this.#taken, queue, 1);
  }

  /** Reports taken so far, modulo 2^32. */
  taken(queue: number): number {
    return Atomics.load(this.#taken, queue);
  }
}
