// A gateway's pipelines: between its one UDP socket, on which all clients send, and its TUN device.
//
// From the network: NAT keepalives end here, IKE goes to the control plane -> association by SPI -> replay window, tag,
// trailer, inner packet -> selectors, by which a client sends from its virtual address alone -> peer; where it is
// reached, if the packet is its newest -> MSS -> device. From the device: destination -> peer -> MSS -> selectors ->
// association -> the peer's address. Nothing before a valid tag changes any state but counters.
//
// Virtual addresses are IPv4; the peers may be reached over IPv4 or IPv6.
import {
  BATCH,
  COUNTER_CONTROL,
  COUNTER_KEEPALIVES,
  COUNTER_RX_BYTES,
  COUNTER_RX_PACKETS,
  COUNTER_SESSION_MOVES,
  COUNTER_TX_BYTES,
  COUNTER_TX_PACKETS,
  DROP_RX_CONTROL_FULL,
  DROP_RX_NOT_FOR_US,
  DROP_RX_SHORT,
  DROP_RX_TRUNCATED,
  DROP_RX_UNKNOWN_SPI,
  DROP_TX_DESTINATION,
  DROP_TX_MALFORMED,
  DROP_TX_NO_SESSION,
  DROP_TX_NO_TUNNEL,
  DROP_TX_SEQUENCE_EXHAUSTED,
  DROP_TX_SOURCE,
  DROP_TX_TOO_BIG,
  ERR_LENGTH,
  EVENT_PEER_MOVED,
  MAX_PACKET,
  NAME_SIZE,
  PEER_MAX,
  RESULT_TO_DEVICE,
  SA_SEQUENCE,
} from '../src/packet/abi';
import { aeadFinish } from './aead';
import {
  addEvent,
  addMessage,
  addToControl,
  batchInit,
  batchRenew,
  clearMessages,
  clearResults,
  messageCount,
  receiveDatagramLength,
  receiveLength,
  receiveName,
  receiveSlot,
  receiveTruncated,
} from './batch';
import { add, count } from './counters';
import { IKE_HEADER, isKeepalive, NON_ESP_MARKER, openInner } from './datagram';
import { deviceFirst, deviceLength, deviceNext, deviceRewind } from './device_in';
import { addToDevice, deviceClear, deviceFlush } from './device_out';
import { windowHighest } from './duplicate';
import { ESP_HEAD, espSeal } from './esp';
import {
  peerAssociation,
  peerAt,
  peerCountReceived,
  peerIndex,
  peerIsElsewhere,
  peerMove,
  peerName,
  peerOfAddress,
} from './gateway_peers';
import { checkPacket, ipVersion, ipv4Destination } from './ip';
import { clampMss } from './mss';
import { poolContains, poolInit } from './pool';
import { SA_PATH, saInbound, saPaths } from './sa';
import { mayLeave } from './selectors';

/** Offset of the responder's SPI in IKE's header; it is zero in a request that begins an IKE SA. */
const RESPONDER_SPI: usize = 8;

/** TCP's MSS, for IPv4, that fits the tunnels. */
let maxSegment: u32 = 0;
/** IKE datagrams that may still be handed over in this call: those that begin an IKE SA, and all others. */
let initCredit: u32 = 0;
let credit: u32 = 0;

/**
 * Prepares the core to be a gateway. `base`: where linear memory begins in the process; the pool's address as it lies
 * in packets and its prefix length; `segment`: the MSS to clamp to (MTU - 40). Returns OK or ERR_LENGTH.
 */
export function gatewayInit(
  baseLow: u32,
  baseHigh: u32,
  poolAddress: u32,
  poolPrefix: u32,
  segment: u32,
): i32 {
  batchInit(baseLow, baseHigh);
  saPaths(PEER_MAX);
  maxSegment = segment;
  return poolInit(poolAddress, poolPrefix);
}

// --- From the network -----------------------------------------------------------------------------------------

/**
 * Takes what is in the first `datagrams` messages of RX_MMSG. Leaves packets in TO_DEVICE, IKE messages in TO_CONTROL (at most `inits` that
 * begin an IKE SA, so that a flood of those does not keep out the others, and at most `others`), EVENTS and their
 * numbers in RESULT. The sender of the IKE message in slot i is in entry i of RX_NAMES. Returns the number of packets
 * for the device, or ERR_LENGTH for more than a batch.
 */
export function gatewayReceive(datagrams: u32, inits: u32, others: u32): i32 {
  if (datagrams > <u32>BATCH) return ERR_LENGTH;
  clearResults();
  initCredit = inits;
  credit = others;
  deviceClear();
  for (let i: u32 = 0; i < datagrams; i++) {
    if (receiveTruncated(i)) count(DROP_RX_TRUNCATED);
    else receiveAll(i, receiveSlot(i), receiveLength(i), receiveDatagramLength(i));
  }
  deviceFlush();
  batchRenew(datagrams);
  return load<i32>(RESULT_TO_DEVICE);
}

