// SipHash-2-4 as its paper states it (Aumasson and Bernstein 2012, section 2), on big integers.
const MASK = 0xffff_ffff_ffff_ffffn;

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/** The 64-bit tag of `data` under a 16-byte key. */
export function sipHash(key: Uint8Array, data: Uint8Array): bigint {
  const k0 = littleEndian(key.subarray(0, 8));
  const k1 = littleEndian(key.subarray(8, 16));
  const state = {
    a: k0 ^ 0x736f6d6570736575n,
    b: k1 ^ 0x646f72616e646f6dn,
    c: k0 ^ 0x6c7967656e657261n,
    d: k1 ^ 0x7465646279746573n,
  };
  const rotate = (value: bigint, by: bigint): bigint => ((value << by) | (value >> (64n - by))) & MASK;
  const round = (): void => {
    state.a = (state.a + state.b) & MASK;
    state.b = rotate(state.b, 13n) ^ state.a;
    state.a = rotate(state.a, 32n);
    state.c = (state.c + state.d) & MASK;
    state.d = rotate(state.d, 16n) ^ state.c;
    state.a = (state.a + state.d) & MASK;
    state.d = rotate(state.d, 21n) ^ state.a;
    state.c = (state.c + state.b) & MASK;
    state.b = rotate(state.b, 17n) ^ state.c;
    state.c = rotate(state.c, 32n);
  };
  const compress = (word: bigint): void => {
    state.d ^= word;
    round();
    round();
    state.a ^= word;
  };
  const whole = data.length - (data.length % 8);
  for (let i = 0; i < whole; i += 8) compress(littleEndian(data.subarray(i, i + 8)));
  compress(littleEndian(data.subarray(whole)) | (BigInt(data.length & 0xff) << 56n));
  state.c ^= 0xffn;
  for (let i = 0; i < 4; i++) round();
  return state.a ^ state.b ^ state.c ^ state.d;
}
