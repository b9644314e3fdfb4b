// Datagrams from the gateways to the device, a batch at a time. For each datagram:
//   1. NAT keepalives end here, IKE goes to the control plane (RFC 3948 sections 2.2 and 2.3)
//   2. ESP: association by SPI, replay window, tag, trailer, inner packet, selectors
//   3. from the relay: duplicate filter, tag, filter accepts; data goes on, probe replies and requests become events
//   4. the destination must be an address of ours. Without a relay that is the path's virtual address, translated to
//      the device's; with one it is the lease, translated to the device's, or the virtual address, translated to the
//      control connection's
// Nothing before a valid tag changes any state but counters. Any socket takes any association's packets: what
// counts is the association's own path.
import {
  ADDRESS_CONTROL,
  ADDRESS_DEVICE,
  ADDRESS_PATH,
  BATCH,
  CLIENT_WINDOW,
  COUNTER_CONTROL,
  COUNTER_DRAINS,
  COUNTER_KEEPALIVES,
  COUNTER_PROBE_REPLIES,
  COUNTER_RX_BYTES,
  COUNTER_RX_PACKETS,
  COUNTER_SUSPECTS,
  DROP_RELAY_DUPLICATE,
  DROP_RELAY_INNER,
  DROP_RELAY_SESSION,
  DROP_RELAY_SHORT,
  DROP_RELAY_TYPE,
  DROP_RX_CONTROL_FULL,
  DROP_RX_FRAGMENT,
  DROP_RX_NOT_FOR_US,
  DROP_RX_SHORT,
  DROP_RX_TRUNCATED,
  DROP_RX_UNKNOWN_SPI,
  ERR_INDEX,
  ERR_LENGTH,
  EVENT_DRAIN,
  EVENT_SUSPECT,
  PATH_MAX,
  RELAY_DATA,
  RELAY_DRAIN,
  RELAY_HEADER,
  RELAY_MODE_IPIP,
  RELAY_MODE_NONE,
  RELAY_PROBE_BODY,
  RELAY_PROBE_REPLY,
  RELAY_SUSPECT,
  RESULT_TO_DEVICE,
  TRAFFIC_RECEIVED,
} from '../src/packet/abi';
import {
  addEvent,
  addToControl,
  batchRenew,
  clearResults,
  next,
  receiveDatagramLength,
  receiveLength,
  receiveSlot,
  receiveTruncated,
} from './batch';
import { probeAnswered } from './client_probe';
import {
  addressAt,
  clientPort,
  hasAddress,
  isAssigned,
  lease,
  maxSegment,
  pathEpoch,
  receiveKey,
  relayAddress,
  relayMode,
  relayPort,
  relayWindow,
  sessionIndex,
  takeCredit,
} from './client_state';
import { add, count } from './counters';
import { IKE_HEADER, isKeepalive, NON_ESP_MARKER, openInner } from './datagram';
import { addToDevice, deviceClear, deviceFlush } from './device_out';
import { windowAccept, windowCheck } from './duplicate';
import { ESP_HEAD } from './esp';
import {
  checkPacket,
  IPV4_DESTINATION,
  IPV4_PROTOCOL,
  IPV6_DESTINATION,
  ipVersion,
  ipv4Destination,
  ipv4HeaderLength,
  ipv4IsFragment,
  ipv4Source,
  load16,
  PROTOCOL_ICMP,
  PROTOCOL_IPIP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
} from './ip';
import { clampMss } from './mss';
import {
  relayEpoch,
  relayHead,
  relayOpen,
  relaySequence,
  relaySession,
  relayTail,
  UDP_HEADER,
} from './relay';
import { rewriteDestination } from './rewrite';
import { SA_PATH, saInbound } from './sa';
import { isTcpRequest, TCP_HEADER } from './transport';

/**
 * Takes what is in the first `datagrams` messages of RX_MMSG, which came on the path's socket. Leaves packets in TO_DEVICE, IKE
 * messages in TO_CONTROL, EVENTS and their numbers in RESULT. Returns the number of packets for the device.
 */
export function clientReceive(path: u32, datagrams: u32): i32 {
  if (path >= <u32>PATH_MAX) return ERR_INDEX;
  if (datagrams > <u32>BATCH) return ERR_LENGTH;
  clearResults();
  deviceClear();
  for (let i: u32 = 0; i < datagrams; i++) {
    if (receiveTruncated(i)) count(DROP_RX_TRUNCATED);
    else receiveAll(path, receiveSlot(i), receiveLength(i), receiveDatagramLength(i));
  }
  deviceFlush();
  batchRenew(datagrams);
  return load<i32>(RESULT_TO_DEVICE);
}

/** Handles the datagrams of `size` bytes, the last one of what is left, in the `length` bytes at `p`. */
function receiveAll(path: u32, p: usize, length: u32, size: u32): void {
  for (; length > size; p += size, length -= size) count(receive(path, p, size));
  count(receive(path, p, length));
}

/** Handles one datagram. Returns the counter that says what became of it. */
function receive(path: u32, p: usize, length: u32): u32 {
  if (isKeepalive(p, length)) return COUNTER_KEEPALIVES;
  if (length < NON_ESP_MARKER) return DROP_RX_SHORT;
  const spi = bswap<u32>(load<u32>(p));
  return spi === 0
    ? receiveIke(path, p + NON_ESP_MARKER, length - NON_ESP_MARKER)
    : receiveEsp(spi, p, length);
}

function receiveIke(path: u32, message: usize, length: u32): u32 {
  if (length < IKE_HEADER) return DROP_RX_SHORT;
  if (!takeCredit(path)) return DROP_RX_CONTROL_FULL;
  addToControl(message, length);
  return COUNTER_CONTROL;
}

