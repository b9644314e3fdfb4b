/** Monotonic milliseconds, modulo 2^32, as the caller has told them last: the core has no clock of its own. */
export let now: u32 = 0;

/** Tells the time. To be called once before each batch, at least. */
export function clockSet(ms: u32): void {
  now = ms;
}
