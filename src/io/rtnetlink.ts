/**
 * The kernel's notifications of changes in the network: rtnetlink(7) messages, read from the bytes of a netlink socket.
 * Numbers are in the byte order of the machine, which is little-endian here.
 */
import { addressText } from '../address.js';

/** What has changed. Interfaces are told apart by index: their names can change. */
export type NetworkEvent =
  /** `up`: it is switched on and has a carrier. */
  | { type: 'link'; index: number; name: string; up: boolean }
  | { type: 'link-gone'; index: number; name: string }
  | { type: 'address'; index: number; address: string; present: boolean }
  /** `protocol` is who made it (`rtm_protocol`). */
  | { type: 'route'; index: number | undefined; protocol: number; present: boolean }
  /** Messages were lost: everything may have changed. */
  | { type: 'overrun' };

/** Multicast groups to subscribe to, as bits of `nl_groups`. */
export const RTMGRP_LINK = 0x1;
export const RTMGRP_IPV4_IFADDR = 0x10;
export const RTMGRP_IPV4_ROUTE = 0x40;
export const RTMGRP_IPV6_IFADDR = 0x100;
export const RTMGRP_IPV6_ROUTE = 0x400;

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;

/** struct nlmsghdr: u32 length, u16 type, u16 flags, u32 sequence, u32 port. */
const HEADER = 16;
/** struct ifinfomsg: u8 family, pad, u16 type, i32 index, u32 flags, u32 change. */
const LINK_BODY = 16;
/** struct ifaddrmsg: u8 family, u8 prefix length, u8 flags, u8 scope, u32 index. */
const ADDRESS_BODY = 8;
/** struct rtmsg: u8 family, three of lengths and TOS, u8 table, u8 protocol, u8 scope, u8 type, u32 flags. */
const ROUTE_BODY = 12;
/** struct rtattr: u16 length, u16 type. */
const ATTRIBUTE_HEADER = 4;

const IFLA_IFNAME = 3;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const RTA_OIF = 4;
const IFF_UP = 0x1;
const IFF_RUNNING = 0x40;
/** Where the kernel keeps routes to its own addresses: they follow from the addresses. */
const TABLE_LOCAL = 255;

const align = (size: number): number => (size + 3) & ~3;

/** The events of one datagram of the kernel's; messages that are cut short or of no interest give none. */
export function parseNotifications(bytes: Uint8Array): NetworkEvent[] {
  const events: NetworkEvent[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const length = view.getUint32(at, true);
    if (length < HEADER || at + length > bytes.length) break;
    const body = bytes.subarray(at + HEADER, at + length);
    const event = parseMessage(view.getUint16(at + 4, true), body);
    if (event !== undefined) events.push(event);
    at += align(length);
  }
  return events;
}

function parseMessage(type: number, body: Uint8Array): NetworkEvent | undefined {
  switch (type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return parseLink(type === RTM_NEWLINK, body);
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return tryAddressBytes(type === RTM_NEWADDR, body);
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return parseRoute(type === RTM_NEWROUTE, body);
    default:
      return undefined;
  }
}

function parseLink(present: boolean, body: Uint8Array): NetworkEvent | undefined {
  // A family other than "unspecified" is a bridge's, about its ports.
  if (body.length < LINK_BODY || body[0] !== 0) return undefined;
  const view = viewOf(body);
  const index = view.getInt32(4, true);
  const flags = view.getUint32(8, true);
  const text = attributes(body.subarray(LINK_BODY)).get(IFLA_IFNAME) ?? new Uint8Array(0);
  const name = Buffer.from(text).toString('latin1').replace(/\0.*$/s, '');
  if (!present) return { type: 'link-gone', index, name };
  return { type: 'link', index, name, up: (flags & IFF_UP) !== 0 && (flags & IFF_RUNNING) !== 0 };
}

function tryAddressBytes(present: boolean, body: Uint8Array): NetworkEvent | undefined {
  if (body.length < ADDRESS_BODY) return undefined;
  const all = attributes(body.subarray(ADDRESS_BODY));
  // IFA_ADDRESS is the other end's on a link with two ends, where IFA_LOCAL is there too.
  const address = all.get(IFA_LOCAL) ?? all.get(IFA_ADDRESS);
  if (address === undefined || (address.length !== 4 && address.length !== 16)) return undefined;
  return {
    type: 'address',
    index: viewOf(body).getUint32(4, true),
    address: addressText(address),
    present,
  };
}

function parseRoute(present: boolean, body: Uint8Array): NetworkEvent | undefined {
  if (body.length < ROUTE_BODY || body[4] === TABLE_LOCAL) return undefined;
  const device = attributes(body.subarray(ROUTE_BODY)).get(RTA_OIF);
  const index = device?.length === 4 ? viewOf(device).getUint32(0, true) : undefined;
  return { type: 'route', index, protocol: body[5] ?? 0, present };
}

/** Attributes by type, without their headers. */
function attributes(bytes: Uint8Array): Map<number, Uint8Array> {
  const all = new Map<number, Uint8Array>();
  const view = viewOf(bytes);
  for (let at = 0; at + ATTRIBUTE_HEADER <= bytes.length; ) {
    const length = view.getUint16(at, true);
    if (length < ATTRIBUTE_HEADER || at + length > bytes.length) break;
    all.set(view.getUint16(at + 2, true), bytes.subarray(at + ATTRIBUTE_HEADER, at + length));
    at += align(length);
  }
  return all;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
