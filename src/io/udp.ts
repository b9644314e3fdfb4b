/** UDP sockets: opening them, and what is not done once per packet. Batches go through `libc.ts` directly. */
import { VpnrError } from '../errors.js';
import type { Endpoint } from '../ike/api.js';
import {
  bind,
  check,
  close,
  connect,
  EAGAIN,
  EMSGSIZE,
  errno,
  errnoName,
  getsockname,
  getsockopt,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  NativeMemory,
  O_CLOEXEC,
  O_NONBLOCK,
  recvmsg,
  sendto,
  setsockopt,
  socket,
  systemCallError,
} from './libc.js';
import { setReceiveOffload } from './offloads.js';
import {
  AF_INET,
  addressFamily,
  formatEndpoint,
  readSockaddr,
  SOCKADDR_MAX,
  writeSockaddr,
} from './sockaddr.js';

const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const IPPROTO_IP = 0;
const IP_MTU_DISCOVER = 10;
const IP_RECVERR = 11;
const IP_PMTUDISC_OMIT = 5;
const IPPROTO_IPV6 = 41;
const IPV6_MTU_DISCOVER = 23;
const IPV6_RECVERR = 25;
const IPV6_V6ONLY = 26;
const IPV6_PMTUDISC_WANT = 1;

/** Holds what arrives, at some Gbit/s, while another thread of a small machine has the processor. */
const RECEIVE_BUFFER = 4 << 20;
/** A few batches. What waits here delays all that is sent after it; the device's queue, behind it, is fairer. */
const SEND_BUFFER = 512 << 10;
/** Largest datagram that `sendDatagram` takes: what UDP over IPv4 can carry. */
const DATAGRAM_MAX = 65507;
/** Queued errors that one call of `takeSocketError` reads, so that it returns even while more arrive. */
const ERRORS_PER_CALL = 64;

// One thread does one call at a time, so these serve all sockets of a thread.
const argument = new NativeMemory(SOCKADDR_MAX * 2);
const ARGUMENT_SIZE = SOCKADDR_MAX;

export interface UdpOptions {
  /** Where to receive. Without it, the kernel chooses address and port. */
  local?: Endpoint;
  /** The only peer. ICMP errors then become socket errors, see `takeSocketError`. */
  remote?: Endpoint;
  /** Datagrams of equal size may be received together (UDP_GRO), if the kernel can. */
  together?: boolean;
}

/**
 * Opens a non-blocking UDP socket.
 *
 * Datagrams leave without "don't fragment" over IPv4 (IP_PMTUDISC_OMIT): the tunnel's MTU is made to fit the path,
 * and where it does not, a fragmented datagram arrives while a discarded one is a silent black hole. It also means
 * that forged "fragmentation needed" messages, which nobody can authenticate (RFC 4301 section 8.2), have no effect.
 * Over IPv6 routers do not fragment, so there the kernel fragments to the path MTU it has learnt.
 */
