// Cookies that show an initiator to be where it says, without any state for it: RFC 7296 section 2.6.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { addressBytes } from '../address.js';
import type { Endpoint } from './api.js';
import { concat, u64Bytes } from './bytes.js';

const SECRET_SIZE = 32;
const MAC_SIZE = 16;

/** What a cookie is bound to. */
export interface CookieSubject {
  nonce: Uint8Array;
  initiatorSpi: bigint;
  remote: Endpoint;
}

/** Makes and checks cookies: <version of secret> | HMAC(secret, SPIi | address | port | Ni). */
export class CookieIssuer {
  readonly #random: (size: number) => Uint8Array;
  #version = 0;
  #current: Uint8Array;
  #previous: Uint8Array | undefined;

  constructor(random: (size: number) => Uint8Array) {
    this.#random = random;
    this.#current = random(SECRET_SIZE);
  }

  /** Takes a new secret into use. Cookies of the one before are good until the next rotation. */
  rotate(): void {
    this.#previous = this.#current;
    this.#current = this.#random(SECRET_SIZE);
    this.#version = (this.#version + 1) & 0xff;
  }

  /** The data of a COOKIE notification. */
  issue(subject: CookieSubject): Uint8Array {
    return concat(Uint8Array.of(this.#version), mac(this.#current, subject));
  }

  accepts(cookie: Uint8Array, subject: CookieSubject): boolean {
    if (cookie.length !== 1 + MAC_SIZE) return false;
    const secret = this.#secretOf(cookie[0] as number);
    return secret !== undefined && timingSafeEqual(cookie.subarray(1), mac(secret, subject));
  }

  #secretOf(version: number): Uint8Array | undefined {
    if (version === this.#version) return this.#current;
    return version === ((this.#version - 1) & 0xff) ? this.#previous : undefined;
  }
}

function mac(secret: Uint8Array, { nonce, initiatorSpi, remote }: CookieSubject): Uint8Array {
  const port = Uint8Array.of(remote.port >>> 8, remote.port & 0xff);
  const input = concat(u64Bytes(initiatorSpi), addressBytes(remote.address), port, nonce);
  return createHmac('sha256', secret).update(input).digest().subarray(0, MAC_SIZE);
}
