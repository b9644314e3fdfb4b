/**
 * Packets on their way to the device. Without OFFLOAD_HEADER each is listed as it is. With it, each has a struct
 * virtio_net_hdr in front, and consecutive packets of one flow become a super-packet, as the kernel's own receive
 * offload would make it: same addresses, ports, options, flags and congestion bits, the next sequence number (TCP) and
 * the next identification (IPv4), equal sizes but for the last, right checksums. Cutting the super-packet up gives the
 * same packets again. Nothing is copied: a super-packet is a list of iovecs, the first packet whole and of each other
 * one its payload.
 *
 * Only neighbours are joined, so the order of all packets stays as it was.
 */
import {
  DEVICE_IOV,
  GROUP_MAX,
  IOVEC_SIZE,
  OFFLOAD_HEADER,
  OFFLOAD_TCP,
  OFFLOAD_UDP,
  RESULT_TO_DEVICE,
  SUPER_MAX,
  TO_DEVICE,
  VNET_HEADER,
} from '../src/packet/abi';
import { fillVector, next, offloads } from './batch';
import { checksum, fold, sumBytes, sumPseudoHeader4, sumPseudoHeader6 } from './checksum';
import {
  IPV4_CHECKSUM,
  IPV4_FRAGMENT,
  IPV4_HEADER,
  IPV4_IDENTIFICATION,
  IPV4_PROTOCOL,
  IPV4_TOTAL_LENGTH,
  IPV6_HEADER,
  IPV6_NEXT_HEADER,
  IPV6_PAYLOAD_LENGTH,
  ipVersion,
  load16,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  store16,
} from './ip';
import {
  TCP_ACK,
  TCP_CHECKSUM,
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
  VNET_FLAG_NEEDS_CSUM,
  VNET_GSO_TCPV4,
  VNET_GSO_TCPV6,
  VNET_GSO_UDP_L4,
  vnetClear,
  vnetSet,
} from './vnet';

/** "More fragments" and the offset, in the fragment field in host order. */
const FRAGMENTED: u32 = 0x3fff;
const DONT_FRAGMENT: u32 = 0x4000;

// The super-packet, or single packet, that may still grow: the last one listed. All zero: none.
let head: usize = 0;
let headLength: u32 = 0;
let protocol: u32 = 0;
/** Bytes of the IP header, and of all headers. */
let network: u32 = 0;
let headers: u32 = 0;
/** Payload of each packet but the last. */
let size: u32 = 0;
let total: u32 = 0;
let packets: u32 = 0;
/** TCP: the sequence number that comes next. */
let sequence: u32 = 0;
/** IPv4: what the identification grows by; unknown until there are two. */
let step: u32 = 0;
let verified: bool = false;
/** Whether another packet may follow. */
let open: bool = false;
/** Entries of DEVICE_IOV that are taken. */
let vectors: u32 = 0;

/** Appends a packet, which has passed `checkPacket`; the VNET_HEADER bytes before it are no longer needed. */
export function addToDevice(p: usize, length: u32): void {
  if ((offloads & OFFLOAD_HEADER) === 0) {
    listPacket(<u32>p, length);
    return;
  }
  if (joinsLast(p, length)) return;
  deviceFlush();
  begin(p, length);
}

/** Ends the list: to be called after the batch's last packet. */
export function deviceFlush(): void {
  if (packets > 1) finish();
  packets = 0;
  open = false;
}

/** Begins the list: to be called before the batch's first packet. */
export function deviceClear(): void {
  packets = 0;
  vectors = 0;
  open = false;
}

function listPacket(address: u32, length: u32): void {
  const entry = TO_DEVICE + (next(RESULT_TO_DEVICE) << 3);
  store<u32>(entry, address);
  store<u32>(entry, length, 4);
}

function addVector(data: usize, length: u32): usize {
  const iov = <usize>DEVICE_IOV + vectors++ * IOVEC_SIZE;
  fillVector(iov, data, length);
  return iov;
}

