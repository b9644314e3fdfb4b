// Counters: one u64 each, read by JavaScript at any time.
import { COUNTERS } from '../src/packet/abi';

/** Adds one to a counter. */
export function count(counter: u32): void {
  add(counter, 1);
}

/** Adds `amount` to a counter. */
export function add(counter: u32, amount: u64): void {
  const at = <usize>COUNTERS + ((<usize>counter) << 3);
  store<u64>(at, load<u64>(at) + amount);
}
