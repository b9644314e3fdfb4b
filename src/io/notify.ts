/** Telling the service manager how a service fares: sd_notify(3), datagrams to the socket that NOTIFY_SOCKET names. */
import { check, close, MSG_DONTWAIT, NativeMemory, O_CLOEXEC, sendto, socket } from './libc.js';
import { AF_UNIX, unixAddress } from './sockaddr.js';

const SOCK_DGRAM = 2;
const MSG_NOSIGNAL = 0x4000;
const STATE_MAX = 1024;

export class NotifySocket {
  readonly #fd = check(socket(AF_UNIX, SOCK_DGRAM | O_CLOEXEC, 0), 'open a socket to the service manager');
  readonly #address: NativeMemory;
  readonly #state = new NativeMemory(STATE_MAX);

  /** `name`: a path, or "@" and a name in the abstract name space. */
  constructor(name: string) {
    const address = unixAddress(name);
    this.#address = new NativeMemory(address.length);
    this.#address.bytes.set(address);
  }

  /** Tells assignments, as in "READY=1"; false when that was not taken, which nobody waits for. */
  tell(...assignments: string[]): boolean {
    const { written } = new TextEncoder().encodeInto(assignments.join('\n'), this.#state.bytes);
    const { address, bytes } = this.#address;
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    return sendto(this.#fd, this.#state.address, written, flags, address, bytes.length) >= 0;
  }

  close(): void {
    close(this.#fd);
  }
}
