/**
 * The relay server's pipelines: between its data socket (UDP), its raw socket (IP in IP) and its TUN device.
 *
 * From the network: session by index -> duplicate filter -> tag -> filter accepts -> path of the newest epoch ->
 * inner source is the lease -> MSS -> device. From the device: destination -> session -> MSS -> header -> a copy for the
 * ring -> the session's path, and the second one. Nothing is changed, nothing is answered, before a packet's tag was right.
 *
 * Leases and paths are IPv4: a path is the first eight bytes of a sockaddr_in.
 */
import {
  BATCH,
  CLIENT_WINDOW,
  COUNTER_HELD_PACKETS,
  COUNTER_RX_BYTES,
  COUNTER_RX_PACKETS,
  COUNTER_SESSION_MOVES,
  COUNTER_TX_BYTES,
  COUNTER_TX_PACKETS,
  DROP_RELAY_DUPLICATE,
  DROP_RELAY_INNER,
  DROP_RELAY_PATH,
  DROP_RELAY_SESSION,
  DROP_RELAY_SHORT,
  DROP_RELAY_SOURCE,
  DROP_RELAY_TYPE,
  DROP_RX_TRUNCATED,
  DROP_TX_DESTINATION,
  DROP_TX_MALFORMED,
  DROP_TX_NO_SESSION,
  DROP_TX_NO_TUNNEL,
  DROP_TX_TOO_BIG,
  DUPLICATE_WINDOW,
  ERR_LENGTH,
  EVENT_SESSION_MOVED,
  MAX_PACKET,
  NAME_SIZE,
  RELAY_DATA,
  RELAY_DRAIN,
  RELAY_HEADER,
  RELAY_MODE_IPIP,
  RELAY_PROBE,
  RESULT_NEXT,
  RESULT_RAW,
  SESSION_MAX,
  TX_MMSG,
  TX_NAMES,
  TX_RAW_MMSG,
  TX_RAW_NAMES,
} from '../src/packet/abi';
import {
  addEvent,
  batchInit,
  batchRenew,
  clearMessages,
  clearResults,
  messageCount,
  next,
  nextVector,
  receiveDatagramLength,
  receiveLength,
  receiveName,
  receiveSlot,
  receiveTruncated,
  setMessage,
  transmitSlot,
} from './batch';
import { add, count } from './counters';
import { deviceFirst, deviceLength, deviceNext, deviceRewind, deviceSlot } from './device_in';
import { addToDevice, deviceClear, deviceFlush } from './device_out';
import { windowAccept, windowCheck, windowHighest } from './duplicate';
import { checkPacket, IPV4_PROTOCOL, ipVersion, ipv4Destination, ipv4Source, PROTOCOL_TCP } from './ip';
import { clampMss } from './mss';
import { poolContains, poolInit } from './pool';
import {
  epochIsNewer,
  ipipDecapsulate,
  relayEpoch,
  relayHead,
  relayOpen,
  relaySequence,
  relaySession,
  relayTail,
} from './relay';
import { answerProbe, protect, protectedLength } from './relay_probes';
import { secondsAdd, secondsRewind, secondsSend, send, suspectIfSilent } from './relay_second';
import { ENTRY_HELD, ENTRY_LASTING, ENTRY_SECOND, ringAppend, ringInit } from './ring';
import { ringIsResending } from './ring_resend';
import {
  sessionAt,
  sessionChooses,
  sessionCountReceived,
  sessionEpoch,
  sessionHear,
  sessionIndex,
  sessionLease,
  sessionMode,
  sessionMove,
  sessionOf,
  sessionOfLease,
  sessionPath,
  sessionPathAddress,
  sessionPreload,
  sessionPreloadLease,
  sessionReceiveKey,
  sessionReplays,
  sessionRing,
  sessionSecond,
  sessionSent,
  sessionWindow,
} from './sessions';

/** TCP's MSS, for IPv4, that fits the clients' tunnels. */
let maxSegment: u32 = 0;
/** u64: the sum of what was loaded ahead goes here, so that the compiler takes none of it for useless. */
const PRELOADED: usize = memory.data(8, 8);