/** Lists a packet by itself; it is joined by others if it is of a kind that can be. */
function begin(p: usize, length: u32): void {
  vnetClear(p - VNET_HEADER);
  listPacket(<u32>addVector(p - VNET_HEADER, length + VNET_HEADER), 1);
  head = p;
  headLength = length;
  packets = 1;
  verified = false;
  open = describe(p, length);
}

/** Whether the packet can begin a super-packet, whose state it then sets. */
function describe(p: usize, length: u32): bool {
  const version = ipVersion(p);
  if (version === 4) {
    // No options: what a router would have to look at stays in a packet of its own.
    if (load<u8>(p) !== 0x45 || (load16(p + IPV4_FRAGMENT) & FRAGMENTED) !== 0) return false;
    network = IPV4_HEADER;
    protocol = load<u8>(p, IPV4_PROTOCOL);
  } else {
    network = IPV6_HEADER;
    protocol = load<u8>(p, IPV6_NEXT_HEADER);
  }
  const transport = p + network;
  if (protocol === PROTOCOL_TCP) {
    if ((offloads & OFFLOAD_TCP) === 0 || length < network + TCP_HEADER) return false;
    const header = tcpHeaderLength(transport);
    // Data and ACK alone. PSH and FIN can only be in the last packet.
    if (header < TCP_HEADER || load<u8>(transport, TCP_FLAGS) !== TCP_ACK) return false;
    headers = network + header;
  } else if (protocol === PROTOCOL_UDP) {
    if ((offloads & OFFLOAD_UDP) === 0 || length < network + UDP_HEADER) return false;
    if (load16(transport + UDP_LENGTH) !== length - network) return false;
    headers = network + UDP_HEADER;
  } else return false;
  if (length <= headers) return false;
  size = length - headers;
  total = length;
  if (protocol === PROTOCOL_TCP) sequence = bswap<u32>(load<u32>(transport, TCP_SEQUENCE)) + size;
  return true;
}

/** Joins the packet to the last one if it may be; false if not. */
function joinsLast(p: usize, length: u32): bool {
  if (!open || packets === GROUP_MAX || length > headers + size || length <= headers) return false;
  const payload = length - headers;
  if (total + payload > <u32>SUPER_MAX) return false;
  const version = ipVersion(p);
  if (!(version === 4 ? sameNetwork4(p) : sameNetwork6(p))) return false;
  const transport = p + network;
  const same = protocol === PROTOCOL_TCP ? sameTcp(transport) : sameUdp(transport, length - network);
  if (!same) return false;
  if (!verified && !isIntact(head, headLength)) {
    open = false;
    return false;
  }
  verified = true;
  if (!isIntact(p, length)) return false;

  addVector(p + headers, payload);
  // The last entry of TO_DEVICE.
  const entry = TO_DEVICE + ((load<u32>(RESULT_TO_DEVICE) - 1) << 3);
  if (packets === 1 && version === 4)
    step = load16(p + IPV4_IDENTIFICATION) - load16(head + IPV4_IDENTIFICATION);
  store<u32>(entry, ++packets, 4);
  total += payload;
  sequence += payload;
  open = payload === size;
  if (protocol === PROTOCOL_TCP) {
    const ending = load<u8>(transport, TCP_FLAGS) & (TCP_PSH | TCP_FIN);
    if (ending !== 0) {
      const flags = head + network + TCP_FLAGS;
      store<u8>(flags, load<u8>(flags) | ending);
      open = false;
    }
  }
  return true;
}

function sameNetwork4(p: usize): bool {
  if (load<u16>(p) !== load<u16>(head)) return false;
  const fragment = load16(p + IPV4_FRAGMENT);
  if (fragment !== load16(head + IPV4_FRAGMENT)) return false;
  const expected = load16(head + IPV4_IDENTIFICATION);
  const identification = load16(p + IPV4_IDENTIFICATION);
  // Of UDP with "don't fragment" it may also always be the same: it means nothing there (RFC 6864).
  const isNext = identification === ((expected + packets) & 0xffff) && (packets === 1 || step !== 0);
  const isSame =
    protocol === PROTOCOL_UDP &&
    (fragment & DONT_FRAGMENT) !== 0 &&
    identification === expected &&
    (packets === 1 || step === 0);
  // TTL and protocol, then the addresses.
  return (
    (isNext || isSame) && load<u16>(p, 8) === load<u16>(head, 8) && load<u64>(p, 12) === load<u64>(head, 12)
  );
}

