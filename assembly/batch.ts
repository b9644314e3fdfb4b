/**
 * Batches: the arrays that recvmmsg and sendmmsg work on, and the lists in which a receive call leaves what the
 * caller has to do. System calls need absolute addresses, so JavaScript tells where linear memory begins.
 *
 * Datagrams of equal size to one peer are put into one message with UDP_SEGMENT, of which the last may be shorter: each
 * stays where it is, the message's iovecs point at them. What arrives under UDP_GRO is the same the other way round: a
 * slot holds datagrams of the size that a control message tells, one behind the other.
 */
import {
  BATCH,
  BIG_RX_SLOTS,
  BIG_SLOT_SIZE,
  CONTROL_SIZE,
  DATAGRAM_MAX,
  DATAGRAMS_MAX,
  EVENT_SIZE,
  EVENTS,
  GROUP_BYTES,
  GROUP_MAX,
  IOVEC_SIZE,
  MMSG_FLAGS,
  MMSG_LENGTH,
  MMSG_SIZE,
  MSG_TRUNC,
  NAME_SIZE,
  OFFLOAD_RECEIVE,
  OFFLOAD_SEND,
  RESULT_EVENTS,
  RESULT_RAW,
  RESULT_REPLIES,
  RESULT_TO_CONTROL,
  RESULT_TO_DEVICE,
  RX_CONTROLS,
  RX_IOV,
  RX_MMSG,
  RX_NAMES,
  RX_SLOTS,
  SLOT_HEADROOM,
  SLOT_SIZE,
  TO_CONTROL,
  TX_CONTROLS,
  TX_IOV,
  TX_MMSG,
  TX_NAMES,
  TX_SLOTS,
} from '../src/packet/abi';

// struct msghdr and struct cmsghdr of 64-bit Linux.
const MSG_NAME: usize = 0;
const MSG_NAMELEN: usize = 8;
const MSG_IOV: usize = 16;
const MSG_IOVLEN: usize = 24;
const MSG_CONTROL: usize = 32;
const MSG_CONTROLLEN: usize = 40;
const IOV_LENGTH: usize = 8;
const CMSG_LEVEL: usize = 8;
const CMSG_TYPE: usize = 12;
const CMSG_DATA: usize = 16;
const CMSG_HEADER: u64 = 16;

const SOL_UDP: u32 = 17;
const UDP_SEGMENT: u32 = 103;
const UDP_GRO: u32 = 104;

/** Bytes of a sockaddr_in and of a sockaddr_in6. */
const SOCKADDR_IN: u32 = 16;
const SOCKADDR_IN6: u32 = 28;
const AF_INET6: u16 = 10;

let base: u64 = 0;
/** The OFFLOAD_ bits in use. */
export let offloads: u32 = 0;

/** Sets where linear memory begins in the process, and prepares the receive arrays. No offload is in use. */
export function batchInit(baseLow: u32, baseHigh: u32): void {
  base = ((<u64>baseHigh) << 32) | baseLow;
  batchOffloads(0);
}

/** Uses these offloads (OFFLOAD_ bits) from the next batch on. */
export function batchOffloads(used: u32): void {
  offloads = used;
  const size = (used & OFFLOAD_RECEIVE) !== 0 ? BIG_SLOT_SIZE : SLOT_SIZE;
  for (let i: u32 = 0; i < <u32>BATCH; i++) {
    fillVector(RX_IOV + i * IOVEC_SIZE, receiveSlot(i), size - SLOT_HEADROOM);
    prepareReceive(i);
  }
}

// --- Receiving ------------------------------------------------------------------------------------------------

/** Prepares the message headers that a batch of `count` has used for the next one: the kernel overwrites them. */
export function batchRenew(count: u32): void {
  for (let i: u32 = 0; i < count; i++) prepareReceive(i);
}