/**
 * Prepares the core to be a relay server. `base`: where linear memory begins in the process; the pool's address as
 * it lies in packets and its prefix length; `segment`: the MSS to clamp to (MTU - 40). Returns OK or ERR_LENGTH.
 */
export function relayInit(baseLow: u32, baseHigh: u32, poolAddress: u32, poolPrefix: u32, segment: u32): i32 {
  batchInit(baseLow, baseHigh);
  ringInit(0, 0, 0, CLIENT_WINDOW);
  maxSegment = segment;
  return poolInit(poolAddress, poolPrefix);
}

/** Keeps what is sent to clients that want it: up to `bytes` in all and `sessionBytes` for one session, for `ageMs`. */
export function relayReplay(bytes: u32, sessionBytes: u32, ageMs: u32): void {
  ringInit(bytes, sessionBytes, ageMs, CLIENT_WINDOW);
}

// --- From the network -----------------------------------------------------------------------------------------

/**
 * Handles `datagrams` datagrams of the data socket. Leaves packets in TO_DEVICE, events in EVENTS and answers in
 * TX_MMSG (RESULT_REPLIES of them, in the slots they came in: send them before the next receive call). Returns
 * `datagrams`, or ERR_LENGTH for more than a batch.
 */
export function relayReceive(datagrams: u32): i32 {
  if (datagrams > <u32>BATCH) return ERR_LENGTH;
  clearResults();
  deviceClear();
  preloadSessions(datagrams);
  for (let i: u32 = 0; i < datagrams; i++) {
    if (receiveTruncated(i)) count(DROP_RX_TRUNCATED);
    else receiveAll(i, receiveSlot(i), receiveLength(i), receiveDatagramLength(i));
  }
  deviceFlush();
  batchRenew(datagrams);
  return datagrams;
}

/**
 * With many sessions nearly every packet needs another one's record and window, which the processor has to fetch from
 * afar. Fetching them for the whole batch first, each independent of the others, lets it wait for all of them at once
 * instead of for one after the other. Whatever lies in the slots, only places in the tables are read.
 */
function preloadSessions(datagrams: u32): void {
  let sum: u64 = 0;
  for (let i: u32 = 0; i < datagrams; i++) {
    const h = receiveSlot(i);
    sum += sessionPreload(relaySession(h), relaySequence(h));
  }
  store<u64>(PRELOADED, sum);
}

/** The same for packets from the device. */
function preloadLeases(packets: u32): void {
  let sum: u64 = 0;
  for (let i: u32 = 0; i < packets; i++) sum += sessionPreloadLease(ipv4Destination(deviceSlot(i)));
  store<u64>(PRELOADED, sum);
}

/** Handles the datagrams of `size` bytes, the last one of what is left, in the `length` bytes of slot `i` at `h`. */
function receiveAll(i: u32, h: usize, length: u32, size: u32): void {
  for (; length > size; h += size, length -= size) account(receiveDatagram(i, h, size));
  account(receiveDatagram(i, h, length));
}

/** Counts what became of a packet, unless that is counted already. */
function account(reason: u32): void {
  if (reason !== 0) count(reason);
}

/** Handles a datagram of slot `i`. Returns why it was dropped, a counter, or zero. */
function receiveDatagram(i: u32, h: usize, length: u32): u32 {
  if (length < <u32>RELAY_HEADER) return DROP_RELAY_SHORT;
  const session = sessionOf(relaySession(h));
  if (session === 0) return DROP_RELAY_SESSION;
  const window = sessionWindow(session);
  const sequence = relaySequence(h);
  if (!windowCheck(window, DUPLICATE_WINDOW, sequence)) return DROP_RELAY_DUPLICATE;
  const mode = sessionMode(session);
  const type = relayOpen(mode, h, length, sessionReceiveKey(session));
  if (type < 0) return -type;

  const isHighest = sequence > windowHighest(window);
  windowAccept(window, DUPLICATE_WINDOW, sequence);
  sessionCountReceived(session);
  const path = load<u64>(receiveName(i));
  followPath(session, path, relayEpoch(h), isHighest, type);
  if (path === sessionPath(session)) sessionHear(session);

  const payload = h + relayHead(mode);
  const payloadLength = length - relayHead(mode) - relayTail(mode);
  if (type === RELAY_DATA) return receiveInner(session, payload, payloadLength);
  if (type === RELAY_PROBE) return answerProbe(session, i, h, payload, payloadLength);
  return DROP_RELAY_TYPE;
}

