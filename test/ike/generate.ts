import { addressText } from '../../src/address.js';
import type { TrafficSelector } from '../../src/ike/api.js';
import type { Message } from '../../src/ike/message.js';
import type { Payload } from '../../src/ike/payloads/payload.js';
import type { Proposal, Transform } from '../../src/ike/payloads/sa.js';
import { generator } from '../support/random.js';

/** Repeatable random messages, payloads and damage to them. */
export class Generator {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = generator(seed);
  }

  /** From 0 to `end - 1`. */
  below(end: number): number {
    return Math.floor(this.#random() * end);
  }

  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  bytes(size: number): Uint8Array {
    const bytes = new Uint8Array(size);
    for (let index = 0; index < size; index++) bytes[index] = this.below(256);
    return bytes;
  }

  many<T>(most: number, make: () => T, least = 0): T[] {
    return Array.from({ length: least + this.below(most - least + 1) }, make);
  }

  message(payloads: Payload[] = this.many(6, () => this.payload())): Message {
    return {
      initiatorSpi: new DataView(this.bytes(8).buffer).getBigUint64(0),
      responderSpi: this.chance(0.3) ? 0n : new DataView(this.bytes(8).buffer).getBigUint64(0),
      exchange: this.pick([34, 35, 36, 37, 38, 240]),
      initiator: this.chance(0.5),
      response: this.chance(0.5),
      messageId: this.below(0x1_0000_0000),
      payloads,
    };
  }

  /** Any payload but an encrypted one. */
  payload(): Payload {
    return this.pick(PAYLOADS)(this);
  }

  selector(): TrafficSelector {
    const family = this.pick([4, 6] as const);
    const ends = [this.bytes(family === 4 ? 4 : 16), this.bytes(family === 4 ? 4 : 16)].sort(Buffer.compare);
    const ports = [this.below(65536), this.below(65536)].sort((a, b) => a - b);
    return {
      family,
      protocol: this.below(256),
      firstPort: ports[0] as number,
      lastPort: ports[1] as number,
      first: addressText(ends[0] as Uint8Array),
      last: addressText(ends[1] as Uint8Array),
    };
  }

  proposal(): Proposal {
    return {
      number: this.below(256),
      protocol: this.below(4),
      spi: this.bytes(this.pick([0, 4, 8, 255])),
      transforms: this.many(5, () => this.transform()),
    };
  }

  transform(): Transform {
    const transform: Transform = { type: this.below(256), id: this.below(65536) };
    if (this.chance(0.4)) transform.keyLength = this.below(65536);
    if (this.chance(0.1)) {
      const value = () => (this.chance(0.5) ? this.below(65536) : this.bytes(this.below(8)));
      transform.unknownAttributes = this.many(3, () => ({ type: 15 + this.below(100), value: value() }), 1);
    }
    return transform;
  }

  /** The same bytes with some harm done to them: bits, numbers at their limits, cuts, insertions, repetitions. */
  damage(bytes: Uint8Array): Uint8Array {
    let damaged: Uint8Array = bytes.slice();
    for (let rounds = 1 + this.below(4); rounds > 0; rounds--) damaged = this.pick(DAMAGES)(this, damaged);
    return damaged;
  }
}

const PAYLOADS: ((g: Generator) => Payload)[] = [
  g => ({ type: 'SA', proposals: g.many(4, () => g.proposal(), 1) }),
  g => ({ type: 'KE', group: g.below(65536), data: g.bytes(g.below(64)) }),
  g => ({ type: g.pick(['IDi', 'IDr']), idType: g.below(256), data: g.bytes(g.below(32)) }),
  g => ({ type: 'IDr', idType: g.below(256), reserved: 1 + g.below(0xffffff), data: g.bytes(g.below(32)) }),
  g => ({ type: g.pick(['CERT', 'CERTREQ']), encoding: g.below(256), data: g.bytes(g.below(64)) }),
  g => ({ type: 'AUTH', method: g.below(256), data: g.bytes(g.below(64)) }),
  g => ({ type: 'Nonce', data: g.bytes(16 + g.below(48)) }),
  g => ({
    type: 'N',
    protocol: g.below(256),
    spi: g.bytes(g.pick([0, 4, 8])),
    notify: g.below(65536),
    data: g.bytes(g.below(32)),
  }),
  () => ({ type: 'D', protocol: 1, spis: [] }),
  g => ({ type: 'D', protocol: 3, spis: g.many(8, () => g.below(0x1_0000_0000)) }),
  g => ({ type: 'V', data: g.bytes(g.below(32)) }),
  g => ({ type: 'EAP', data: g.bytes(g.below(32)) }),
  g => ({ type: g.pick(['TSi', 'TSr']), selectors: g.many(4, () => g.selector()) }),
  g => ({
    type: 'CP',
    cfgType: g.below(256),
    attributes: g.many(6, () => ({ type: g.below(0x8000), value: g.bytes(g.below(20)) })),
  }),
  g => ({
    type: 'unknown',
    payloadType: g.pick([1, 32, 49, 52, 54, 128, 255]),
    critical: g.chance(0.5),
    data: g.bytes(g.below(32)),
  }),
];

const DAMAGES: ((g: Generator, bytes: Uint8Array) => Uint8Array)[] = [
  (g, bytes) => set(bytes, g.below(bytes.length), g.below(256)),
  (g, bytes) => set(bytes, g.below(bytes.length), g.pick([0, 1, 3, 4, 0x7f, 0x80, 0xff])),
  (g, bytes) => {
    const at = g.below(bytes.length);
    const value = g.pick([0, 1, 3, 4, 7, 8, 0x7fff, 0x8000, 0xffff, bytes.length, bytes.length - at]);
    return set(set(bytes, at, value >> 8), at + 1, value & 0xff);
  },
  (g, bytes) => bytes.slice(0, g.below(bytes.length + 1)),
  (g, bytes) => bytes.slice(g.below(bytes.length + 1)),
  (g, bytes) => join(bytes, g.bytes(g.below(16))),
  (g, bytes) => {
    const [from, to] = [g.below(bytes.length + 1), g.below(bytes.length + 1)];
    return join(bytes.slice(0, from), bytes.slice(to));
  },
];

function set(bytes: Uint8Array, at: number, value: number): Uint8Array {
  if (at < bytes.length) bytes[at] = value;
  return bytes;
}

export function join(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Writes the header's length field, where there is a header. */
export function fixLength(datagram: Uint8Array): Uint8Array {
  if (datagram.length >= 28)
    new DataView(datagram.buffer, datagram.byteOffset).setUint32(24, datagram.length);
  return datagram;
}
