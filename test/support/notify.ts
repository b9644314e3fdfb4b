/** The service manager's end of sd_notify(3). */
import { bind, check, close, NativeMemory, O_CLOEXEC, O_NONBLOCK, read, socket } from '../../src/io/libc.js';
import { AF_UNIX, unixAddress } from '../../src/io/sockaddr.js';

const SOCK_DGRAM = 2;

export class NotifyListener {
  readonly #fd = check(socket(AF_UNIX, SOCK_DGRAM | O_NONBLOCK | O_CLOEXEC, 0), 'socket');
  readonly #memory = new NativeMemory(4096);

  /** As in NOTIFY_SOCKET. */
  constructor(name: string) {
    const bytes = unixAddress(name);
    const address = new NativeMemory(bytes.length);
    address.bytes.set(bytes);
    check(bind(this.#fd, address.address, bytes.length), 'bind');
  }

  /** What has arrived since the last call, a text for each datagram. */
  take(): string[] {
    const texts: string[] = [];
    for (;;) {
      const size = read(this.#fd, this.#memory.address, 4096);
      if (size < 0) return texts;
      texts.push(new TextDecoder().decode(this.#memory.bytes.subarray(0, size)));
    }
  }

  close(): void {
    close(this.#fd);
  }
}
