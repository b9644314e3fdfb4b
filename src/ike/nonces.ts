// Which of two rekeyings at once stands (RFC 7296 sections 2.8.1 and 2.8.2).

/** Both nonces of one exchange. */
export type NoncePair = readonly [Uint8Array, Uint8Array];

/** The order of octet strings: by the first octet that differs, else the shorter first. */
function isLower(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) < 0;
}

function lower([a, b]: NoncePair): Uint8Array {
  return isLower(a, b) ? a : b;
}

/** Whether the exchange with `ours` holds the lowest of the four nonces: what it created is redundant. */
export function isRedundant(ours: NoncePair, theirs: NoncePair): boolean {
  return isLower(lower(ours), lower(theirs));
}
