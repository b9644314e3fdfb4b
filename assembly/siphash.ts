// SipHash-2-4 with 64-bit output (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012).

/** The tag of `length` bytes at `data` under the 16-byte key. */
export function sipHash24(key: usize, data: usize, length: u32): u64 {
  const k0 = load<u64>(key);
  const k1 = load<u64>(key, 8);
  let v0 = k0 ^ 0x736f6d6570736575;
  let v1 = k1 ^ 0x646f72616e646f6d;
  let v2 = k0 ^ 0x6c7967656e657261;
  let v3 = k1 ^ 0x7465646279746573;
  const whole = length >> 3;
  // The last word: what is left of the message, and the length modulo 256 in its highest byte.
  let last = (<u64>length) << 56;
  for (let i: u32 = whole << 3; i < length; i++) last |= (<u64>load<u8>(data + i)) << ((<u64>(i & 7)) << 3);
  // Two rounds for each word, and four (as two times two) to finish.
  for (let i: u32 = 0; i < whole + 3; i++) {
    let word: u64 = 0;
    if (i < whole) word = load<u64>(data + ((<usize>i) << 3));
    else if (i === whole) word = last;
    else if (i === whole + 1) v2 ^= 0xff;
    v3 ^= word;
    for (let round = 0; round < 2; round++) {
      v0 += v1;
      v2 += v3;
      v1 = rotl<u64>(v1, 13) ^ v0;
      v3 = rotl<u64>(v3, 16) ^ v2;
      v0 = rotl<u64>(v0, 32);
      v2 += v1;
      v0 += v3;
      v1 = rotl<u64>(v1, 17) ^ v2;
      v3 = rotl<u64>(v3, 21) ^ v0;
      v2 = rotl<u64>(v2, 32);
    }
    v0 ^= word;
  }
  return v0 ^ v1 ^ v2 ^ v3;
}