/**
 * An authentic packet came over `path`. The session goes there if the packet is of a newer epoch, or the newest of
 * all in the current one (a gateway's NAT may change ports). A late packet of an old epoch moves nothing. With a second path,
 * packets of one epoch come over both: there the probes tell the first.
 */
function followPath(session: usize, path: u64, epoch: u32, isHighest: bool, type: u32): void {
  const current = sessionPath(session);
  if (current !== 0) {
    const known = sessionEpoch(session);
    if (epoch === known ? !isHighest : !epochIsNewer(epoch, known)) return;
    if (epoch === known && type !== RELAY_PROBE && sessionSecond(session) !== 0) return;
  }
  sessionMove(session, path, epoch);
  if (path === current) return;
  count(COUNTER_SESSION_MOVES);
  addEvent(EVENT_SESSION_MOVED, sessionIndex(session), 0, epoch, path, 0);
}

/** An inner packet, of at most `available` bytes: to the device if it is the session's own. */
function receiveInner(session: usize, p: usize, available: u32): u32 {
  const length = checkPacket(p, available);
  if (length < 0) return DROP_RELAY_INNER;
  if (ipVersion(p) !== 4 || ipv4Source(p) !== sessionLease(session)) return DROP_RELAY_SOURCE;
  // The client's own clamp knows its way to the gateways, not what the modes of other sessions leave of the device's MTU.
  clampMss(p, length, maxSegment);
  addToDevice(p, length);
  count(COUNTER_RX_PACKETS);
  add(COUNTER_RX_BYTES, length);
  return 0;
}

/**
 * Handles `packets` packets of the raw socket, which start with their IPv4 header (protocol 4). They bear no tag, so
 * they are taken only from the address to which a tagged packet has moved the session. Leaves packets in TO_DEVICE.
 * Returns `packets`, or ERR_LENGTH for more than a batch.
 */
export function relayReceiveIpip(packets: u32): i32 {
  if (packets > <u32>BATCH) return ERR_LENGTH;
  clearResults();
  deviceClear();
  for (let i: u32 = 0; i < packets; i++) account(receiveIpip(i));
  deviceFlush();
  batchRenew(packets);
  return packets;
}

/** Handles raw packet `i`. Returns why it was dropped, a counter, or zero. */
function receiveIpip(i: u32): u32 {
  if (receiveTruncated(i)) return DROP_RX_TRUNCATED;
  const p = receiveSlot(i);
  const length = checkPacket(p, receiveLength(i));
  if (length < 0) return DROP_RELAY_SHORT;
  const header = ipipDecapsulate(p);
  if (header === 0) return DROP_RELAY_TYPE;
  const inner = p + header;
  const available = length - header;
  if (checkPacket(inner, available) < 0) return DROP_RELAY_INNER;
  const session = ipVersion(inner) === 4 ? sessionOfLease(ipv4Source(inner)) : 0;
  if (session === 0) return DROP_RELAY_SESSION;
  if (sessionMode(session) !== RELAY_MODE_IPIP) return DROP_RELAY_TYPE;
  if (sessionPathAddress(session) !== ipv4Source(p)) return DROP_RELAY_PATH;
  sessionCountReceived(session);
  return receiveInner(session, inner, available);
}

// --- From the device ------------------------------------------------------------------------------------------

/**
 * Handles what is in the first `packets` slots of TX_SLOTS (or BIG_TX_SLOTS), whose lengths are in TX_LENGTHS. Returns the
 * number of messages for the data socket, in TX_MMSG, or ERR_LENGTH for more than a batch; those for the raw socket are RESULT_RAW in
 * TX_RAW_MMSG.
 */
