/**
 * Rings of relay packets that were sent lately, whole and as sent, for the case that the path they took has failed. A ring
 * is a list of blocks out of one pool, so one without packets costs nothing. It forgets what the other end has acknowledged (a
 * block at a time, where something before it is missing),
 * and, oldest first, what is beyond its bounds: bytes, age, and the span of sequence numbers that the other end's duplicate
 * filter can tell apart. When the pool is used up the oldest block of all rings makes room. What belongs to TCP may be older than
 * the rest: it is never too late for it, and without it a connection goes on after an outage only when TCP's own timer, doubled
 * again and again meanwhile, runs out.
 */
import {
  COUNTER_REPLAY_BLOCKS,
  COUNTER_REPLAY_OVERFLOWS,
  DROP_TX_HELD,
  PROBE_BITMAP,
  REPLAY_BLOCK,
  REPLAY_BLOCKS,
  REPLAY_POOL,
} from '../src/packet/abi';
import { copyBlocks } from './bytes';
import { now } from './clock';
import { add } from './counters';
import { stateComplete, stateFirst, stateHas, stateHighest } from './receive_state';

// --- Ring record: RING_SIZE bytes, all zero: empty ---------------------------------------------------------------

/** u32 addresses of the oldest and the newest block, zero: none; u32 number of blocks. */
export const FIRST: usize = 0;
const LAST: usize = 4;
const BLOCKS: usize = 8;
/** u32, where the resend goes on: entry, and its block. Zero: none is under way. */
export const CURSOR: usize = 12;
export const CURSOR_BLOCK: usize = 16;
/** u32, packets that the resend has before it, those held not counted. */
export const LEFT: usize = 20;
/** u32, packets held. */
export const HELD: usize = 24;
/** u32, whether the resend leaves out what has gone over a second path. */
export const SKIPS_SECOND: usize = 28;
/** u64, the last number that the resend is about. */
export const UNTIL: usize = 32;
/** u64, the other end lacks no number up to this one. */
export const ACKNOWLEDGED: usize = 40;
/** u32 time, and u32 packets that may still be sent again in that millisecond. */
export const PACED_AT: usize = 48;
export const BUDGET: usize = 52;
/** u32, how many times slower than usual the resend is. */
export const SLOWNESS: usize = 56;
export const RING_SIZE: u32 = 64;

// --- Block: entries from BLOCK_HEADER on --------------------------------------------------------------------------

/** u32: neighbours in the order in which blocks were taken from the pool; next of the same ring; the ring. */
const OLDER: usize = 0;
const NEWER: usize = 4;
export const NEXT: usize = 8;
const OWNER: usize = 12;
/** u32: offset behind the last entry; number of entries; when the last one was appended; of those that last. */
export const USED: usize = 16;
const PACKETS: usize = 20;
const NEWEST: usize = 24;
const LASTING: usize = 28;
/** u64, sequence number of the last entry. */
export const LAST_SEQUENCE: usize = 32;
export const BLOCK_HEADER: u32 = 48;

// --- Entry: a multiple of 16 bytes ---------------------------------------------------------------------------------

/** u16 length, u16 flags, u32 time, u64 sequence number, the packet. */
export const ENTRY_FLAGS: usize = 2;
export const ENTRY_TIME: usize = 4;
export const ENTRY_SEQUENCE: usize = 8;
const ENTRY_PACKET: u32 = 16;

/** The packet has not been sent yet. */
export const ENTRY_HELD: u32 = 1;
/** It was sent over a second path as well. */
export const ENTRY_SECOND: u32 = 2;
/** The other end has it. */
export const ENTRY_RECEIVED: u32 = 4;
/** It is a packet of TCP. */
export const ENTRY_LASTING: u32 = 8;

/** Age in ms beyond which even TCP's packets are not sent again. */
const LASTING_AGE: u32 = 300_000;

// --- Pool ----------------------------------------------------------------------------------------------------------

/** Blocks that may be used in all, and by one ring. */
let poolBlocks: u32 = 0;
let ringBlocks: u32 = 0;
/** Age in ms beyond which other packets than TCP's are not sent again. */
let ageLimit: u32 = 0;
/** Span of sequence numbers in a ring. */
let spanLimit: u64 = 0;
/** Blocks below have been used before; of those the free ones are a list. What is used anew first is what was used last. */
let fresh: u32 = 0;
let free: usize = 0;
let oldest: usize = 0;
let newest: usize = 0;

/**
 * Sets the bounds: bytes of the whole pool and of one ring (less than a block: nothing is kept), age in ms. `window`: the
 * other end's duplicate filter. All rings must be empty.
 */
export function ringInit(bytes: u32, ringBytes: u32, ageMs: u32, window: u32): void {
  poolBlocks = min<u32>(bytes / REPLAY_BLOCK, REPLAY_BLOCKS);
  ringBlocks = min<u32>(ringBytes / REPLAY_BLOCK, poolBlocks);
  ageLimit = ageMs;
  // Numbers that are used up after a packet was sent again must not push it out of the filter.
  spanLimit = window - (window >> 4);
  fresh = 0;
  free = 0;
  oldest = 0;
  newest = 0;
}

