import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Writer } from '../../../src/ike/bytes.js';
import {
  emitPayloads,
  firstPayloadType,
  type Payload,
  parsePayloads,
} from '../../../src/ike/payloads/payload.js';
import { hex, syntaxError, toHex } from '../support.js';

/** The payload alone, with its generic header. */
export function emitOne(payload: Payload): Uint8Array {
  const writer = new Writer();
  emitPayloads(writer, [payload]);
  return writer.finish();
}

export function parseOne(type: number, bytes: Uint8Array): Payload {
  return parsePayloads(bytes, type)[0] as Payload;
}

/** A payload of this body, after a generic header. */
export function withHeader(body: Uint8Array): Uint8Array {
  const length = 4 + body.length;
  return new Uint8Array(Buffer.concat([Buffer.of(0, 0, length >> 8, length & 0xff), body]));
}

export interface PayloadCase {
  name: string;
  type: number;
  payload: Payload;
  /** The whole payload, laid out by hand from the figures of the RFC. */
  bytes: string;
  /** Lengths of the body, besides the right one, that are legal too: payloads that end in data of any length. */
  legal?: (size: number) => boolean;
}

/** The tests that every payload has: emit, parse, every wrong length. */
export function payloadSuite({ name, type, payload, bytes, legal = () => false }: PayloadCase): void {
  const wire = hex(bytes);

  test(`${name}: emits the bytes of the RFC's figure`, () => {
    assert.is(toHex(emitOne(payload)), toHex(wire));
    assert.is(firstPayloadType([payload]), type);
  });

  test(`${name}: parses them`, () => {
    assert.equal(parseOne(type, wire), payload);
  });

  test(`${name}: keeps no reference to the datagram`, () => {
    const datagram = wire.slice();
    const parsed = parseOne(type, datagram);
    datagram.fill(0xee);
    assert.equal(parsed, payload);
  });

  test(`${name}: refuses a body of a wrong length`, () => {
    const body = wire.subarray(4);
    for (let size = 0; size < body.length; size++) {
      const parse = () => parseOne(type, withHeader(body.subarray(0, size)));
      if (legal(size)) parse();
      else syntaxError(parse);
    }
    const longer = () => parseOne(type, withHeader(new Uint8Array(Buffer.concat([body, Buffer.of(0)]))));
    if (legal(body.length + 1)) longer();
    else syntaxError(longer);
  });

  test(`${name}: refuses a generic header that lies about the length`, () => {
    for (const length of [0, 1, 2, 3, wire.length - 1, wire.length + 1, 0xffff]) {
      const lying = wire.slice();
      lying[2] = length >> 8;
      lying[3] = length & 0xff;
      syntaxError(() => parseOne(type, lying));
    }
  });
}
