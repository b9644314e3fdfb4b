// The bodies of probes and their replies, slow and readable.

export interface ProbeBody {
  id?: number;
  time?: bigint;
  complete?: bigint;
  highest?: bigint;
  heard?: number;
  from?: bigint;
  /** Numbers that were received, from `from` on. */
  received?: readonly bigint[];
  /** Bytes of the bitmap. */
  bitmap?: number;
}

const BITMAP = 40;

export function probeBody(fields: ProbeBody): Uint8Array {
  const { complete = 0n, from = complete + 1n, received = [], bitmap = 0 } = fields;
  const bytes = new Uint8Array(BITMAP + bitmap);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, fields.id ?? 0);
  view.setBigUint64(4, fields.time ?? 0n);
  view.setBigUint64(12, complete);
  view.setBigUint64(20, fields.highest ?? complete);
  view.setUint32(28, fields.heard ?? 0);
  view.setBigUint64(32, from);
  for (const number of received) {
    const bit = Number(number - from);
    bytes[BITMAP + (bit >> 3)] = (bytes[BITMAP + (bit >> 3)] as number) | (1 << (bit & 7));
  }
  return bytes;
}

export function parseProbe(bytes: Uint8Array): Required<ProbeBody> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const from = view.getBigUint64(32);
  const bitmap = bytes.length - BITMAP;
  const received = Array.from({ length: bitmap * 8 }, (_, i) => i)
    .filter(i => (((bytes[BITMAP + (i >> 3)] as number) >> (i & 7)) & 1) === 1)
    .map(i => from + BigInt(i));
  return {
    id: view.getUint32(0),
    time: view.getBigUint64(4),
    complete: view.getBigUint64(12),
    highest: view.getBigUint64(20),
    heard: view.getUint32(28),
    from,
    received,
    bitmap,
  };
}
