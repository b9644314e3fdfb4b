/**
 * A window over u64 sequence numbers, of which each is accepted once: ESP's anti-replay (RFC 4303 section 3.4.3)
 * and the relay's duplicate filter. A ring of bits as in RFC 6479, so nothing is shifted; whole blocks are cleared
 * at a time, single bits at the ends, so that exactly `bits` numbers up to the highest are remembered.
 *
 * Check the number, verify the packet's tag, accept the number: in this order.
 *
 * Record: u64 highest number accepted (zero: none), then `bits` bits, number n at bit n mod `bits`. `bits` is a
 * power of two and at least 64.
 */

const WINDOW_BITMAP: usize = 8;

/** Bytes of a record. */
export function windowSize(bits: u32): u32 {
  return <u32>WINDOW_BITMAP + (bits >> 3);
}

/** Forgets everything. */
export function windowReset(w: usize, bits: u32): void {
  memory.fill(w, 0, windowSize(bits));
}

/** The highest number accepted, zero if none. */
export function windowHighest(w: usize): u64 {
  return load<u64>(w);
}

/** Whether `sequence` may still be accepted. Zero never is: senders begin with one. */
export function windowCheck(w: usize, bits: u32, sequence: u64): bool {
  if (sequence === 0) return false;
  const highest = load<u64>(w);
  if (sequence > highest) return true;
  if (highest - sequence >= bits) return false;
  return (load<u64>(blockOf(w, bits, sequence)) & maskOf(sequence)) === 0;
}

/** Marks `sequence`, which `windowCheck` allowed. */
export function windowAccept(w: usize, bits: u32, sequence: u64): void {
  const highest = load<u64>(w);
  if (sequence > highest) {
    // The bit of `sequence` itself is set below, so in-order packets clear nothing.
    if (sequence - highest > bits) memory.fill(w + WINDOW_BITMAP, 0, bits >> 3);
    else clear(w, bits, highest + 1, sequence);
    store<u64>(w, sequence);
  }
  const block = blockOf(w, bits, sequence);
  store<u64>(block, load<u64>(block) | maskOf(sequence));
}

/** Loads what `windowCheck` and `windowAccept` of `sequence` will need; returns a meaningless number. */
export function windowPreload(w: usize, bits: u32, sequence: u64): u64 {
  return load<u64>(w) + load<u64>(blockOf(w, bits, sequence));
}

/** Whether `sequence` was accepted, as far as is remembered. */
export function windowHas(w: usize, bits: u32, sequence: u64): bool {
  const highest = load<u64>(w);
  if (sequence === 0 || sequence > highest || highest - sequence >= bits) return false;
  return (load<u64>(blockOf(w, bits, sequence)) & maskOf(sequence)) !== 0;
}

/**
 * The highest number up to which none is missing that would still be accepted. `known`: what this returned before, or
 * zero, so that the bits before that are not looked at again.
 */
export function windowComplete(w: usize, bits: u32, known: u64): u64 {
  const highest = load<u64>(w);
  let complete = highest > bits ? max(known, highest - bits) : known;
  while (complete < highest) {
    const from = complete + 1;
    const block = load<u64>(blockOf(w, bits, from)) >> (from & 63);
    const accepted = min(ctz(~block), highest - complete);
    complete += accepted;
    if (accepted < 64 - (from & 63)) break;
  }
  return complete;
}

/** Clears the bits of the numbers from `from` up to but without `end`. */
function clear(w: usize, bits: u32, from: u64, end: u64): void {
  while (from < end) {
    const block = blockOf(w, bits, from);
    const first = from & 63;
    const count = min(end - from, 64 - first);
    const mask = (<u64>-1 >> (64 - count)) << first;
    store<u64>(block, load<u64>(block) & ~mask);
    from += count;
  }
}

function blockOf(w: usize, bits: u32, sequence: u64): usize {
  return w + WINDOW_BITMAP + (((<usize>sequence & (bits - 1)) >> 6) << 3);
}

function maskOf(sequence: u64): u64 {
  return (<u64>1) << (sequence & 63);
}
