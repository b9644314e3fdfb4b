// The relay protocol's packets, slow and readable. A key of 36 bytes, with its salt, is one of sealed mode.
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { concat } from '../support/bytes.js';
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

const VERSION = 2;
const FIELDS = 16;
const HEADER = 24;
/** Of DATA. */
const TAGGED_PAYLOAD = 24;
const SEALED_KEY = 36;
const SALT_AT = 32;
const SEALED_TAG = 16;
const DATA = 1;

/** A relay packet under `key`. */
export function encodeRelay(packet: RelayPacket, key: Uint8Array): Uint8Array {
  const fields = new Uint8Array(FIELDS);
  const view = new DataView(fields.buffer);
  view.setUint8(0, ((packet.version ?? VERSION) << 4) | packet.type);
  view.setUint8(1, packet.flags ?? 0);
  view.setUint16(2, packet.epoch);
  view.setUint32(4, packet.session);
  view.setBigUint64(8, packet.sequence);
  if (key.length === SEALED_KEY) return concat(fields, cipher(fields, key).encrypt(packet.payload));
  const tag = new Uint8Array(8);
  new DataView(tag.buffer).setBigUint64(0, tagOf(fields, packet.payload, key), true);
  return concat(fields, tag, packet.payload);
}

/** What is in a relay packet; undefined if it is too short, of another version or has the wrong tag. */
export function decodeRelay(bytes: Uint8Array, key: Uint8Array): Required<RelayPacket> | undefined {
  const payload = payloadOf(bytes, key);
  if (payload === undefined) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const version = view.getUint8(0) >> 4;
  if (version !== VERSION) return undefined;
  return {
    version,
    type: view.getUint8(0) & 15,
    flags: view.getUint8(1),
    epoch: view.getUint16(2),
    session: view.getUint32(4),
    sequence: view.getBigUint64(8),
    payload,
  };
}

function payloadOf(bytes: Uint8Array, key: Uint8Array): Uint8Array | undefined {
  const fields = bytes.slice(0, FIELDS);
  if (key.length === SEALED_KEY) {
    if (bytes.length < FIELDS + SEALED_TAG) return undefined;
    try {
      return cipher(fields, key).decrypt(bytes.subarray(FIELDS));
    } catch {
      return undefined;
    }
  }
  if (bytes.length < HEADER) return undefined;
  const payload = bytes.slice(HEADER);
  const tag = new DataView(bytes.buffer, bytes.byteOffset + FIELDS).getBigUint64(0, true);
  return tag === tagOf(fields, payload, key) ? payload : undefined;
}

function tagOf(fields: Uint8Array, payload: Uint8Array, key: Uint8Array): bigint {
  const isData = ((fields[0] as number) & 15) === DATA;
  return sipHash(key, concat(fields, isData ? payload.subarray(0, TAGGED_PAYLOAD) : payload));
}

/** RFC 8439 section 2.8: the fields are associated data, salt and sequence number the nonce. */
function cipher(fields: Uint8Array, key: Uint8Array) {
  const nonce = concat(key.subarray(SALT_AT), fields.subarray(8));
  return chacha20poly1305(key.subarray(0, SALT_AT), nonce, fields);
}
