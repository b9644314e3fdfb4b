/**
 * Batches: the arrays that recvmmsg and sendmmsg work on, and the lists in which a receive call leaves what the
 * caller has to do. System calls need absolute addresses, so JavaScript tells where linear memory begins.
 */
import {
  BATCH,
  EVENT_SIZE,
  EVENTS,
  IOVEC_SIZE,
  MMSG_FLAGS,
  MMSG_LENGTH,
  MMSG_SIZE,
  MSG_TRUNC,
  NAME_SIZE,
  RESULT_EVENTS,
  RESULT_RAW,
  RESULT_REPLIES,
  RESULT_TO_CONTROL,
  RESULT_TO_DEVICE,
  RX_IOV,
  RX_MMSG,
  RX_NAMES,
  RX_SLOTS,
  SLOT_HEADROOM,
  SLOT_SIZE,
  TO_CONTROL,
  TO_DEVICE,
  TX_IOV,
  TX_SLOTS,
} from '../src/packet/abi';

// struct msghdr of 64-bit Linux.
const MSG_NAME: usize = 0;
const MSG_NAMELEN: usize = 8;
const MSG_IOV: usize = 16;
const MSG_IOVLEN: usize = 24;
const IOV_LENGTH: usize = 8;

/** Bytes of a sockaddr_in and of a sockaddr_in6. */
const SOCKADDR_IN: u32 = 16;
const SOCKADDR_IN6: u32 = 28;
const AF_INET6: u16 = 10;

let base: u64 = 0;

/** Sets where linear memory begins in the process, and prepares the receive arrays. */
export function batchInit(baseLow: u32, baseHigh: u32): void {
  base = ((<u64>baseHigh) << 32) | baseLow;
  for (let i: u32 = 0; i < <u32>BATCH; i++) {
    fillVector(RX_IOV + i * IOVEC_SIZE, receiveSlot(i), SLOT_SIZE - SLOT_HEADROOM);
    prepareReceive(i);
  }
}

/** Prepares the message headers that a batch of `count` has used for the next one: the kernel overwrites them. */
export function batchRenew(count: u32): void {
  for (let i: u32 = 0; i < count; i++) prepareReceive(i);
}

function prepareReceive(i: u32): void {
  const name = RX_NAMES + i * NAME_SIZE;
  fillMessage(RX_MMSG + i * MMSG_SIZE, RX_IOV + i * IOVEC_SIZE, name, NAME_SIZE);
}

/** Where datagram `i` of a receive batch begins. */
export function receiveSlot(i: u32): usize {
  return RX_SLOTS + i * SLOT_SIZE + SLOT_HEADROOM;
}

/** Length of datagram `i`. */
export function receiveLength(i: u32): u32 {
  return load<u32>(RX_MMSG + i * MMSG_SIZE, MMSG_LENGTH);
}

/** Whether datagram `i` was longer than its slot. */
export function receiveTruncated(i: u32): bool {
  return (load<u32>(RX_MMSG + i * MMSG_SIZE, MMSG_FLAGS) & MSG_TRUNC) !== 0;
}

/** The sockaddr that datagram `i` came from. */
export function receiveName(i: u32): usize {
  return RX_NAMES + i * NAME_SIZE;
}

/** Where packet `i` of a transmit batch begins. */
export function transmitSlot(i: u32): usize {
  return TX_SLOTS + i * SLOT_SIZE + SLOT_HEADROOM;
}

/**
 * Fills entry `at` of the mmsghdr array `list` with the `length` bytes at `data`, sent to the sockaddr at `name`, or to
 * the socket's peer if that is zero. `vector`: number of the entry of TX_IOV to use.
 */
export function setMessage(list: usize, at: u32, vector: u32, data: usize, length: u32, name: usize): void {
  const iov = TX_IOV + vector * IOVEC_SIZE;
  fillVector(iov, data, length);
  fillMessage(list + at * MMSG_SIZE, iov, name, name === 0 ? 0 : sockaddrLength(name));
}

function sockaddrLength(name: usize): u32 {
  return load<u16>(name) === AF_INET6 ? SOCKADDR_IN6 : SOCKADDR_IN;
}

function fillVector(iov: usize, data: usize, length: u32): void {
  store<u64>(iov, base + data);
  store<u64>(iov, length, IOV_LENGTH);
}

function fillMessage(message: usize, iov: usize, name: usize, nameLength: u32): void {
  memory.fill(message, 0, MMSG_SIZE);
  store<u64>(message, name === 0 ? 0 : base + name, MSG_NAME);
  store<u32>(message, nameLength, MSG_NAMELEN);
  store<u64>(message, base + iov, MSG_IOV);
  store<u64>(message, 1, MSG_IOVLEN);
}

/** Empties the result lists. */
export function clearResults(): void {
  store<u32>(RESULT_TO_DEVICE, 0);
  store<u32>(RESULT_TO_CONTROL, 0);
  store<u32>(RESULT_EVENTS, 0);
  store<u32>(RESULT_REPLIES, 0);
  store<u32>(RESULT_RAW, 0);
}

/** Appends a packet for the device. */
export function addToDevice(p: usize, length: u32): void {
  addPacket(TO_DEVICE, RESULT_TO_DEVICE, p, length);
}

/** Appends a datagram for the control plane. */
export function addToControl(p: usize, length: u32): void {
  addPacket(TO_CONTROL, RESULT_TO_CONTROL, p, length);
}

function addPacket(list: usize, counter: usize, p: usize, length: u32): void {
  const entry = list + (next(counter) << 3);
  store<u32>(entry, <u32>p);
  store<u32>(entry, length, 4);
}

/** Appends an event; at most one for each datagram of a batch. Returns its address. */
export function addEvent(kind: u32, index: u32, a: u32, b: u32, c: u64, d: u64): usize {
  const entry = EVENTS + next(RESULT_EVENTS) * EVENT_SIZE;
  store<u32>(entry, kind);
  store<u32>(entry, index, 4);
  store<u32>(entry, a, 8);
  store<u32>(entry, b, 12);
  store<u64>(entry, c, 16);
  store<u64>(entry, d, 24);
  return entry;
}

/** The list length at `counter`, which grows by one. */
export function next(counter: usize): u32 {
  const value = load<u32>(counter);
  store<u32>(counter, value + 1);
  return value;
}
