// IKE fragmentation, RFC 7383.

import { concat } from './bytes.js';
import { HEADER_SIZE, PayloadType } from './constants.js';
import {
  emitInner,
  innerRoom,
  parseInner,
  removePadding,
  sealInner,
  sealMessage,
} from './crypto/protected.js';
import type { OpeningKey, SealingKey } from './crypto/sealing.js';
import { type Header, type Message, parseHeader } from './message.js';
import { firstPayloadType, walkPayloads } from './payloads/payload.js';
import { IkeSyntaxError } from './syntax.js';

/** Fragment Number and Total Fragments. */
const FRAGMENT_FIELDS_SIZE = 4;

/** Fragments in one message that are accepted and sent: 64 KiB in the datagrams of RFC 7383's smallest size. */
export const MAX_FRAGMENTS = 128;

/** Bytes of payloads in one reassembled message; a message in a single datagram cannot have more. */
export const MAX_REASSEMBLED = 0xffff;

/** What a peer may make us hold of one message. */
export interface ReassemblyLimits {
  fragments: number;
  bytes: number;
}

export const REASSEMBLY_LIMITS: ReassemblyLimits = { fragments: MAX_FRAGMENTS, bytes: MAX_REASSEMBLED };

/**
 * Before IKE_AUTH has succeeded, when anyone may be the peer. A request with three certificates of RSA keys of 4096 bits
 * has 7 KiB; the smallest datagrams of RFC 7383 carry 16 KiB in 32 fragments.
 */
export const STRANGERS_REASSEMBLY_LIMITS: ReassemblyLimits = { fragments: 32, bytes: 16_384 };

/**
 * The message sealed into datagrams of at most `maxDatagram` bytes: one with an Encrypted payload if it fits, else
 * several with Encrypted Fragment payloads. To be called only when both sides support fragmentation.
 */
export function sealFragments(message: Message, key: SealingKey, maxDatagram: number): Uint8Array[] {
  const inner = emitInner(message.payloads);
  if (inner.length <= innerRoom(key.layout, maxDatagram)) return [sealMessage(message, key)];
  const chunk = innerRoom(key.layout, maxDatagram, FRAGMENT_FIELDS_SIZE);
  if (chunk < 1) throw new RangeError(`fragments of ${maxDatagram} bytes`);
  const total = Math.ceil(inner.length / chunk);
  if (total > MAX_FRAGMENTS) throw new RangeError(`a message in ${total} fragments`);
  return Array.from({ length: total }, (_, index) => {
    const firstInner = index === 0 ? firstPayloadType(message.payloads) : PayloadType.NONE;
    const fields = fragmentFields(index + 1, total);
    const part = inner.subarray(index * chunk, (index + 1) * chunk);
    return sealInner(message, PayloadType.SKF, firstInner, fields, part, key);
  });
}

function fragmentFields(number: number, total: number): Uint8Array {
  return Uint8Array.of(number >>> 8, number & 0xff, total >>> 8, total & 0xff);
}

/** An Encrypted Fragment payload found in a datagram, not yet verified. */
interface SealedFragment {
  header: Header;
  firstInner: number;
  number: number;
  total: number;
  associated: Uint8Array;
  sealed: Uint8Array;
}

/** Number of the fragment in a datagram with an Encrypted Fragment payload, not verified. Throws `IkeSyntaxError`. */
export function fragmentNumber(datagram: Uint8Array): number {
  return findFragment(datagram, MAX_FRAGMENTS).number;
}

function findFragment(datagram: Uint8Array, maxFragments: number): SealedFragment {
  const { firstPayload, ...header } = parseHeader(datagram);
  const last = walkPayloads(datagram, firstPayload, HEADER_SIZE).at(-1);
  if (last?.type !== PayloadType.SKF) throw new IkeSyntaxError('no Encrypted Fragment payload');
  const body = last.start + FRAGMENT_FIELDS_SIZE;
  if (body > last.end)
    throw new IkeSyntaxError(`Encrypted Fragment payload of ${last.end - last.start} bytes`);
  const view = new DataView(datagram.buffer, datagram.byteOffset);
  const number = view.getUint16(last.start);
  const total = view.getUint16(last.start + 2);
  if (number === 0 || number > total) throw new IkeSyntaxError(`fragment ${number} of ${total}`);
  if (total > maxFragments) throw new IkeSyntaxError(`a message in ${total} fragments`, 'limit');
  return {
    header,
    firstInner: last.next,
    number,
    total,
    associated: datagram.subarray(0, body),
    sealed: datagram.subarray(body, last.end),
  };
}

/** The message whose fragments are being collected. */
interface Assembly {
  header: Header;
  total: number;
  firstInner: number;
  parts: (Uint8Array | undefined)[];
  received: number;
  /** Bytes held, padding included. */
  size: number;
}

/**
 * Puts the fragments of one message at a time together. An IKE SA needs one for requests and one for responses. The
 * caller has checked that the message id is one it waits for; a fragment with a higher one starts a new message.
 */
export class Reassembler {
  #assembly: Assembly | undefined;

  /**
   * Takes a datagram with an Encrypted Fragment payload. Gives the message when this was the last fragment missing,
   * undefined otherwise. A fragment that is already there, or belongs to an earlier message or an earlier, coarser
   * fragmentation of this one, is ignored before any decryption (RFC 7383 section 2.6). Throws `IkeSyntaxError`.
   */
  accept(datagram: Uint8Array, key: OpeningKey, limits = REASSEMBLY_LIMITS): Message | undefined {
    const fragment = findFragment(datagram, limits.fragments);
    if (this.#isStale(fragment)) return undefined;
    const plaintext = key.open(fragment.associated, fragment.sealed);
    const part = removePadding(plaintext);
    const assembly = this.#assemblyFor(fragment);
    if (assembly.size + plaintext.length > limits.bytes) {
      this.#assembly = undefined;
      throw new IkeSyntaxError(`a message above ${limits.bytes} bytes`, 'limit', true);
    }
    assembly.parts[fragment.number - 1] = part;
    assembly.received += 1;
    assembly.size += plaintext.length;
    if (fragment.number === 1) assembly.firstInner = fragment.firstInner;
    if (assembly.received < assembly.total) return undefined;
    this.#assembly = undefined;
    return {
      ...assembly.header,
      payloads: parseInner(concat(...(assembly.parts as Uint8Array[])), assembly.firstInner),
    };
  }

  /** Forgets the fragments collected so far. */
  clear(): void {
    this.#assembly = undefined;
  }

  #isStale({ header, number, total }: SealedFragment): boolean {
    const assembly = this.#assembly;
    if (assembly === undefined || header.messageId > assembly.header.messageId) return false;
    if (header.messageId < assembly.header.messageId || total < assembly.total) return true;
    return total === assembly.total && assembly.parts[number - 1] !== undefined;
  }

  /** Where a verified fragment belongs. More fragments than before: the sender started again with smaller ones. */
  #assemblyFor({ header, total }: SealedFragment): Assembly {
    const assembly = this.#assembly;
    if (assembly?.header.messageId === header.messageId && assembly.total === total) return assembly;
    const parts = new Array<Uint8Array | undefined>(total).fill(undefined);
    this.#assembly = { header, total, firstInner: PayloadType.NONE, parts, received: 0, size: 0 };
    return this.#assembly;
  }
}