function prepareReceive(i: u32): void {
  const message = RX_MMSG + i * MMSG_SIZE;
  fillMessage(message, RX_IOV + i * IOVEC_SIZE, RX_NAMES + i * NAME_SIZE, NAME_SIZE);
  if ((offloads & OFFLOAD_RECEIVE) !== 0) setControl(message, RX_CONTROLS + i * CONTROL_SIZE);
}

/** Where slot `i` of a receive batch begins. */
export function receiveSlot(i: u32): usize {
  if ((offloads & OFFLOAD_RECEIVE) !== 0) return BIG_RX_SLOTS + i * BIG_SLOT_SIZE + SLOT_HEADROOM;
  return RX_SLOTS + i * SLOT_SIZE + SLOT_HEADROOM;
}

/** Bytes in slot `i`. */
export function receiveLength(i: u32): u32 {
  return load<u32>(RX_MMSG + i * MMSG_SIZE, MMSG_LENGTH);
}

/** The size of each of the datagrams in slot `i` but the last, which may be shorter. At least one. */
export function receiveDatagramLength(i: u32): u32 {
  const message = RX_MMSG + i * MMSG_SIZE;
  const whole = max<u32>(receiveLength(i), 1);
  if ((offloads & OFFLOAD_RECEIVE) === 0) return whole;
  const control = RX_CONTROLS + i * CONTROL_SIZE;
  if (
    load<u64>(message, MSG_CONTROLLEN) < CMSG_HEADER + 4 ||
    load<u32>(control, CMSG_LEVEL) !== SOL_UDP ||
    load<u32>(control, CMSG_TYPE) !== UDP_GRO
  ) {
    return whole;
  }
  const size = load<u32>(control, CMSG_DATA);
  return size === 0 ? whole : size;
}

/** Whether what is in slot `i` was cut off, or is more than the lists of one call have room for. */
export function receiveTruncated(i: u32): bool {
  if ((load<u32>(RX_MMSG + i * MMSG_SIZE, MMSG_FLAGS) & MSG_TRUNC) !== 0) return true;
  const size = receiveDatagramLength(i);
  const length = receiveLength(i);
  return min(size, length) > <u32>DATAGRAM_MAX || length > size * GROUP_MAX;
}

/** The sockaddr that what is in slot `i` came from. */
export function receiveName(i: u32): usize {
  return RX_NAMES + i * NAME_SIZE;
}

// --- Sending --------------------------------------------------------------------------------------------------

/** Where packet `i` of a transmit batch begins. */
export function transmitSlot(i: u32): usize {
  return TX_SLOTS + i * SLOT_SIZE + SLOT_HEADROOM;
}

/** Messages in TX_MMSG, and entries of TX_IOV that are taken. */
let messages: u32 = 0;
let vectors: u32 = 0;
/** Of the last message: size of its datagrams, their number, all their bytes; whether more may follow. */
let groupSize: u32 = 0;
let groupLength: u32 = 0;
let groupBytes: u32 = 0;
let groupOpen: bool = false;

/** Empties TX_MMSG. */
export function clearMessages(): void {
  clearMessagesFrom(0);
}

/** Goes on with message `first`, and the entry of TX_IOV of that number. */
export function clearMessagesFrom(first: u32): void {
  messages = first;
  vectors = first;
  groupOpen = false;
}

/** Messages in TX_MMSG. */
export function messageCount(): u32 {
  return messages;
}

/** How many datagrams a super-packet may make, so that there is room for the other packets of the batch. */
export function messageRoom(): u32 {
  return max<i32>(DATAGRAMS_MAX - BATCH - vectors, 0);
}

/** Datagrams in TX_MMSG, its first part. */
export function datagramCount(): u32 {
  return vectors;
}

/** Takes the next entry of TX_IOV. */
export function nextVector(): u32 {
  return vectors++;
}

/**
 * Appends a datagram for the sockaddr at `name`, which is copied, or for the socket's peer if that is zero: to the last
 * message, if it fits there, or as a message of its own.
 */
