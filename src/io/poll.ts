/** poll(2) over a fixed number of slots; an empty slot costs next to nothing. */
import { check, EINTR, errno, NativeMemory, poll, ppoll } from './libc.js';

export const POLLIN = 0x1;
export const POLLOUT = 0x4;
export const POLLERR = 0x8;
export const POLLHUP = 0x10;
export const POLLNVAL = 0x20;

const POLLFD_SIZE = 8;
/** struct timespec: seconds and nanoseconds. */
const TIMESPEC_SIZE = 16;
const EMPTY = -1;

export class PollSet {
  readonly #slots: number;
  readonly #memory: NativeMemory;
  readonly #timeout = new NativeMemory(TIMESPEC_SIZE);

  constructor(slots: number) {
    this.#slots = slots;
    this.#memory = new NativeMemory(slots * POLLFD_SIZE);
    for (let slot = 0; slot < slots; slot++) this.clear(slot);
  }

  /** Watches `fd` for `events`; POLLERR, POLLHUP and POLLNVAL are always reported. */
  watch(slot: number, fd: number, events: number): void {
    this.#memory.view.setInt32(slot * POLLFD_SIZE, fd, true);
    this.#memory.view.setInt16(slot * POLLFD_SIZE + 4, events, true);
    this.#memory.view.setInt16(slot * POLLFD_SIZE + 6, 0, true);
  }

  clear(slot: number): void {
    this.watch(slot, EMPTY, 0);
  }

  /** Waits until a slot is ready or `timeoutMs` are over (-1: never over). A signal ends the wait early. */
  wait(timeoutMs: number): void {
    this.#waited(poll(this.#memory.address, this.#slots, timeoutMs));
  }

  /** As `wait`, with a timeout that may have a fraction (below 2^32 ms) and is kept to the timer slack of the thread. */
  waitPrecisely(timeoutMs: number): void {
    this.#waited(ppoll(this.#memory.address, this.#slots, this.#timespec(timeoutMs), 0));
  }

  /** Waits like `waitPrecisely`, whatever becomes ready in the meantime. */
  sleepPrecisely(timeoutMs: number): void {
    ppoll(this.#memory.address, 0, this.#timespec(timeoutMs), 0);
  }

  #timespec(ms: number): number {
    const seconds = Math.floor(ms / 1e3);
    this.#timeout.view.setUint32(0, seconds, true);
    this.#timeout.view.setUint32(8, Math.min(999_999_999, Math.floor((ms - seconds * 1e3) * 1e6)), true);
    return this.#timeout.address;
  }

  #waited(ready: number): void {
    if (ready >= 0) return;
    if (errno() !== EINTR) check(ready, 'poll');
    for (let slot = 0; slot < this.#slots; slot++)
      this.#memory.view.setInt16(slot * POLLFD_SIZE + 6, 0, true);
  }

  /** What the last wait found. */
  ready(slot: number): number {
    return this.#memory.view.getInt16(slot * POLLFD_SIZE + 6, true);
  }
}
