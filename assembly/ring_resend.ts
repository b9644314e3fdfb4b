/**
 * Sending again what a ring keeps. A resend goes once over it: `ringBegin`, then `ringNext` as long as `ringIsResending`.
 * Meanwhile new packets may be appended as "held", to be sent when the resend comes to them, so that all is in order. What was sent before goes out at
 * PACE_LEAST packets in a millisecond, or all in PACE_MS: fast enough not to be felt, and no more of a burst than need be. What has
 * waited for long goes out at a quarter of that: the sockets of those whom it is for were made for less.
 */
import { now } from './clock';
import { stateHas } from './receive_state';
import {
  ACKNOWLEDGED,
  BLOCK_HEADER,
  BUDGET,
  CURSOR,
  CURSOR_BLOCK,
  ENTRY_FLAGS,
  ENTRY_HELD,
  ENTRY_LASTING,
  ENTRY_RECEIVED,
  ENTRY_SECOND,
  ENTRY_SEQUENCE,
  ENTRY_TIME,
  entrySize,
  FIRST,
  HELD,
  isTooOld,
  LEFT,
  NEXT,
  PACED_AT,
  SKIPS_SECOND,
  SLOWNESS,
  UNTIL,
  USED,
} from './ring';

const PACE_LEAST: u32 = 64;
const PACE_MS: u32 = 32;
const SLOW: u32 = 4;
/** After a turn that took longer, no more than what is due in this time is sent. */
const PACE_BURST_MS: u32 = 4;

/**
 * Begins a resend of the packets up to the number `until` that the receive state in the probe's body of `length` bytes at
 * `body` lacks (zero: it is not known), and of all that are held. `skipsSecond`: of none that went over a second path.
 */
export function ringBegin(ring: usize, body: usize, length: u32, until: u64, skipsSecond: bool): void {
  const first = load<u32>(ring, FIRST);
  store<u32>(ring, skipsSecond, SKIPS_SECOND);
  store<u32>(ring, 1, SLOWNESS);
  store<u64>(ring, until, UNTIL);
  let left: u32 = 0;
  for (let block: usize = first; block !== 0; block = load<u32>(block, NEXT)) {
    const end = block + load<u32>(block, USED);
    for (let entry = block + BLOCK_HEADER; entry < end; entry += entrySize(entry)) {
      if (body !== 0 && stateHas(body, length, load<u64>(entry, ENTRY_SEQUENCE))) {
        store<u16>(entry, load<u16>(entry, ENTRY_FLAGS) | <u16>ENTRY_RECEIVED, ENTRY_FLAGS);
      } else if (isLacking(ring, entry)) left++;
    }
  }
  store<u32>(ring, left, LEFT);
  store<u32>(ring, first === 0 ? 0 : first + BLOCK_HEADER, CURSOR);
  store<u32>(ring, first, CURSOR_BLOCK);
}

/** Takes more time for the resend that has just begun. */
export function ringSlowDown(ring: usize): void {
  store<u32>(ring, SLOW, SLOWNESS);
}

/** Whether the packet, sent before, is to be sent again. */
function isLacking(ring: usize, entry: usize): bool {
  const flags: u32 = load<u16>(entry, ENTRY_FLAGS);
  const sequence = load<u64>(entry, ENTRY_SEQUENCE);
  return (
    (flags & (ENTRY_HELD | ENTRY_RECEIVED)) === 0 &&
    sequence > load<u64>(ring, ACKNOWLEDGED) &&
    sequence <= load<u64>(ring, UNTIL) &&
    !isTooOld(now - load<u32>(entry, ENTRY_TIME), (flags & ENTRY_LASTING) !== 0) &&
    (load<u32>(ring, SKIPS_SECOND) === 0 || (flags & ENTRY_SECOND) === 0)
  );
}

/** Whether a resend is under way: what is sent now must wait behind it. */
export function ringIsResending(ring: usize): bool {
  return load<u32>(ring, CURSOR) !== 0;
}

/** Whether what `ringNext` returned last was sent before. */
export let ringWasSent: bool = false;

/** The entry of the packet to be sent next. Zero: no more in this millisecond, or, if none is under way any more, at all. */
export function ringNext(ring: usize): usize {
  for (;;) {
    const entry: usize = load<u32>(ring, CURSOR);
    if (entry === 0) return 0;
    const block: usize = load<u32>(ring, CURSOR_BLOCK);
    if (entry === block + load<u32>(block, USED)) {
      const next = load<u32>(block, NEXT);
      store<u32>(ring, next === 0 ? 0 : next + BLOCK_HEADER, CURSOR);
      store<u32>(ring, next, CURSOR_BLOCK);
      continue;
    }
    const flags: u32 = load<u16>(entry, ENTRY_FLAGS);
    ringWasSent = (flags & ENTRY_HELD) === 0;
    const isNext = !ringWasSent || isLacking(ring, entry);
    if (isNext && ringWasSent && !spend(ring)) return 0;
    store<u32>(ring, <u32>entry + entrySize(entry), CURSOR);
    if (!isNext) continue;
    if (!ringWasSent) {
      store<u16>(entry, <u16>(flags & ~ENTRY_HELD), ENTRY_FLAGS);
      store<u32>(ring, load<u32>(ring, HELD) - 1, HELD);
    }
    return entry;
  }
}

/** Uses up one of the packets that may be sent again now; false if there is none left. */
function spend(ring: usize): bool {
  const left = load<u32>(ring, LEFT);
  let budget = load<u32>(ring, BUDGET);
  const elapsed = now - load<u32>(ring, PACED_AT);
  if (elapsed !== 0) {
    store<u32>(ring, now, PACED_AT);
    budget = (max(PACE_LEAST, left / PACE_MS) / load<u32>(ring, SLOWNESS)) * min(elapsed, PACE_BURST_MS);
  }
  if (budget === 0) return false;
  store<u32>(ring, budget - 1, BUDGET);
  // Fewer than counted at the beginning, when some have become too old or made room.
  if (left !== 0) store<u32>(ring, left - 1, LEFT);
  return true;
}

/** Ends the resend, as when its path is given up. */
export function ringEnd(ring: usize): void {
  store<u32>(ring, 0, CURSOR);
  store<u32>(ring, 0, CURSOR_BLOCK);
}