function sameNetwork6(p: usize): bool {
  // Version, class and flow label; next header and hop limit; the addresses.
  if (load<u32>(p) !== load<u32>(head) || load<u16>(p, 6) !== load<u16>(head, 6)) return false;
  const differing = v128.or(
    v128.xor(v128.load(p, 8), v128.load(head, 8)),
    v128.xor(v128.load(p, 24), v128.load(head, 24)),
  );
  return !v128.any_true(differing);
}

function sameTcp(tcp: usize): bool {
  const first = head + network;
  // Ports; acknowledgement; header length; window and urgent pointer.
  if (
    load<u32>(tcp) !== load<u32>(first) ||
    bswap<u32>(load<u32>(tcp, TCP_SEQUENCE)) !== sequence ||
    load<u32>(tcp, 8) !== load<u32>(first, 8) ||
    load<u8>(tcp, 12) !== load<u8>(first, 12) ||
    (load<u8>(tcp, TCP_FLAGS) & ~(TCP_PSH | TCP_FIN)) !== TCP_ACK ||
    load<u16>(tcp, 14) !== load<u16>(first, 14) ||
    load<u16>(tcp, 18) !== load<u16>(first, 18)
  ) {
    return false;
  }
  for (let at = TCP_HEADER; at < headers - network; at += 4) {
    if (load<u32>(tcp + at) !== load<u32>(first + at)) return false;
  }
  return true;
}

function sameUdp(udp: usize, length: u32): bool {
  const first = head + network;
  return (
    load<u32>(udp) === load<u32>(first) &&
    load16(udp + UDP_LENGTH) === length &&
    // With or without a checksum.
    (load<u16>(udp, UDP_CHECKSUM) === 0) === (load<u16>(first, UDP_CHECKSUM) === 0)
  );
}

/** Whether the packet's checksums are right. */
function isIntact(p: usize, length: u32): bool {
  const version = ipVersion(p);
  if (version === 4 && checksum(p, IPV4_HEADER) !== 0) return false;
  const transport = p + network;
  // RFC 768: UDP without a checksum, which IPv6 does not allow.
  if (protocol === PROTOCOL_UDP && load<u16>(transport, UDP_CHECKSUM) === 0) return version === 4;
  const sum = pseudoHeader(p, length - network);
  return fold(sumBytes(transport, length - network, sum)) === 0xffff;
}

function pseudoHeader(p: usize, length: u32): u64 {
  return ipVersion(p) === 4 ? sumPseudoHeader4(p, protocol, length) : sumPseudoHeader6(p, protocol, length);
}

/** Makes the first packet's headers those of the whole super-packet. */
function finish(): void {
  const version = ipVersion(head);
  if (version === 4) {
    store16(head + IPV4_TOTAL_LENGTH, total);
    store<u16>(head, 0, IPV4_CHECKSUM);
    store<u16>(head, <u16>checksum(head, IPV4_HEADER), IPV4_CHECKSUM);
  } else {
    store16(head + IPV6_PAYLOAD_LENGTH, total - network);
  }
  const tcp = protocol === PROTOCOL_TCP;
  if (!tcp) store16(head + network + UDP_LENGTH, total - network);
  const field = tcp ? TCP_CHECKSUM : UDP_CHECKSUM;
  // The kernel completes it for each packet that it cuts off.
  store<u16>(head + network + field, <u16>fold(pseudoHeader(head, total - network)));
  const type = tcp ? (version === 4 ? VNET_GSO_TCPV4 : VNET_GSO_TCPV6) : VNET_GSO_UDP_L4;
  vnetSet(head - VNET_HEADER, VNET_FLAG_NEEDS_CSUM, type, headers, size, network, field);
}
