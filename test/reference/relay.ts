// The relay protocol's header, slow and readable.
import { sipHash } from './siphash.js';

export interface RelayPacket {
  version?: number;
  type: number;
  flags?: number;
  epoch: number;
  session: number;
  sequence: bigint;
  payload: Uint8Array;
}

const HEADER = 24;
const TAGGED_PAYLOAD = 24;

/** A relay packet with its tag under `key`. */
export function encodeRelay(packet: RelayPacket, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER + packet.payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, ((packet.version ?? 1) << 4) | packet.type);
  view.setUint8(1, packet.flags ?? 0);
  view.setUint16(2, packet.epoch);
  view.setUint32(4, packet.session);
  view.setBigUint64(8, packet.sequence);
  bytes.set(packet.payload, HEADER);
  view.setBigUint64(16, tagOf(bytes, key), true);
  return bytes;
}

/** The fields of a relay packet; undefined if it is too short, of another version or has the wrong tag. */
export function decodeRelay(bytes: Uint8Array, key: Uint8Array): Required<RelayPacket> | undefined {
  if (bytes.length < HEADER) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const version = view.getUint8(0) >> 4;
  if (version !== 1 || view.getBigUint64(16, true) !== tagOf(bytes, key)) return undefined;
  return {
    version,
    type: view.getUint8(0) & 15,
    flags: view.getUint8(1),
    epoch: view.getUint16(2),
    session: view.getUint32(4),
    sequence: view.getBigUint64(8),
    payload: bytes.slice(HEADER),
  };
}

function tagOf(bytes: Uint8Array, key: Uint8Array): bigint {
  const payload = bytes.subarray(HEADER, HEADER + TAGGED_PAYLOAD);
  return sipHash(key, Uint8Array.from([...bytes.subarray(0, 16), ...payload]));
}
