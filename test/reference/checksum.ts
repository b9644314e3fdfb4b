/** The Internet checksum as RFC 1071 section 4.1 puts it: slow, in network order, one word at a time. */
export function internetSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
    sum = (sum & 0xffff) + (sum >>> 16);
  }
  return sum;
}

export function internetChecksum(bytes: Uint8Array): number {
  return internetSum(bytes) ^ 0xffff;
}
