// Byte strings: what several ciphers need.

/** XORs `length` bytes at `target` with those at `source`; touches nothing else. */
export function xorBytes(target: usize, source: usize, length: u32): void {
  let i: u32 = 0;
  for (; i + 16 <= length; i += 16) {
    v128.store(target + i, v128.xor(v128.load(target + i), v128.load(source + i)));
  }
  for (; i < length; i++) store<u8>(target + i, load<u8>(target + i) ^ load<u8>(source + i));
}