export function relayTransmit(packets: u32): i32 {
  if (packets > <u32>BATCH) return ERR_LENGTH;
  clearResults();
  clearMessages();
  deviceRewind();
  preloadLeases(packets);
  secondsRewind();
  for (let i: u32 = 0; i < packets; i++) {
    for (let p = deviceFirst(i); p !== 0; p = deviceNext()) account(transmitPacket(p, deviceLength));
  }
  secondsSend();
  return messageCount();
}

/** Makes a message of the packet of `available` bytes at `p`. Returns the reason for a drop, 0 if there is none. */
function transmitPacket(p: usize, available: u32): u32 {
  const length = checkPacket(p, available);
  const session: usize = length < 0 ? 0 : sessionOfLease(ipv4Destination(p));
  const reason = refusal(p, length, session);
  if (reason !== 0) return reason;
  clampMss(p, length, maxSegment);
  count(COUNTER_TX_PACKETS);
  add(COUNTER_TX_BYTES, length);
  const path = sessionPath(session);
  if (sessionMode(session) === RELAY_MODE_IPIP) {
    const at = next(RESULT_RAW);
    const name = setName(TX_RAW_NAMES, at, path);
    // Zero, as raw(7) asks: a raw socket's address has no port.
    store<u16>(name, 0, 2);
    setMessage(TX_RAW_MMSG, at, nextVector(), p, length, name);
    return 0;
  }
  const second = sessionSecond(session);
  const isChosen = second !== 0 && sessionChooses(session, p, length);
  const lasting = load<u8>(p, IPV4_PROTOCOL) === PROTOCOL_TCP ? ENTRY_LASTING : 0;
  const h = protect(session, p, length, RELAY_DATA);
  const total = protectedLength(session, length);
  const isDouble = isChosen && secondsAdd(h, total, second);
  if (sessionReplays(session)) {
    const ring = sessionRing(session);
    // Behind what is sent again.
    const isHeld = ringIsResending(ring);
    const flags = lasting | (isHeld ? ENTRY_HELD : 0) | (isDouble ? ENTRY_SECOND : 0);
    ringAppend(ring, h, total, sessionSent(session), flags);
    if (isHeld) {
      count(COUNTER_HELD_PACKETS);
      return 0;
    }
  }
  send(h, total, path);
  suspectIfSilent(session);
  return 0;
}

/** Why a packet from the device goes nowhere: a DROP_TX_ counter, or zero. */
function refusal(p: usize, length: i32, session: usize): u32 {
  if (length < 0) return DROP_TX_MALFORMED;
  if (length > MAX_PACKET) return DROP_TX_TOO_BIG;
  if (ipVersion(p) !== 4 || !poolContains(ipv4Destination(p))) return DROP_TX_DESTINATION;
  if (session === 0) return DROP_TX_NO_SESSION;
  if (sessionPath(session) === 0) return DROP_TX_NO_TUNNEL;
  return 0;
}

/**
 * Builds DRAIN messages, which say that the relay is about to stop, for up to a batch of sessions from place `first` of the
 * table on. Returns the number of messages in TX_MMSG; RESULT_NEXT says where to go on, SESSION_MAX at the end.
 */
export function relayDrain(first: u32): i32 {
  let messages: u32 = 0;
  let place = first;
  for (; place < <u32>SESSION_MAX && messages < <u32>BATCH; place++) {
    const session = sessionAt(place);
    if (session === 0 || sessionPath(session) === 0) continue;
    const h = protect(session, transmitSlot(messages), 0, RELAY_DRAIN);
    const name = setName(TX_NAMES, messages, sessionPath(session));
    setMessage(TX_MMSG, messages, messages, h, protectedLength(session, 0), name);
    messages++;
  }
  store<u32>(RESULT_NEXT, place);
  return messages;
}

/** Writes a sockaddr_in, whose first eight bytes are `path`, to entry `i` of the array `names`; returns its address. */
function setName(names: usize, i: u32, path: u64): usize {
  const name = names + i * NAME_SIZE;
  store<u64>(name, path);
  store<u64>(name, 0, 8);
  return name;
}
