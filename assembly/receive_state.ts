/**
 * What an end has received, as probes and their replies tell it to the other end (PROBE_ constants of the ABI), so that
 * this forgets what has arrived, and after a switch sends again what has not.
 */
import { PROBE_BITMAP, PROBE_COMPLETE, PROBE_FROM, PROBE_HIGHEST } from '../src/packet/abi';
import { windowHas, windowHighest } from './duplicate';

/**
 * Writes the receive state of the duplicate filter `w` of `bits` bits to the probe's body of `length` bytes at `body`.
 * `complete`: what windowComplete says. The bitmap ends with the highest number; if it has not room for all numbers
 * from the first missing one on, it is about the highest of them.
 */
export function stateWrite(body: usize, length: u32, w: usize, bits: u32, complete: u64): void {
  const highest = windowHighest(w);
  const room = (<u64>(length - PROBE_BITMAP)) << 3;
  let from = complete + 1;
  if (highest > room && highest - room >= from) from = highest - room + 1;
  store<u64>(body, bswap<u64>(complete), PROBE_COMPLETE);
  store<u64>(body, bswap<u64>(highest), PROBE_HIGHEST);
  store<u64>(body, bswap<u64>(from), PROBE_FROM);
  memory.fill(body + PROBE_BITMAP, 0, length - PROBE_BITMAP);
  for (let n = from; n <= highest && n - from < room; n++) {
    if (!windowHas(w, bits, n)) continue;
    const at = body + PROBE_BITMAP + (<usize>(n - from) >> 3);
    store<u8>(at, load<u8>(at) | ((<u8>1) << (<u8>(n - from) & 7)));
  }
}

/** The number up to which nothing is missing, in the probe's body at `body`. */
export function stateComplete(body: usize): u64 {
  return bswap<u64>(load<u64>(body, PROBE_COMPLETE));
}

/** The number that the bitmap begins with, in the probe's body at `body`. */
export function stateFirst(body: usize): u64 {
  return bswap<u64>(load<u64>(body, PROBE_FROM));
}

/** The highest number received, in the probe's body at `body`. */
export function stateHighest(body: usize): u64 {
  return bswap<u64>(load<u64>(body, PROBE_HIGHEST));
}

/** Whether the state in the probe's body of `length` bytes, at least RELAY_PROBE_BODY, says that `sequence` was received. */
export function stateHas(body: usize, length: u32, sequence: u64): bool {
  if (sequence <= stateComplete(body)) return true;
  // Of a lower number the difference is beyond any bitmap.
  const bit = sequence - bswap<u64>(load<u64>(body, PROBE_FROM));
  if (bit >= (<u64>(length - PROBE_BITMAP)) << 3) return false;
  return ((load<u8>(body + PROBE_BITMAP + <usize>(bit >> 3)) >> (<u8>bit & 7)) & 1) !== 0;
}