/** Whether there is room for anything at all. */
export function ringsUsed(): bool {
  return ringBlocks !== 0;
}

function takeBlock(): usize {
  let block = free;
  if (block !== 0) free = load<u32>(block, NEXT);
  else if (fresh < poolBlocks) {
    block = REPLAY_POOL + fresh++ * REPLAY_BLOCK;
    add(COUNTER_REPLAY_BLOCKS, 1);
  } else {
    dropFirst(load<u32>(oldest, OWNER));
    block = free;
    free = load<u32>(block, NEXT);
  }
  store<u32>(block, <u32>newest, OLDER);
  store<u32>(block, 0, NEWER);
  if (newest !== 0) store<u32>(newest, <u32>block, NEWER);
  else oldest = block;
  newest = block;
  return block;
}

function returnBlock(block: usize): void {
  const older = load<u32>(block, OLDER);
  const newer = load<u32>(block, NEWER);
  if (older !== 0) store<u32>(older, newer, NEWER);
  else oldest = newer;
  if (newer !== 0) store<u32>(newer, older, OLDER);
  else newest = older;
  store<u32>(block, <u32>free, NEXT);
  free = block;
}

// --- What is kept --------------------------------------------------------------------------------------------------

/**
 * Keeps a copy of the relay packet of `length` bytes at `h`, which has the number `sequence`, the highest so far. `flags`:
 * ENTRY_HELD, ENTRY_SECOND, ENTRY_LASTING. False if nothing is kept.
 */
export function ringAppend(ring: usize, h: usize, length: u32, sequence: u64, flags: u32): bool {
  if (ringBlocks === 0) return false;
  expire(ring, sequence);
  const size = (ENTRY_PACKET + length + 15) & ~15;
  let block: usize = load<u32>(ring, LAST);
  if (block === 0 || load<u32>(block, USED) + size > <u32>REPLAY_BLOCK) block = grow(ring);
  const used = load<u32>(block, USED);
  const entry = block + used;
  store<u32>(block, used + size, USED);
  store<u32>(block, load<u32>(block, PACKETS) + 1, PACKETS);
  store<u32>(block, now, NEWEST);
  if ((flags & ENTRY_LASTING) !== 0) store<u32>(block, load<u32>(block, LASTING) + 1, LASTING);
  store<u64>(block, sequence, LAST_SEQUENCE);
  store<u32>(entry, length | (flags << 16));
  store<u32>(entry, now, ENTRY_TIME);
  store<u64>(entry, sequence, ENTRY_SEQUENCE);
  copyBlocks(entry + ENTRY_PACKET, h, length);
  if ((flags & ENTRY_HELD) !== 0) store<u32>(ring, load<u32>(ring, HELD) + 1, HELD);
  return true;
}

/** Gives the ring another block. */
function grow(ring: usize): usize {
  if (load<u32>(ring, BLOCKS) >= ringBlocks) removeOld(ring);
  if (load<u32>(ring, BLOCKS) >= ringBlocks) dropFirst(ring);
  const block = takeBlock();
  store<u32>(block, 0, NEXT);
  store<u32>(block, <u32>ring, OWNER);
  store<u32>(block, BLOCK_HEADER, USED);
  store<u32>(block, 0, PACKETS);
  store<u32>(block, 0, LASTING);
  const last = load<u32>(ring, LAST);
  if (last !== 0) store<u32>(last, <u32>block, NEXT);
  else store<u32>(ring, <u32>block, FIRST);
  store<u32>(ring, <u32>block, LAST);
  store<u32>(ring, load<u32>(ring, BLOCKS) + 1, BLOCKS);
  return block;
}

/** Whether an age in ms is beyond the bounds. */
export function isTooOld(age: u32, lasting: bool): bool {
  return age > (lasting ? max(ageLimit, LASTING_AGE) : ageLimit);
}

/** Whether all packets of the block are too old. */
function isOld(block: usize): bool {
  return isTooOld(now - load<u32>(block, NEWEST), load<u32>(block, LASTING) !== 0);
}

/** Forgets what is too old, or too far from the number `sequence`. */
function expire(ring: usize, sequence: u64): void {
  for (;;) {
    const block: usize = load<u32>(ring, FIRST);
    if (block === 0) return;
    const isSpent = isOld(block);
    if (!isSpent && sequence - load<u64>(block + BLOCK_HEADER, ENTRY_SEQUENCE) < spanLimit) return;
    if (isSpent) removeFirst(ring);
    else dropFirst(ring);
  }
}

/** Forgets all blocks that are too old, also behind one with packets that last: those are not to make room for what is of no use. */
function removeOld(ring: usize): void {
  let before: usize = 0;
  for (let block: usize = load<u32>(ring, FIRST); block !== 0; ) {
    const next: usize = load<u32>(block, NEXT);
    if (isOld(block)) remove(ring, before, block);
    else before = block;
    block = next;
  }
}