/** Handles the datagrams of `size` bytes, the last one of what is left, in the `length` bytes of slot `i` at `p`. */
function receiveAll(i: u32, p: usize, length: u32, size: u32): void {
  for (; length > size; p += size, length -= size) count(receive(i, p, size));
  count(receive(i, p, length));
}

/** Handles a datagram of slot `i`. Returns the counter that says what became of it. */
function receive(i: u32, p: usize, length: u32): u32 {
  if (isKeepalive(p, length)) return COUNTER_KEEPALIVES;
  if (length < NON_ESP_MARKER) return DROP_RX_SHORT;
  const spi = bswap<u32>(load<u32>(p));
  return spi === 0 ? receiveIke(p + NON_ESP_MARKER, length - NON_ESP_MARKER) : receiveEsp(i, spi, p, length);
}

function receiveIke(message: usize, length: u32): u32 {
  if (length < IKE_HEADER) return DROP_RX_SHORT;
  if (load<u64>(message, RESPONDER_SPI) === 0) {
    if (initCredit === 0) return DROP_RX_CONTROL_FULL;
    initCredit--;
  } else {
    if (credit === 0) return DROP_RX_CONTROL_FULL;
    credit--;
  }
  addToControl(message, length);
  return COUNTER_CONTROL;
}

function receiveEsp(i: u32, spi: u32, esp: usize, length: u32): u32 {
  const sa = saInbound(spi);
  if (sa === 0) return DROP_RX_UNKNOWN_SPI;
  const peer = peerAt(load<u32>(sa, SA_PATH));
  if (peer === 0) return DROP_RX_NOT_FOR_US;
  const highest = windowHighest(sa + SA_SEQUENCE);
  const opened = openInner(sa, esp, length);
  if (opened < 0) return -opened;
  peerCountReceived(peer);
  // A late packet does not bring back the address of before (RFC 7296 section 2.23).
  if (windowHighest(sa + SA_SEQUENCE) > highest) follow(peer, receiveName(i));
  const p = esp + ESP_HEAD;
  clampMss(p, opened, maxSegment);
  addToDevice(p, opened);
  add(COUNTER_RX_BYTES, opened);
  return COUNTER_RX_PACKETS;
}

/** The peer's newest packet came from the sockaddr at `name`. */
function follow(peer: usize, name: usize): void {
  if (!peerIsElsewhere(peer, name)) return;
  peerMove(peer, name);
  count(COUNTER_SESSION_MOVES);
  const event = addEvent(EVENT_PEER_MOVED, peerIndex(peer), 0, 0, 0, 0);
  memory.copy(event + 16, name, NAME_SIZE);
}

// --- From the device ------------------------------------------------------------------------------------------

/**
 * Seals what is in the first `packets` slots of TX_SLOTS (or BIG_TX_SLOTS), whose lengths are in TX_LENGTHS. Returns the number of messages in
 * TX_MMSG, or ERR_LENGTH for more than a batch; the rest is dropped and counted.
 */
export function gatewayTransmit(packets: u32): i32 {
  if (packets > <u32>BATCH) return ERR_LENGTH;
  clearMessages();
  deviceRewind();
  for (let i: u32 = 0; i < packets; i++) {
    for (let p = deviceFirst(i); p !== 0; p = deviceNext()) {
      const drop = transmit(p, deviceLength);
      if (drop !== 0) count(drop);
    }
  }
  aeadFinish();
  return messageCount();
}

/** Makes a datagram of the packet of `available` bytes at `p`. Returns the reason for a drop, 0 if there is none. */
function transmit(p: usize, available: u32): u32 {
  if (available > <u32>MAX_PACKET) return DROP_TX_TOO_BIG;
  const checked = checkPacket(p, available);
  if (checked < 0) return DROP_TX_MALFORMED;
  const length = <u32>checked;
  if (ipVersion(p) !== 4 || !poolContains(ipv4Destination(p))) return DROP_TX_DESTINATION;
  const peer = peerOfAddress(ipv4Destination(p));
  if (peer === 0) return DROP_TX_NO_SESSION;
  const sa = peerAssociation(peer);
  if (sa === 0) return DROP_TX_NO_TUNNEL;
  if (!mayLeave(sa, p, length)) return DROP_TX_SOURCE;
  clampMss(p, length, maxSegment);
  const sealed = espSeal(sa, p, length);
  if (sealed === 0) return DROP_TX_SEQUENCE_EXHAUSTED;
  addMessage(p - ESP_HEAD, sealed, peerName(peer));
  count(COUNTER_TX_PACKETS);
  add(COUNTER_TX_BYTES, length);
  return 0;
}
