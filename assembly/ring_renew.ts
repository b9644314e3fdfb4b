/** What a ring holds, when its session goes on under other keys and with numbers that begin anew. */

import { stateFirst, stateHas } from './receive_state';
import {
  ACKNOWLEDGED,
  BLOCK_HEADER,
  ENTRY_FLAGS,
  ENTRY_HELD,
  ENTRY_LASTING,
  ENTRY_RECEIVED,
  ENTRY_SEQUENCE,
  entrySize,
  FIRST,
  HELD,
  LAST_SEQUENCE,
  NEXT,
  ringPacket,
  ringPacketLength,
  USED,
} from './ring';
import { ringEnd } from './ring_resend';

/**
 * Goes over the ring once, from the oldest packet on. Those that have not been delivered are made anew by `renew`, which is given
 * a packet's address and length, changes it in place and returns its new number, higher than the one before, or zero: it is
 * worth nothing. All others count as arrived.
 *
 * What was delivered the receive state in the probe's body of `length` bytes at `body` says; zero: it is not known, and what was
 * sent before the number `from` (zero: everything) counts as delivered. What was held has never been sent.
 */
export function ringRenew(
  ring: usize,
  body: usize,
  length: u32,
  from: u64,
  renew: (h: usize, length: u32) => u64,
): void {
  ringEnd(ring);
  let last: u64 = 0;
  for (let block: usize = load<u32>(ring, FIRST); block !== 0; block = load<u32>(block, NEXT)) {
    const end = block + load<u32>(block, USED);
    for (let entry = block + BLOCK_HEADER; entry < end; entry += entrySize(entry)) {
      const isWanted = !wasDelivered(ring, entry, body, length, from);
      const sequence: u64 = isWanted ? renew(ringPacket(entry), ringPacketLength(entry)) : 0;
      if (sequence !== 0) last = sequence;
      const lasting = load<u16>(entry, ENTRY_FLAGS) & <u16>ENTRY_LASTING;
      store<u16>(entry, lasting | <u16>(sequence !== 0 ? 0 : ENTRY_RECEIVED), ENTRY_FLAGS);
      store<u64>(entry, last, ENTRY_SEQUENCE);
    }
    store<u64>(block, last, LAST_SEQUENCE);
  }
  store<u64>(ring, 0, ACKNOWLEDGED);
  store<u32>(ring, 0, HELD);
}

/** Whether the packet has been delivered, or may have been. */
function wasDelivered(ring: usize, entry: usize, body: usize, length: u32, from: u64): bool {
  const flags: u32 = load<u16>(entry, ENTRY_FLAGS);
  if ((flags & ENTRY_HELD) !== 0) return false;
  const sequence = load<u64>(entry, ENTRY_SEQUENCE);
  if ((flags & ENTRY_RECEIVED) !== 0 || sequence <= load<u64>(ring, ACKNOWLEDGED)) return true;
  if (body === 0) return from === 0 || sequence < from;
  // Of what is below its first bit, where much is missing, the state says nothing.
  return sequence < stateFirst(body) || stateHas(body, length, sequence);
}