export function addMessage(data: usize, length: u32, name: usize): void {
  const vector = nextVector();
  if (groupOpen && joins(length, name)) {
    const message = TX_MMSG + (messages - 1) * MMSG_SIZE;
    fillVector(TX_IOV + vector * IOVEC_SIZE, data, length);
    store<u64>(message, ++groupLength, MSG_IOVLEN);
    if (groupLength === 2) setSegment(message, TX_CONTROLS + (messages - 1) * CONTROL_SIZE, groupSize);
    groupBytes += length;
    groupOpen = length === groupSize && groupLength < <u32>GROUP_MAX;
    return;
  }
  let target: usize = 0;
  if (name !== 0) {
    target = TX_NAMES + messages * NAME_SIZE;
    memory.copy(target, name, NAME_SIZE);
  }
  setMessage(TX_MMSG, messages++, vector, data, length, target);
  groupSize = length;
  groupLength = 1;
  groupBytes = length;
  groupOpen = (offloads & OFFLOAD_SEND) !== 0;
}

/** Whether a datagram can be the next one of the last message. */
function joins(length: u32, name: usize): bool {
  if (length > groupSize || groupBytes + length > <u32>GROUP_BYTES) return false;
  if (name === 0) return true;
  const known = TX_NAMES + (messages - 1) * NAME_SIZE;
  const differing = v128.or(
    v128.xor(v128.load(known), v128.load(name)),
    v128.xor(v128.load(known, 16), v128.load(name, 16)),
  );
  return !v128.any_true(differing);
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

/**
 * Makes a message of its own, in the array `target`, of each datagram in the messages of the array `list` from `first` to
 * before `end`; their number.
 */
export function messageSplit(list: usize, first: u32, end: u32, target: usize): u32 {
  let made: u32 = 0;
  for (let i = first; i < end; i++) {
    const message = list + i * MMSG_SIZE;
    const datagrams = load<u32>(message, MSG_IOVLEN);
    for (let k: u32 = 0; k < datagrams; k++) {
      const single = target + made++ * MMSG_SIZE;
      memory.copy(single, message, MMSG_SIZE);
      store<u64>(single, load<u64>(message, MSG_IOV) + k * IOVEC_SIZE, MSG_IOV);
      store<u64>(single, 1, MSG_IOVLEN);
      store<u64>(single, 0, MSG_CONTROL);
      store<u64>(single, 0, MSG_CONTROLLEN);
    }
  }
  return made;
}

function sockaddrLength(name: usize): u32 {
  return load<u16>(name) === AF_INET6 ? SOCKADDR_IN6 : SOCKADDR_IN;
}

/** Makes an iovec of `length` bytes at `data`. */
export function fillVector(iov: usize, data: usize, length: u32): void {
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

function setControl(message: usize, control: usize): void {
  store<u64>(message, base + control, MSG_CONTROL);
  store<u64>(message, CONTROL_SIZE, MSG_CONTROLLEN);
}

function setSegment(message: usize, control: usize, size: u32): void {
  setControl(message, control);
  store<u64>(control, CMSG_HEADER + 2);
  store<u32>(control, SOL_UDP, CMSG_LEVEL);
  store<u32>(control, UDP_SEGMENT, CMSG_TYPE);
  store<u64>(control, size, CMSG_DATA);
}

// --- Results --------------------------------------------------------------------------------------------------

/** Empties the result lists. */
export function clearResults(): void {
  store<u32>(RESULT_TO_DEVICE, 0);
  store<u32>(RESULT_TO_CONTROL, 0);
  store<u32>(RESULT_EVENTS, 0);
  store<u32>(RESULT_REPLIES, 0);
  store<u32>(RESULT_RAW, 0);
}

/** Appends a datagram for the control plane. */
export function addToControl(p: usize, length: u32): void {
  const entry = TO_CONTROL + (next(RESULT_TO_CONTROL) << 3);
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

/** The u32 at `counter`, a list's length for one, which grows by one. */
export function next(counter: usize): u32 {
  const value = load<u32>(counter);
  store<u32>(counter, value + 1);
  return value;
}
