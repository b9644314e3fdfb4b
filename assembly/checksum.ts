/**
 * The Internet checksum: RFC 1071, incremental update RFC 1624.
 *
 * One's complement sums do not depend on byte order (RFC 1071 section 2 (B)), so everything here is in memory
 * order: 16-bit words are loaded and stored as they lie, and a result is stored without swapping.
 *
 * A *sum* is an unfolded u64, to be chained; a *delta* is what a change of some words adds to a sum, folded.
 */
import { copyBlocks } from './bytes';

/**
 * The sum of `length` bytes at `p`, which may have any alignment, added to `sum`. An odd last byte counts as if
 * followed by zero, so only the last of several chained pieces may have an odd length. `length` <= 512 KiB.
 */
export function sumBytes(p: usize, length: u32, sum: u64): u64 {
  // A lane grows by at most 2 x 65535 per addition: 32,768 additions before it can overflow.
  let even = i32x4.splat(0);
  let odd = i32x4.splat(0);
  while (length >= 32) {
    even = i32x4.add(even, i32x4.extadd_pairwise_i16x8_u(v128.load(p)));
    odd = i32x4.add(odd, i32x4.extadd_pairwise_i16x8_u(v128.load(p, 16)));
    p += 32;
    length -= 32;
  }
  if (length >= 16) {
    even = i32x4.add(even, i32x4.extadd_pairwise_i16x8_u(v128.load(p)));
    p += 16;
    length -= 16;
  }
  sum += addLanes(even) + addLanes(odd);
  if (length >= 8) {
    sum += <u64>load<u32>(p) + <u64>load<u32>(p, 4);
    p += 8;
    length -= 8;
  }
  if (length >= 4) {
    sum += load<u32>(p);
    p += 4;
    length -= 4;
  }
  if (length >= 2) {
    sum += load<u16>(p);
    p += 2;
    length -= 2;
  }
  if (length !== 0) sum += load<u8>(p);
  return sum;
}

/**
 * Copies `length` bytes, at most 64 KiB, and returns their sum added to `sum`, in one pass. Up to 15 bytes behind them are read
 * at `from` and overwritten at `to`.
 */
export function copySum(to: usize, from: usize, length: u32, sum: u64): u64 {
  let even = i32x4.splat(0);
  let odd = i32x4.splat(0);
  while (length >= 32) {
    const a = v128.load(from);
    const b = v128.load(from, 16);
    v128.store(to, a);
    v128.store(to, b, 16);
    even = i32x4.add(even, i32x4.extadd_pairwise_i16x8_u(a));
    odd = i32x4.add(odd, i32x4.extadd_pairwise_i16x8_u(b));
    from += 32;
    to += 32;
    length -= 32;
  }
  sum += addLanes(i32x4.add(even, odd));
  copyBlocks(to, from, length);
  return sumBytes(from, length, sum);
}

function addLanes(lanes: v128): u64 {
  return (
    <u64>(<u32>i32x4.extract_lane(lanes, 0)) +
    <u64>(<u32>i32x4.extract_lane(lanes, 1)) +
    <u64>(<u32>i32x4.extract_lane(lanes, 2)) +
    <u64>(<u32>i32x4.extract_lane(lanes, 3))
  );
}

/** A sum folded to 16 bits. Zero only if every word summed was zero. */
export function fold(sum: u64): u32 {
  sum = (sum >> 32) + (sum & 0xffffffff);
  sum = (sum >> 32) + (sum & 0xffffffff);
  let folded = (<u32>sum >> 16) + (<u32>sum & 0xffff);
  folded = (folded >> 16) + (folded & 0xffff);
  return folded;
}

/** The checksum of `length` bytes at `p`, to be stored as it is; zero if they include their right checksum. */
export function checksum(p: usize, length: u32): u32 {
  return fold(sumBytes(p, length, 0)) ^ 0xffff;
}

/**
 * The sum of the IPv4 pseudo-header (RFC 9293 section 3.1, RFC 768): addresses from the header at `ip`,
 * `length` of the transport header and its data.
 */
export function sumPseudoHeader4(ip: usize, protocol: u32, length: u32): u64 {
  return (
    <u64>load<u32>(ip, 12) + <u64>load<u32>(ip, 16) + <u64>(protocol << 8) + <u64>bswap<u16>(<u16>length)
  );
}

/** The sum of the IPv6 pseudo-header (RFC 8200 section 8.1), with the destination in the header at `ip`. */
export function sumPseudoHeader6(ip: usize, protocol: u32, length: u32): u64 {
  return sumBytes(ip + 8, 32, 0) + <u64>bswap<u32>(length) + ((<u64>protocol) << 24);
}

/**
 * What replacing words of sum `before` by words of sum `after` adds to a sum: ~m + m' of RFC 1624 equation 3.
 */
export function deltaOf(before: u64, after: u64): u32 {
  return fold(<u64>(fold(before) ^ 0xffff) + <u64>fold(after));
}

/** RFC 1624 equation 3: HC' = ~(~HC + ~m + m'). */
export function updateChecksum(checksum: u32, delta: u32): u32 {
  return fold(<u64>(checksum ^ 0xffff) + <u64>delta) ^ 0xffff;
}

/** Updates the checksum stored at `at`. */
export function applyDelta(at: usize, delta: u32): void {
  store<u16>(at, <u16>updateChecksum(load<u16>(at), delta));
}

/**
 * The same for UDP (RFC 768): zero says that there is no checksum and stays, and a checksum that comes out as
 * zero is sent as all ones.
 */
export function applyDeltaUdp(at: usize, delta: u32): void {
  const before: u32 = load<u16>(at);
  if (before === 0) return;
  const after = updateChecksum(before, delta);
  store<u16>(at, <u16>(after === 0 ? 0xffff : after));
}
