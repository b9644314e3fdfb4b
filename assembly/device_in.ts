/**
 * Packets that come from the device. Without OFFLOAD_HEADER a slot holds one packet. With it, a struct virtio_net_hdr
 * stands in front; the checksum may be left to us, and a TCP or UDP packet of up to 64 KiB is cut into packets of the
 * size that the header tells, as the kernel would do it for a network card that cannot:
 *   TCP: sequence numbers go on, FIN and PSH stay in the last packet, CWR in the first, options are repeated
 *   UDP: the payload continues, in datagrams of their own
 *   both: lengths, IPv4 identification, checksums
 */
import {
  BIG_SLOT_SIZE,
  BIG_TX_SLOTS,
  DROP_TX_MALFORMED,
  DROP_TX_TOO_BIG,
  MAX_PACKET,
  OFFLOAD_HEADER,
  SEGMENTS,
  SEGMENTS_END,
  SLOT_HEADROOM,
  TX_LENGTHS,
  VNET_HEADER,
} from '../src/packet/abi';
import { messageRoom, offloads, transmitSlot } from './batch';
import { copyBlocks } from './bytes';
import { checksum, copySum, fold, sumBytes, sumPseudoHeader4, sumPseudoHeader6 } from './checksum';
import { count } from './counters';
import {
  checkPacket,
  IPV4_CHECKSUM,
  IPV4_IDENTIFICATION,
  IPV4_TOTAL_LENGTH,
  IPV6_HEADER,
  IPV6_PAYLOAD_LENGTH,
  ipVersion,
  ipv4HeaderLength,
  ipv4IsFragment,
  load16,
  locateTransport,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  store16,
  transportIsRouted,
  transportOffset,
  transportProtocol,
} from './ip';
import {
  TCP_CHECKSUM,
  TCP_CWR,
  TCP_FIN,
  TCP_FLAGS,
  TCP_HEADER,
  TCP_PSH,
  TCP_SEQUENCE,
  tcpHeaderLength,
  UDP_CHECKSUM,
  UDP_HEADER,
  UDP_LENGTH,
} from './transport';
import {
  VNET_GSO_NONE,
  VNET_GSO_TCPV4,
  VNET_GSO_TCPV6,
  VNET_GSO_UDP_L4,
  vnetChecksumOffset,
  vnetChecksumStart,
  vnetNeedsChecksum,
  vnetSize,
  vnetType,
} from './vnet';

/** In front of a packet, for all that encapsulation adds; a multiple of 16, as the packets begin at one. */
const SEGMENT_HEADROOM: u32 = 128;
/** Behind it, for what sealing adds. */
const SEGMENT_ROOM: u32 = 64;

/** Length of the packet that deviceFirst or deviceNext returned. */
export let deviceLength: u32 = 0;

/** Where the next packet can be cut to. */
let cursor: usize = SEGMENTS;

// The super-packet that is being cut up.
let source: usize = 0;
let protocol: u32 = 0;
/** Bytes of the IP header with its extensions, and of all headers. */
let network: u32 = 0;
let headers: u32 = 0;
/** Payload: of each packet, in all, and how much of it was used. */
let size: u32 = 0;
let payload: u32 = 0;
let done: u32 = 0;
let isCutting: bool = false;
let cut: u32 = 0;
/** The part of the pseudo-header that all packets share. */
let addressSum: u64 = 0;

/** Begins a batch: nothing of the one before is needed any more. */
export function deviceRewind(): void {
  cursor = SEGMENTS;
  isCutting = false;
}

/** Where the packet or super-packet in slot `i` of the transmit batch begins. */
export function deviceSlot(i: u32): usize {
  if ((offloads & OFFLOAD_HEADER) === 0) return transmitSlot(i);
  return BIG_TX_SLOTS + i * BIG_SLOT_SIZE + SLOT_HEADROOM;
}

/**
 * The first packet in slot `i` of the transmit batch, `deviceLength` bytes; zero if it was dropped. What is cut off a
 * super-packet is checked here; for the rest the length is that of what was read.
 */
export function deviceFirst(i: u32): usize {
  const available = load<u32>(<usize>TX_LENGTHS + (i << 2));
  isCutting = false;
  const p = deviceSlot(i);
  if ((offloads & OFFLOAD_HEADER) === 0) {
    deviceLength = available;
    return p;
  }
  const v = p - VNET_HEADER;
  if (available < <u32>VNET_HEADER) return drop(DROP_TX_MALFORMED);
  const length = available - VNET_HEADER;
  if (vnetType(v) !== VNET_GSO_NONE) return startCutting(v, p, length);
  if (vnetNeedsChecksum(v) && !complete(p, length, vnetChecksumStart(v), vnetChecksumOffset(v))) {
    return drop(DROP_TX_MALFORMED);
  }
  deviceLength = length;
  return p;
}

