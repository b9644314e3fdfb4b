/** poll(2) over a fixed number of slots; an empty slot costs next to nothing. */
import { check, EINTR, errno, NativeMemory, poll } from './libc.js';

export const POLLIN = 0x1;
export const POLLOUT = 0x4;
export const POLLERR = 0x8;
export const POLLHUP = 0x10;
export const POLLNVAL = 0x20;

const POLLFD_SIZE = 8;
const EMPTY = -1;

export class PollSet {
  readonly #slots: number;
  readonly #memory: NativeMemory;

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
    const ready = poll(this.#memory.address, this.#slots, timeoutMs);
    if (ready < 0) {
      if (errno() !== EINTR) check(ready, 'poll');
      for (let slot = 0; slot < this.#slots; slot++)
        this.#memory.view.setInt16(slot * POLLFD_SIZE + 6, 0, true);
    }
  }

  /** What the last wait found. */
  ready(slot: number): number {
    return this.#memory.view.getInt16(slot * POLLFD_SIZE + 6, true);
  }
}
