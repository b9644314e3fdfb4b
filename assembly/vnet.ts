/** struct virtio_net_hdr (virtio 1.2, section 5.1.6), which is in front of the device's packets. In host order. */
import { VNET_HEADER } from '../src/packet/abi';

const FLAGS: usize = 0;
const GSO_TYPE: usize = 1;
const HEADER_LENGTH: usize = 2;
const GSO_SIZE: usize = 4;
const CSUM_START: usize = 6;
const CSUM_OFFSET: usize = 8;

/** The checksum is of the pseudo-header alone. */
export const VNET_FLAG_NEEDS_CSUM: u32 = 1;
export const VNET_GSO_NONE: u32 = 0;
export const VNET_GSO_TCPV4: u32 = 1;
export const VNET_GSO_TCPV6: u32 = 4;
export const VNET_GSO_UDP_L4: u32 = 5;
/** In the type: TCP that has CWR set, in the first packet alone (RFC 3168). */
export const VNET_GSO_ECN: u32 = 0x80;

export function vnetClear(v: usize): void {
  memory.fill(v, 0, VNET_HEADER);
}

/** `start`: where the checksum begins to count, `offset` from there to its place. */
export function vnetSet(
  v: usize,
  flags: u32,
  type: u32,
  headers: u32,
  size: u32,
  start: u32,
  offset: u32,
): void {
  store<u8>(v, <u8>flags, FLAGS);
  store<u8>(v, <u8>type, GSO_TYPE);
  store<u16>(v, <u16>headers, HEADER_LENGTH);
  store<u16>(v, <u16>size, GSO_SIZE);
  store<u16>(v, <u16>start, CSUM_START);
  store<u16>(v, <u16>offset, CSUM_OFFSET);
}

export function vnetNeedsChecksum(v: usize): bool {
  return (load<u8>(v, FLAGS) & VNET_FLAG_NEEDS_CSUM) !== 0;
}

/** VNET_GSO_NONE or how the super-packet is to be cut up; without VNET_GSO_ECN. */
export function vnetType(v: usize): u32 {
  return <u32>load<u8>(v, GSO_TYPE) & ~VNET_GSO_ECN;
}

/** Payload of each packet that it is to be cut into. */
export function vnetSize(v: usize): u32 {
  return load<u16>(v, GSO_SIZE);
}

export function vnetChecksumStart(v: usize): u32 {
  return load<u16>(v, CSUM_START);
}

export function vnetChecksumOffset(v: usize): u32 {
  return load<u16>(v, CSUM_OFFSET);
}
