import { IkeSyntaxError } from './syntax.js';

/** Reads big-endian fields in order. Going past the end throws `IkeSyntaxError`; bytes come out as copies. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** What is read, for messages: `SA payload`. */
  readonly #what: string;
  #offset = 0;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2));
  }

  u24(): number {
    const at = this.#advance(3);
    return this.#view.getUint8(at) * 65536 + this.#view.getUint16(at + 1);
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4));
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#advance(8));
  }

  skip(size: number): void {
    this.#advance(size);
  }

  bytes(size: number): Uint8Array {
    const at = this.#advance(size);
    return this.#bytes.slice(at, at + size);
  }

  rest(): Uint8Array {
    return this.bytes(this.remaining);
  }

  /** A reader of the next `size` bytes alone. */
  part(size: number, what: string): Reader {
    const at = this.#advance(size);
    return new Reader(this.#bytes.subarray(at, at + size), what);
  }

  /** Throws unless everything was read. */
  end(): void {
    if (this.remaining > 0) this.fail(`${this.remaining} bytes too many`);
  }

  fail(problem: string): never {
    throw new IkeSyntaxError(`${this.#what}: ${problem}`);
  }

  #advance(size: number): number {
    const at = this.#offset;
    if (size < 0 || size > this.remaining) this.fail(`needs ${size} bytes at ${at}, has ${this.remaining}`);
    this.#offset = at + size;
    return at;
  }
}

/** Appends big-endian fields to a buffer that grows. A number that does not fit its field throws RangeError. */
export class Writer {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacity = 512) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    checkRange(value, 0xff);
    const at = this.#reserve(1);
    this.#view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    checkRange(value, 0xffff);
    const at = this.#reserve(2);
    this.#view.setUint16(at, value);
    return this;
  }

  u24(value: number): this {
    return this.u8(value >>> 16).u16(value & 0xffff);
  }

  u32(value: number): this {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value);
    return this;
  }

  u64(value: bigint): this {
    const at = this.#reserve(8);
    this.#view.setBigUint64(at, value);
    return this;
  }

  bytes(value: Uint8Array): this {
    const at = this.#reserve(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** Overwrites two bytes written before: a length known only afterwards. */
  setU16(at: number, value: number): void {
    checkRange(value, 0xffff);
    this.#view.setUint16(at, value);
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(size: number): number {
    const at = this.#length;
    const needed = at + size;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#length = needed;
    return at;
  }
}

function checkRange(value: number, max: number): void {
  if (value < 0 || value > max) throw new RangeError(`${value} is not within 0 to ${max}`);
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function u64Bytes(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}
