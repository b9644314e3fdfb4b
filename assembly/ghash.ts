// GHASH (NIST SP 800-38D, section 6.4). No table is indexed by the key or the data.

/** Bytes of a key as installed. */
export const GHASH_KEY = 16;

/** Installs the hash key H, 16 bytes at `h`. */
export function ghashInstall(key: usize, h: usize): void {
  store<u64>(key, bswap(load<u64>(h)));
  store<u64>(key, bswap(load<u64>(h, 8)), 8);
}

/** Takes `blocks` blocks of 16 bytes into the accumulator at `sum`, 16 bytes in the order of the bytes of a block. */
export function ghashBlocks(key: usize, sum: usize, data: usize, blocks: u32): void {
  for (const end = data + ((<usize>blocks) << 4); data !== end; data += 16) {
    v128.store(sum, v128.xor(v128.load(sum), v128.load(data)));
    multiply(key, sum);
  }
}

/** Multiplication bit by bit (SP 800-38D, algorithm 1), with masks in place of branches. */
function multiply(key: usize, sum: usize): void {
  let high: u64 = 0;
  let low: u64 = 0;
  let vHigh = load<u64>(key);
  let vLow = load<u64>(key, 8);
  for (let half = 0; half < 16; half += 8) {
    const word = bswap(load<u64>(sum + half));
    for (let bit = 63; bit >= 0; bit--) {
      const mask = 0 - ((word >> bit) & 1);
      high ^= vHigh & mask;
      low ^= vLow & mask;
      const carry = 0 - (vLow & 1);
      vLow = (vLow >> 1) | (vHigh << 63);
      vHigh = (vHigh >> 1) ^ (carry & 0xe100000000000000);
    }
  }
  store<u64>(sum, bswap(high));
  store<u64>(sum, bswap(low), 8);
}
