// What can come in a datagram on the port that IKE and ESP share (RFC 3948 section 2), for either end of a tunnel.
import { DROP_RX_INNER_MALFORMED, DROP_RX_SELECTOR } from '../src/packet/abi';
import { ESP_HEAD, espOpen } from './esp';
import { checkPacket } from './ip';
import { mayEnter } from './selectors';

/** Bytes of the zeros in front of IKE, where ESP has its SPI. */
export const NON_ESP_MARKER: u32 = 4;
/** RFC 7296 section 3.1. */
export const IKE_HEADER: u32 = 28;
const KEEPALIVE: u8 = 0xff;

/** Whether the datagram is a NAT keepalive. */
export function isKeepalive(p: usize, length: u32): bool {
  return length === 1 && load<u8>(p) === KEEPALIVE;
}

/**
 * Opens the ESP packet of `length` bytes at `esp`. Returns the length of the packet in it, at `esp + ESP_HEAD`, which
 * is whole and may come from the association; or the reason for the drop, negated.
 */
export function openInner(sa: usize, esp: usize, length: u32): i32 {
  const opened = espOpen(sa, esp, length);
  if (opened < 0) return opened;
  const p = esp + ESP_HEAD;
  const checked = checkPacket(p, opened);
  if (checked < 0) return -DROP_RX_INNER_MALFORMED;
  return mayEnter(sa, p, checked) ? checked : -DROP_RX_SELECTOR;
}
