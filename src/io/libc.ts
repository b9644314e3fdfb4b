/**
 * The C library's system call wrappers, called in place through koffi. Every address is a plain number (a pointer
 * below 2^53), so that a call on packet memory is `read(fd, base + offset, size)` and makes no JavaScript object.
 * A call returns -1 for an error, as in C; `errno()` then tells which, until the next call.
 *
 * Structures and constants are those of 64-bit little-endian Linux.
 */
import { getSystemErrorMap } from 'node:util';
import koffi from 'koffi';
import { VpnrError } from '../errors.js';

// The running program's own symbols: the C library is among them, whatever its file is called.
const libc = koffi.load(null);

type Call<Arguments extends readonly unknown[]> = (...args: Arguments) => number;

export const open: Call<[path: string, flags: number]> = libc.func('int open(const char *, int)');
export const close: Call<[fd: number]> = libc.func('int close(int)');
export const read: Call<[fd: number, address: number, size: number]> = libc.func(
  'long read(int, uintptr_t, size_t)',
);
export const write: Call<[fd: number, address: number, size: number]> = libc.func(
  'long write(int, uintptr_t, size_t)',
);
/** `vectors`: an array of `count` struct iovec, at most 1024. */
export const writev: Call<[fd: number, vectors: number, count: number]> = libc.func(
  'long writev(int, uintptr_t, int)',
);
export const ioctl: Call<[fd: number, request: number, address: number]> = libc.func(
  'int ioctl(int, unsigned long, uintptr_t)',
);
export const fcntl: Call<[fd: number, command: number, value: number]> =
  libc.func('int fcntl(int, int, int)');
export const flock: Call<[fd: number, operation: number]> = libc.func('int flock(int, int)');
/** `address`: an array of `count` struct pollfd. */
export const poll: Call<[address: number, count: number, timeoutMs: number]> = libc.func(
  'int poll(uintptr_t, unsigned long, int)',
);
/** As poll, to the nanosecond. `timeout`: the address of a struct timespec, or 0: never. `signals` 0: none. */
export const ppoll: Call<[address: number, count: number, timeout: number, signals: number]> = libc.func(
  'int ppoll(uintptr_t, unsigned long, uintptr_t, uintptr_t)',
);
export const eventfd: Call<[initial: number, flags: number]> = libc.func('int eventfd(uint32_t, int)');

export const socket: Call<[family: number, type: number, protocol: number]> =
  libc.func('int socket(int, int, int)');
export const bind: Call<[fd: number, address: number, size: number]> = libc.func(
  'int bind(int, uintptr_t, uint32_t)',
);
export const connect: Call<[fd: number, address: number, size: number]> = libc.func(
  'int connect(int, uintptr_t, uint32_t)',
);
/** `size`: the address of an int. */
export const getsockname: Call<[fd: number, address: number, size: number]> = libc.func(
  'int getsockname(int, uintptr_t, uintptr_t)',
);
export const setsockopt: Call<[fd: number, level: number, option: number, address: number, size: number]> =
  libc.func('int setsockopt(int, int, int, uintptr_t, uint32_t)');
/** `size`: the address of an int. */
export const getsockopt: Call<[fd: number, level: number, option: number, address: number, size: number]> =
  libc.func('int getsockopt(int, int, int, uintptr_t, uintptr_t)');
/** `to` 0: to the address that the socket is connected to. */
export const sendto: Call<
  [fd: number, address: number, size: number, flags: number, to: number, toSize: number]
> = libc.func('long sendto(int, uintptr_t, size_t, int, uintptr_t, uint32_t)');
export const recvmsg: Call<[fd: number, msghdr: number, flags: number]> = libc.func(
  'long recvmsg(int, uintptr_t, int)',
);
/** Sends up to `count` messages; how many were sent, or -1 if not even the first was. */
export const sendmmsg: Call<[fd: number, mmsghdrs: number, count: number, flags: number]> = libc.func(
  'int sendmmsg(int, uintptr_t, uint32_t, int)',
);
/** `timeout` 0: none. */
export const recvmmsg: Call<[fd: number, mmsghdrs: number, count: number, flags: number, timeout: number]> =
  libc.func('int recvmmsg(int, uintptr_t, uint32_t, int, uintptr_t)');

/** 0 when there is no such device. */
export const if_nametoindex: Call<[name: string]> = libc.func('unsigned int if_nametoindex(const char *)');
export const setns: Call<[fd: number, type: number]> = libc.func('int setns(int, int)');
/** `thread` 0: the calling one. `parameter`: the address of a struct sched_param, an int. */
export const sched_setscheduler: Call<[thread: number, policy: number, parameter: number]> = libc.func(
  'int sched_setscheduler(int, int, uintptr_t)',
);
/** `timespec`: the address of a struct timespec. */
export const clock_gettime: Call<[clock: number, timespec: number]> = libc.func(
  'int clock_gettime(int, uintptr_t)',
);
/** Options look at all of their arguments: those without a meaning are 0. */
export const prctl: Call<[option: number, second: number, third: number, fourth: number, fifth: number]> =
  libc.func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)');
