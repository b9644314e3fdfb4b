/** Hears of changes in the system's network as the kernel makes them, without asking again and again. */
import { constants } from 'node:os';
import {
  bind,
  check,
  close,
  EAGAIN,
  EINTR,
  ENOBUFS,
  errno,
  F_GETFL,
  F_SETFL,
  F_SETOWN,
  F_SETSIG,
  fcntl,
  NativeMemory,
  O_ASYNC,
  O_CLOEXEC,
  O_NONBLOCK,
  read,
  socket,
} from './libc.js';
import {
  type NetworkEvent,
  parseNotifications,
  RTMGRP_IPV4_IFADDR,
  RTMGRP_IPV4_ROUTE,
  RTMGRP_IPV6_IFADDR,
  RTMGRP_IPV6_ROUTE,
  RTMGRP_LINK,
} from './rtnetlink.js';

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_ROUTE = 0;
/** struct sockaddr_nl: u16 family, u16 zero, u32 port (0: the kernel chooses), u32 groups. */
const SOCKADDR_NL = 12;
const GROUPS = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE;
/** The kernel makes no larger datagram of notifications. */
const BUFFER_SIZE = 64 << 10;

/**
 * Node's event loop cannot wait for a netlink socket, and a thread that does would cost some megabytes. So the kernel
 * signals what arrives: by SIGURG, which ends nobody who does not listen for it.
 */
const SIGNAL = 'SIGURG';

export class NetworkMonitor {
  readonly #fd: number;
  readonly #memory = new NativeMemory(BUFFER_SIZE);
  readonly #listener: (events: readonly NetworkEvent[]) => void;
  readonly #onSignal = () => this.#drain();
  #stopped = false;

  /** Tells `listener` from now on, in the namespace that the process is in. */
  constructor(listener: (events: readonly NetworkEvent[]) => void) {
    this.#listener = listener;
    this.#fd = check(socket(AF_NETLINK, SOCK_RAW | O_NONBLOCK | O_CLOEXEC, NETLINK_ROUTE), 'netlink socket');
    process.on(SIGNAL, this.#onSignal);
    try {
      const { view, address } = new NativeMemory(SOCKADDR_NL);
      view.setUint16(0, AF_NETLINK, true);
      view.setUint32(8, GROUPS, true);
      check(bind(this.#fd, address, SOCKADDR_NL), 'bind a netlink socket');
      check(fcntl(this.#fd, F_SETOWN, process.pid), 'fcntl F_SETOWN');
      check(fcntl(this.#fd, F_SETSIG, constants.signals[SIGNAL]), 'fcntl F_SETSIG');
      const flags = check(fcntl(this.#fd, F_GETFL, 0), 'fcntl F_GETFL');
      check(fcntl(this.#fd, F_SETFL, flags | O_ASYNC), 'fcntl F_SETFL');
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    close(this.#fd);
    process.off(SIGNAL, this.#onSignal);
  }

  /** One signal may stand for many datagrams, or, from elsewhere, for none. */
  #drain(): void {
    const events: NetworkEvent[] = [];
    for (;;) {
      const size = read(this.#fd, this.#memory.address, BUFFER_SIZE);
      if (size > 0) {
        events.push(...parseNotifications(this.#memory.bytes.subarray(0, size)));
        continue;
      }
      const reason = size === 0 ? EAGAIN : errno();
      if (reason === EINTR) continue;
      // ENOBUFS: the kernel had more to say than it had room for. What came after that can be read.
      if (reason !== EAGAIN) events.push({ type: 'overrun' });
      if (reason !== ENOBUFS) break;
    }
    if (events.length > 0) this.#listener(events);
  }
}