export function openUdp(options: UdpOptions): number {
  const some = options.local ?? options.remote;
  if (some === undefined) throw new VpnrError('INTERNAL', 'a UDP socket needs an address to tell its family');
  const family = addressFamily(some.address);
  const fd = check(socket(family, SOCK_DGRAM | O_NONBLOCK | O_CLOEXEC, 0), 'socket');
  try {
    if (family === AF_INET) {
      setOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
    } else {
      setOption(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_WANT);
      setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    }
    sizeBuffers(fd);
    if (options.together === true) setReceiveOffload(fd);
    if (options.local !== undefined) bindSocket(fd, options.local);
    if (options.remote !== undefined) {
      // Without RECVERR a connected socket learns of "port unreachable" only, not of "host unreachable".
      if (family === AF_INET) setOption(fd, IPPROTO_IP, IP_RECVERR, 1);
      else setOption(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
      const size = writeSockaddr(argument, 0, options.remote);
      check(connect(fd, argument.address, size), `connect to ${formatEndpoint(options.remote)}`);
    }
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

export function setOption(fd: number, level: number, option: number, value: number): void {
  argument.view.setInt32(0, value, true);
  check(setsockopt(fd, level, option, argument.address, 4), `setsockopt ${level}/${option}`);
}

export function bindSocket(fd: number, local: Endpoint): void {
  const size = writeSockaddr(argument, 0, local);
  check(bind(fd, argument.address, size), `bind to ${formatEndpoint(local)}`);
}

/** Sets the sizes of the buffers: beyond the machine's limits (net.core.rmem_max) with the rights for it. */
export function sizeBuffers(fd: number): void {
  for (const [forced, limited, bytes] of [
    [SO_SNDBUFFORCE, SO_SNDBUF, SEND_BUFFER],
    [SO_RCVBUFFORCE, SO_RCVBUF, RECEIVE_BUFFER],
  ] as const) {
    argument.view.setInt32(0, bytes, true);
    if (setsockopt(fd, SOL_SOCKET, forced, argument.address, 4) < 0) {
      check(setsockopt(fd, SOL_SOCKET, limited, argument.address, 4), 'setsockopt for the buffer size');
    }
  }
}

export function localEndpoint(fd: number): Endpoint {
  argument.view.setInt32(ARGUMENT_SIZE, SOCKADDR_MAX, true);
  check(getsockname(fd, argument.address, argument.address + ARGUMENT_SIZE), 'getsockname');
  return readSockaddr(argument.view, 0);
}

let datagram: NativeMemory | undefined;

/**
 * Sends the parts as one datagram, to `to` or to the connected peer. Returns false if the kernel did not take it
 * (the send buffer is full, the peer is unreachable): UDP promises no more.
 */
export function sendDatagram(fd: number, parts: readonly Uint8Array[], to?: Endpoint): boolean {
  datagram ??= new NativeMemory(DATAGRAM_MAX);
  let size = 0;
  for (const part of parts) {
    if (size + part.length > DATAGRAM_MAX)
      throw new RangeError(`a datagram has at most ${DATAGRAM_MAX} bytes`);
    datagram.bytes.set(part, size);
    size += part.length;
  }
  const toSize = to === undefined ? 0 : writeSockaddr(argument, 0, to);
  const toAddress = to === undefined ? 0 : argument.address;
  const send = () =>
    sendto(fd, (datagram as NativeMemory).address, size, MSG_DONTWAIT, toAddress, toSize) >= 0;
  // A socket error left by an earlier datagram is returned once, in place of sending this one.
  return send() || (errno() !== EAGAIN && send());
}

/** In front of IKE messages on the port that ESP uses too (RFC 3948 section 2.2). */
const NON_ESP_MARKER = new Uint8Array(4);

/** As `sendDatagram`, for an IKE message on the port that ESP uses too. */
export function sendIkeDatagram(fd: number, message: Uint8Array, to?: Endpoint): boolean {
  return sendDatagram(fd, [NON_ESP_MARKER, message], to);
}

// A msghdr with room for one control message (struct sock_extended_err and the address of who complained), and
// none for the datagram that the error is about.
const MSGHDR_SIZE = 56;
const MSGHDR_CONTROL = 32;
const MSGHDR_CONTROL_SIZE = 40;
const CMSG_HEADER = 16;
const CONTROL = MSGHDR_SIZE;
const CONTROL_SIZE = 128;
const errorMessage = new NativeMemory(CONTROL + CONTROL_SIZE);

/**
 * Takes all errors that are pending on a connected socket and returns the last one's name: "ECONNREFUSED",
 * "EHOSTUNREACH". They come from ICMP, which anybody can forge: a hint, no proof. Undefined if there was none, or
 * none but "too big", which the kernel has dealt with. Call it at POLLERR, which lasts until it has been called.
 */
export function takeSocketError(fd: number): string | undefined {
  let last = 0;
  argument.view.setInt32(ARGUMENT_SIZE, 4, true);
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, argument.address, argument.address + ARGUMENT_SIZE) < 0) {
    throw systemCallError('getsockopt SO_ERROR');
  }
  const pending = argument.view.getInt32(0, true);
  if (pending !== EMSGSIZE) last = pending;
  const { view, address, bytes } = errorMessage;
  for (let count = 0; count < ERRORS_PER_CALL; count++) {
    bytes.fill(0);
    view.setBigUint64(MSGHDR_CONTROL, BigInt(address + CONTROL), true);
    view.setBigUint64(MSGHDR_CONTROL_SIZE, BigInt(CONTROL_SIZE), true);
    if (recvmsg(fd, address, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) break;
    const queued = view.getUint32(CONTROL + CMSG_HEADER, true);
    if (queued !== EMSGSIZE && queued !== 0) last = queued;
  }
  return last === 0 ? undefined : errnoName(last);
}