/** Of the calling thread. `header`, `data`: addresses of a cap_user_header_t and of two cap_user_data_t. */
export const capset: Call<[header: number, data: number]> = libc.func('int capset(uintptr_t, uintptr_t)');
/** `limit`: the address of a struct rlimit, two u64: soft, hard. */
export const setrlimit: Call<[resource: number, limit: number]> = libc.func('int setrlimit(int, uintptr_t)');
/** `args` ends with null. The environment stays. Returns only when it could not be done. */
export const execv: Call<[path: string, args: readonly (string | null)[]]> = libc.func(
  'int execv(const char *, const char **)',
);

export const O_RDWR = 0x2;
export const O_NONBLOCK = 0x800;
/** Input is signalled. */
export const O_ASYNC = 0x2000;
export const O_CLOEXEC = 0x80000;
export const F_GETFD = 1;
export const F_SETFD = 2;
export const FD_CLOEXEC = 1;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const F_SETOWN = 8;
export const F_SETSIG = 10;
export const LOCK_EX = 2;
export const LOCK_NB = 4;
export const MSG_DONTWAIT = 0x40;
export const MSG_ERRQUEUE = 0x2000;

function constant(name: string): number {
  const value = koffi.os.errno[name];
  if (value === undefined) throw new VpnrError('INTERNAL', `no errno called ${name}`);
  return value;
}
export const EPERM = constant('EPERM');
export const ENOENT = constant('ENOENT');
export const EIO = constant('EIO');
export const EINTR = constant('EINTR');
export const ENXIO = constant('ENXIO');
export const EAGAIN = constant('EAGAIN');
export const ENOMEM = constant('ENOMEM');
export const EACCES = constant('EACCES');
export const EBUSY = constant('EBUSY');
export const ENODEV = constant('ENODEV');
export const EINVAL = constant('EINVAL');
export const EMFILE = constant('EMFILE');
export const ENFILE = constant('ENFILE');
export const EMSGSIZE = constant('EMSGSIZE');
export const EAFNOSUPPORT = constant('EAFNOSUPPORT');
export const EADDRINUSE = constant('EADDRINUSE');
export const EADDRNOTAVAIL = constant('EADDRNOTAVAIL');
export const ENETUNREACH = constant('ENETUNREACH');
export const ENOBUFS = constant('ENOBUFS');

/** Why the last call of this thread returned -1. */
export function errno(): number {
  return koffi.errno();
}

/** By number; of two names for one, the first: EAGAIN, and not EWOULDBLOCK. */
const ERRNO_NAMES = new Map(
  Object.entries(koffi.os.errno)
    .map(([name, number]): [number, string] => [number, name])
    .reverse(),
).set(EAGAIN, 'EAGAIN');

/** "EAGAIN" for 11. */
export function errnoName(value: number): string {
  return ERRNO_NAMES.get(value) ?? `errno ${value}`;
}

const REMEDIES = new Map<number, string>([
  [EPERM, 'run it as root, or with the capabilities CAP_NET_ADMIN and CAP_NET_RAW'],
  [EACCES, 'run it as root, or with the capabilities CAP_NET_ADMIN and CAP_NET_RAW'],
  [EMFILE, 'raise the limit of open files (ulimit -n)'],
  [ENFILE, 'raise the limit of open files of the machine (sysctl fs.file-max)'],
  [ENOMEM, 'free some memory'],
  [ENOBUFS, 'free some memory'],
  [EADDRINUSE, 'stop the program that uses it (ss -ulpn shows it), or choose another port'],
  [EADDRNOTAVAIL, 'use one of the addresses of this machine (ip address shows them)'],
  [EAFNOSUPPORT, 'use an address of the other family, or enable IPv6 in the kernel'],
  [ENETUNREACH, 'check the network and the routes of this machine (ip route)'],
]);

/** The error for a call that returned -1: "connect to 192.0.2.1:4500: ENETUNREACH, network is unreachable". */
export function systemCallError(call: string, value: number = errno()): VpnrError {
  const explanation = getSystemErrorMap().get(-value)?.[1];
  const message = `${call}: ${errnoName(value)}${explanation === undefined ? '' : `, ${explanation}`}`;
  const remedy = REMEDIES.get(value);
  return new VpnrError(
    value === EADDRINUSE ? 'ADDRESS_IN_USE' : 'SYSTEM_CALL',
    message,
    remedy === undefined ? {} : { remedy },
  );
}

/** Passes on what a call returned, or throws its error. */
export function check(result: number, call: string): number {
  if (result < 0) throw systemCallError(call);
  return result;
}

/** Where `buffer` begins in this process's memory. The caller keeps the buffer alive as long as it is used. */
export function addressOf(buffer: ArrayBuffer | SharedArrayBuffer): number {
  return Number(koffi.address(new Uint8Array(buffer)));
}

/** Zeroed memory outside the JavaScript heap, for what system calls read and write. */
export class NativeMemory {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(size: number) {
    const buffer = new ArrayBuffer(size);
    this.address = addressOf(buffer);
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
  }
}
