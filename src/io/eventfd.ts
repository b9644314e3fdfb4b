/** An eventfd(2): how one thread wakes another that waits in poll. */
import {
  check,
  close,
  EAGAIN,
  errno,
  eventfd,
  NativeMemory,
  O_CLOEXEC,
  O_NONBLOCK,
  read,
  systemCallError,
  write,
} from './libc.js';

export class EventFd {
  readonly fd: number;
  readonly #word = new NativeMemory(8);

  /** Without `fd` a new one; with it, another thread's, which closes it. */
  constructor(fd: number = check(eventfd(0, O_CLOEXEC | O_NONBLOCK), 'eventfd')) {
    this.fd = fd;
  }

  /** Makes the descriptor readable. Many signals before a drain count as one. */
  signal(): void {
    this.#word.view.setBigUint64(0, 1n, true);
    // EAGAIN: the count is at its maximum, so the descriptor is readable already.
    if (write(this.fd, this.#word.address, 8) < 0 && errno() !== EAGAIN)
      throw systemCallError('write to eventfd');
  }

  /** Makes it unreadable again. Look for what was signalled after this, not before: so no signal is lost. */
  drain(): void {
    read(this.fd, this.#word.address, 8);
  }

  close(): void {
    close(this.fd);
  }
}