/** Forgets the oldest block although it may still be wanted. */
function dropFirst(ring: usize): void {
  const block: usize = load<u32>(ring, FIRST);
  if (!isOld(block)) add(COUNTER_REPLAY_OVERFLOWS, missingIn(ring, block));
  removeFirst(ring);
}

/** How many packets of the block the other end is not known to have. */
function missingIn(ring: usize, block: usize): u32 {
  const acknowledged = load<u64>(ring, ACKNOWLEDGED);
  if (acknowledged >= load<u64>(block, LAST_SEQUENCE)) return 0;
  let missing: u32 = 0;
  const end = block + load<u32>(block, USED);
  for (let entry = block + BLOCK_HEADER; entry < end; entry += entrySize(entry)) {
    const isReceived = (load<u16>(entry, ENTRY_FLAGS) & ENTRY_RECEIVED) !== 0;
    if (!isReceived && load<u64>(entry, ENTRY_SEQUENCE) > acknowledged) missing++;
  }
  return missing;
}

function removeFirst(ring: usize): void {
  remove(ring, 0, load<u32>(ring, FIRST));
}

/** Removes a block of the ring, whose neighbour in it is `before`; zero: it is the first. */
function remove(ring: usize, before: usize, block: usize): void {
  const next = load<u32>(block, NEXT);
  if (load<u32>(ring, HELD) !== 0) forgetHeld(ring, block);
  if (load<u32>(ring, CURSOR_BLOCK) === <u32>block) {
    store<u32>(ring, next === 0 ? 0 : next + BLOCK_HEADER, CURSOR);
    store<u32>(ring, next, CURSOR_BLOCK);
  }
  if (before === 0) store<u32>(ring, next, FIRST);
  else store<u32>(before, next, NEXT);
  if (next === 0) store<u32>(ring, <u32>before, LAST);
  store<u32>(ring, load<u32>(ring, BLOCKS) - 1, BLOCKS);
  returnBlock(block);
}

/** Packets of a block that were held are lost with it. */
function forgetHeld(ring: usize, block: usize): void {
  let held: u32 = 0;
  const end = block + load<u32>(block, USED);
  for (let entry = block + BLOCK_HEADER; entry < end; entry += entrySize(entry)) {
    if ((load<u16>(entry, ENTRY_FLAGS) & ENTRY_HELD) !== 0) held++;
  }
  store<u32>(ring, load<u32>(ring, HELD) - held, HELD);
  add(DROP_TX_HELD, held);
}

/** The other end lacks no number up to `complete`. */
export function ringAcknowledge(ring: usize, complete: u64): void {
  if (complete <= load<u64>(ring, ACKNOWLEDGED)) return;
  store<u64>(ring, complete, ACKNOWLEDGED);
  for (;;) {
    const block: usize = load<u32>(ring, FIRST);
    if (block === 0 || load<u64>(block, LAST_SEQUENCE) > complete) return;
    removeFirst(ring);
  }
}

/**
 * Forgets what the receive state in the probe's body of `length` bytes at `body` says to have arrived above a number that is
 * missing, as far as that makes whole blocks free.
 */
export function ringAcknowledgeAbove(ring: usize, body: usize, length: u32): void {
  const first = stateFirst(body);
  const highest = stateHighest(body);
  if (length === <u32>PROBE_BITMAP || highest <= stateComplete(body)) return;
  // Whatever the other end claims, the bitmap speaks of no more: a probe costs no walk over all that is kept.
  const end = first + ((<u64>(length - PROBE_BITMAP)) << 3);
  let before: usize = 0;
  for (let block: usize = load<u32>(ring, FIRST); block !== 0; ) {
    const next: usize = load<u32>(block, NEXT);
    const sequence = load<u64>(block + BLOCK_HEADER, ENTRY_SEQUENCE);
    if (sequence > highest || sequence >= end) return;
    const isAbout = load<u64>(block, LAST_SEQUENCE) >= first;
    if (isAbout) markReceived(block, body, length);
    if (isAbout && missingIn(ring, block) === 0) remove(ring, before, block);
    else before = block;
    block = next;
  }
}

/** Marks the packets of a block that have arrived. */
function markReceived(block: usize, body: usize, length: u32): void {
  const end = block + load<u32>(block, USED);
  for (let entry = block + BLOCK_HEADER; entry < end; entry += entrySize(entry)) {
    const flags: u32 = load<u16>(entry, ENTRY_FLAGS);
    if ((flags & ENTRY_HELD) === 0 && stateHas(body, length, load<u64>(entry, ENTRY_SEQUENCE))) {
      store<u16>(entry, <u16>(flags | ENTRY_RECEIVED), ENTRY_FLAGS);
    }
  }
}

/** Forgets everything, as for a session that ends. */
export function ringClear(ring: usize): void {
  while (load<u32>(ring, FIRST) !== 0) removeFirst(ring);
  memory.fill(ring, 0, RING_SIZE);
}

export function entrySize(entry: usize): u32 {
  return (ENTRY_PACKET + load<u16>(entry) + 15) & ~15;
}

export function ringPacket(entry: usize): usize {
  return entry + ENTRY_PACKET;
}

export function ringPacketLength(entry: usize): u32 {
  return load<u16>(entry);
}
