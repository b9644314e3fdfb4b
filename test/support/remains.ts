const CHUNK = 16;
/** A chunk with fewer different bytes could stand in memory by chance, as zeros do. */
const DISTINCT = 8;

/** Whether any 16-byte chunk of the secret (or the whole, if shorter) stands anywhere in the memories. */
export function remainsOf(secret: Uint8Array, memories: Iterable<Buffer>): boolean {
  const chunks: Buffer[] = [];
  for (let at = 0; at < secret.length; at += CHUNK) {
    const chunk = Buffer.from(secret.subarray(at, at + CHUNK));
    if (new Set(chunk).size >= DISTINCT) chunks.push(chunk);
  }
  for (const memory of memories) if (chunks.some(chunk => memory.includes(chunk))) return true;
  return false;
}

export function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, i) => byte ^ (b[i] as number));
}
