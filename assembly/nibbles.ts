// Carry-less products of nibbles with a fixed value, by look-up: a table of 16 one-byte entries is one vector, in which
// i8x16.relaxed_swizzle looks up 16 nibbles at once. It stays in a register, so no address depends on what is looked up. What
// the instruction makes of numbers above 15 depends on the processor, so it needs none of what swizzle adds for those.

/** A table: bits 8 to 15 of the carry-less products of `value` with 0, 1, ... 15. */
export function products(value: u32): v128 {
  const bit0 = i8x16(0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1, 0, -1);
  const bit1 = i8x16(0, 0, -1, -1, 0, 0, -1, -1, 0, 0, -1, -1, 0, 0, -1, -1);
  const bit2 = i8x16(0, 0, 0, 0, -1, -1, -1, -1, 0, 0, 0, 0, -1, -1, -1, -1);
  const bit3 = i8x16(0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1);
  return v128.xor(
    v128.xor(v128.and(bit0, i8x16.splat(<u8>(value >> 8))), v128.and(bit1, i8x16.splat(<u8>(value >> 7)))),
    v128.xor(v128.and(bit2, i8x16.splat(<u8>(value >> 6))), v128.and(bit3, i8x16.splat(<u8>(value >> 5)))),
  );
}