function receiveEsp(spi: u32, esp: usize, length: u32): u32 {
  const sa = saInbound(spi);
  if (sa === 0) return DROP_RX_UNKNOWN_SPI;
  const opened = openInner(sa, esp, length);
  if (opened < 0) return -opened;
  return receiveInner(load<u32>(sa, SA_PATH), esp + ESP_HEAD, opened);
}

/** A checked packet that the path's gateway may send us. */
function receiveInner(path: u32, p: usize, length: u32): u32 {
  const family = ipVersion(p);
  const destination = p + (family === 4 ? IPV4_DESTINATION : IPV6_DESTINATION);
  if (!hasAddress(ADDRESS_PATH + path, family, destination)) return DROP_RX_NOT_FOR_US;
  if (relayAddress === 0) return deliver(p, length, ADDRESS_DEVICE);
  return family === 4 ? receiveForSession(path, p, length) : DROP_RX_NOT_FOR_US;
}

/**
 * With a relay, a virtual address is there for the relay alone, and for ICMP about what was sent to it: nobody
 * else behind the gateway reaches the device. The connection to the relay begins here, so nobody begins one there: the gateway,
 * which can write any source, does not reach services that listen on all addresses.
 */
function receiveForSession(path: u32, p: usize, length: u32): u32 {
  const protocol = <u32>load<u8>(p, IPV4_PROTOCOL);
  if (protocol === PROTOCOL_ICMP) return deliver(p, length, ADDRESS_CONTROL);
  if (ipv4Source(p) !== relayAddress) return DROP_RX_NOT_FOR_US;
  if (ipv4IsFragment(p)) return DROP_RX_FRAGMENT;
  const header = ipv4HeaderLength(p);
  if (protocol === PROTOCOL_TCP) {
    return length >= header + TCP_HEADER && !isTcpRequest(p + header)
      ? deliver(p, length, ADDRESS_CONTROL)
      : DROP_RX_NOT_FOR_US;
  }
  if (protocol !== PROTOCOL_UDP && protocol !== PROTOCOL_IPIP) return DROP_RX_NOT_FOR_US;
  if (protocol === PROTOCOL_UDP) return receiveRelay(path, p + header, length - header);
  return relayMode === RELAY_MODE_IPIP ? receiveLeased(p + header, length - header) : DROP_RELAY_SESSION;
}

/** UDP from the relay, `available` bytes. */
function receiveRelay(path: u32, udp: usize, available: u32): u32 {
  // In a packet too short for it the length field is whatever lies behind: both bounds hold all the same.
  const length = load16(udp + 4);
  if (length > available || length < UDP_HEADER + RELAY_HEADER) return DROP_RELAY_SHORT;
  const header = udp + UDP_HEADER;
  const isOurs =
    relayMode !== RELAY_MODE_NONE &&
    load16(udp) === relayPort &&
    load16(udp + 2) === clientPort &&
    relaySession(header) === sessionIndex;
  if (!isOurs) return DROP_RELAY_SESSION;
  const sequence = relaySequence(header);
  if (!windowCheck(relayWindow, CLIENT_WINDOW, sequence)) return DROP_RELAY_DUPLICATE;
  const type = relayOpen(relayMode, header, length - UDP_HEADER, receiveKey);
  if (type < 0) return -type;
  windowAccept(relayWindow, CLIENT_WINDOW, sequence);
  const head = relayHead(relayMode);
  const body = header + head;
  const bodyLength = length - UDP_HEADER - head - relayTail(relayMode);
  if (type === RELAY_DATA) return receiveLeased(body, bodyLength);
  if (type === RELAY_PROBE_REPLY) {
    if (bodyLength < <u32>RELAY_PROBE_BODY) return DROP_RELAY_SHORT;
    probeAnswered(path, header, body, bodyLength);
    return COUNTER_PROBE_REPLIES;
  }
  if (type === RELAY_SUSPECT) {
    if (bodyLength < 4) return DROP_RELAY_SHORT;
    // What it says of another path than the active one is of no use any more.
    if (relayEpoch(header) === pathEpoch) addEvent(EVENT_SUSPECT, path, bswap<u32>(load<u32>(body)), 0, 0, 0);
    return COUNTER_SUSPECTS;
  }
  if (type !== RELAY_DRAIN) return DROP_RELAY_TYPE;
  addEvent(EVENT_DRAIN, path, 0, 0, 0, 0);
  return COUNTER_DRAINS;
}

/** The packet inside one from the relay: it must be for the session's address. */
function receiveLeased(p: usize, available: u32): u32 {
  const checked = checkPacket(p, available);
  if (checked < 0 || ipVersion(p) !== 4 || ipv4Destination(p) !== load<u32>(lease)) return DROP_RELAY_INNER;
  return deliver(p, checked, ADDRESS_DEVICE);
}

/** Hands a packet to the device under the address in `slot`. */
function deliver(p: usize, length: u32, slot: u32): u32 {
  const family = ipVersion(p);
  if (!isAssigned(slot, family)) return DROP_RX_NOT_FOR_US;
  const destination = p + (family === 4 ? IPV4_DESTINATION : IPV6_DESTINATION);
  if (!hasAddress(slot, family, destination)) rewriteDestination(p, length, addressAt(slot, family));
  clampMss(p, length, maxSegment);
  addToDevice(p, length);
  add(COUNTER_RX_BYTES, length);
  if (slot === ADDRESS_DEVICE) next(TRAFFIC_RECEIVED);
  return COUNTER_RX_PACKETS;
}
