// Byte strings: what several ciphers need.

// V8 puts a constant together anew, by several instructions, each time that it is used; loading one takes a single instruction.
// So the places that bytes are moved from, of i8x16.relaxed_swizzle, stand in memory, here and elsewhere.

/** Of the bytes of a vector in reverse. */
export const REVERSED: usize = memory.data<u8>([15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0], 16);

/** XORs `length` bytes at `target` with those at `source`. Up to 15 bytes behind either may be read, none is changed. */
export function xorBytes(target: usize, source: usize, length: u32): void {
  for (; length >= 64; length -= 64) {
    v128.store(target, v128.xor(v128.load(target), v128.load(source)));
    v128.store(target, v128.xor(v128.load(target, 16), v128.load(source, 16)), 16);
    v128.store(target, v128.xor(v128.load(target, 32), v128.load(source, 32)), 32);
    v128.store(target, v128.xor(v128.load(target, 48), v128.load(source, 48)), 48);
    target += 64;
    source += 64;
  }
  for (; length >= 16; length -= 16) {
    v128.store(target, v128.xor(v128.load(target), v128.load(source)));
    target += 16;
    source += 16;
  }
  if (length > 0) v128.store(target, v128.xor(v128.load(target), loadPart(source, length)));
}

/**
 * Copies `length` bytes. Up to 15 bytes behind them are read at `source` and overwritten at `target`. For packets this is
 * faster than memory.copy, which leaves the module.
 */
export function copyBlocks(target: usize, source: usize, length: u32): void {
  let i: u32 = 0;
  for (; i + 64 <= length; i += 64) {
    const a = v128.load(source + i);
    const b = v128.load(source + i, 16);
    const c = v128.load(source + i, 32);
    const d = v128.load(source + i, 48);
    v128.store(target + i, a);
    v128.store(target + i, b, 16);
    v128.store(target + i, c, 32);
    v128.store(target + i, d, 48);
  }
  for (; i < length; i += 16) v128.store(target + i, v128.load(source + i));
}

/** The first `length` bytes, fewer than 16, at `source`, and zeros. All 16 are read. */
export function loadPart(source: usize, length: u32): v128 {
  const wanted = i8x16.lt_u(
    i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    i8x16.splat(<u8>length),
  );
  return v128.and(v128.load(source), wanted);
}

/** The 16 bytes at `source` in reverse. */
export function loadReversed(source: usize): v128 {
  return i8x16.relaxed_swizzle(v128.load(source), v128.load(REVERSED));
}

/** Zeroes `length` bytes, a multiple of 16: for short buffers quicker than memory.fill, which leaves the core. */
export function wipe(target: usize, length: u32): void {
  for (; length >= 64; length -= 64) {
    v128.store(target, i64x2.splat(0));
    v128.store(target, i64x2.splat(0), 16);
    v128.store(target, i64x2.splat(0), 32);
    v128.store(target, i64x2.splat(0), 48);
    target += 64;
  }
  for (; length > 0; length -= 16) {
    v128.store(target, i64x2.splat(0));
    target += 16;
  }
}