/** The next packet of the same slot, `deviceLength` bytes, or zero. */
export function deviceNext(): usize {
  return isCutting ? cutNext() : 0;
}

function drop(reason: u32): usize {
  count(reason);
  return 0;
}

/** Completes a checksum that has the sum of the pseudo-header in its place. False if that is not in the packet. */
function complete(p: usize, length: u32, start: u32, offset: u32): bool {
  if (start + offset + 2 > length) return false;
  const sum = fold(sumBytes(p + start, length - start, 0)) ^ 0xffff;
  // Of the two zeros, UDP means "no checksum" by one (RFC 768), and TCP takes both.
  store<u16>(p + start + offset, <u16>(sum === 0 ? 0xffff : sum));
  return true;
}

/** Finds out how to cut up the super-packet; returns its first packet, or zero if it was dropped. */
function startCutting(v: usize, p: usize, available: u32): usize {
  const checked = checkPacket(p, available);
  if (checked < 0) return drop(DROP_TX_MALFORMED);
  const length = <u32>checked;
  const version = ipVersion(p);
  const type = vnetType(v);
  const located = locateTransport(p, length);
  network = transportOffset(located);
  protocol = transportProtocol(located);
  size = vnetSize(v);
  const isTcp = (type === VNET_GSO_TCPV4 && version === 4) || (type === VNET_GSO_TCPV6 && version === 6);
  if (!(isTcp || type === VNET_GSO_UDP_L4) || protocol !== (isTcp ? PROTOCOL_TCP : PROTOCOL_UDP)) {
    return drop(DROP_TX_MALFORMED);
  }
  if (size === 0 || network === 0 || transportIsRouted(located) || (version === 4 && ipv4IsFragment(p))) {
    return drop(DROP_TX_MALFORMED);
  }
  if (network + (isTcp ? TCP_HEADER : UDP_HEADER) > length) return drop(DROP_TX_MALFORMED);
  const header = isTcp ? tcpHeaderLength(p + network) : UDP_HEADER;
  headers = network + header;
  if ((isTcp && header < TCP_HEADER) || headers > length) return drop(DROP_TX_MALFORMED);
  payload = length - headers;
  if (headers + min(size, payload) > <u32>MAX_PACKET) return drop(DROP_TX_TOO_BIG);
  const parts = max<u32>((payload + size - 1) / size, 1);
  const room = <u64>parts * (SEGMENT_HEADROOM + headers + SEGMENT_ROOM + 16) + payload;
  if (parts > messageRoom() || room > <u64>(<usize>SEGMENTS_END - cursor)) return drop(DROP_TX_TOO_BIG);
  source = p;
  done = 0;
  cut = 0;
  isCutting = true;
  addressSum = version === 4 ? sumPseudoHeader4(p, protocol, 0) : sumPseudoHeader6(p, protocol, 0);
  return cutNext();
}

/** Cuts the next packet off. */
function cutNext(): usize {
  if (cut !== 0 && done === payload) {
    isCutting = false;
    return 0;
  }
  const part = min(size, payload - done);
  const length = headers + part;
  const p = ((cursor + 15) & ~15) + SEGMENT_HEADROOM;
  cursor = p + length + SEGMENT_ROOM;
  copyBlocks(p, source, headers);
  const payloadSum = copySum(p + headers, source + headers + done, part, 0);
  if (ipVersion(p) === 4) {
    store16(p + IPV4_TOTAL_LENGTH, length);
    store16(p + IPV4_IDENTIFICATION, load16(source + IPV4_IDENTIFICATION) + cut);
    store<u16>(p, 0, IPV4_CHECKSUM);
    store<u16>(p, <u16>checksum(p, ipv4HeaderLength(p)), IPV4_CHECKSUM);
  } else {
    store16(p + IPV6_PAYLOAD_LENGTH, length - IPV6_HEADER);
  }
  const transport = p + network;
  let field = UDP_CHECKSUM;
  if (protocol === PROTOCOL_TCP) {
    field = TCP_CHECKSUM;
    store<u32>(transport, bswap<u32>(bswap<u32>(load<u32>(transport, TCP_SEQUENCE)) + done), TCP_SEQUENCE);
    let flags: u32 = load<u8>(transport, TCP_FLAGS);
    if (done + part < payload) flags &= ~(TCP_FIN | TCP_PSH);
    if (cut !== 0) flags &= ~TCP_CWR;
    store<u8>(transport, <u8>flags, TCP_FLAGS);
  } else {
    store16(transport + UDP_LENGTH, length - network);
  }
  store<u16>(transport + field, 0);
  const sum = addressSum + <u64>bswap<u16>(<u16>(length - network));
  const value = fold(sumBytes(transport, headers - network, sum + payloadSum)) ^ 0xffff;
  store<u16>(transport + field, <u16>(value === 0 && protocol === PROTOCOL_UDP ? 0xffff : value));
  done += part;
  cut++;
  deviceLength = length;
  return p;
}
