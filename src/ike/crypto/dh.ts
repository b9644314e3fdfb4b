// Diffie-Hellman: Curve25519 (RFC 8031), 256-bit random ECP (RFC 5903), 2048-bit MODP (RFC 3526).
import {
  createDiffieHellman,
  createECDH,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  getDiffieHellman,
} from 'node:crypto';
import { VpnrError } from '../../errors.js';
import { Secret } from '../../secret.js';
import type { DhGroup } from '../api.js';
import { concat } from '../bytes.js';
import { IkeSyntaxError } from '../syntax.js';

/** One side's half of a key exchange, fresh for each. */
export interface KeyExchange {
  readonly group: DhGroup;
  /** The key exchange data of the KE payload. */
  readonly publicValue: Uint8Array;
  /**
   * g^ir as it enters the key derivation, with its leading zeros. Throws `IkeSyntaxError` for a value that is not a
   * valid public value of the group (RFC 6989, RFC 8031 section 2.3).
   */
  sharedSecret(peerValue: Uint8Array): Secret;
}

export type RandomSource = (size: number) => Uint8Array;

const PUBLIC_SIZE: Record<DhGroup, number> = { x25519: 32, ecp256: 64, modp2048: 256 };

/** A new private value from `random`. */
export function generateKeyExchange(group: DhGroup, random: RandomSource): KeyExchange {
  switch (group) {
    case 'x25519':
      return curve25519(random(32));
    case 'ecp256':
      return ecp256(random);
    case 'modp2048':
      return modp2048(random(MODP_EXPONENT_SIZE));
  }
}

function checkSize(group: DhGroup, value: Uint8Array): void {
  if (value.length !== PUBLIC_SIZE[group]) invalid(group, `${value.length} bytes`);
}

function invalid(group: DhGroup, problem: string): never {
  throw new IkeSyntaxError(`${group} public value: ${problem}`);
}

// The DER of RFC 8410 in front of the 32 bytes of a key.
const X25519_PRIVATE_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');
const X25519_PUBLIC_PREFIX = Buffer.from('302a300506032b656e032100', 'hex');

function curve25519(scalar: Uint8Array): KeyExchange {
  const der = Buffer.from(concat(X25519_PRIVATE_PREFIX, scalar));
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  scalar.fill(0);
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return {
    group: 'x25519',
    publicValue: new Uint8Array(spki.subarray(X25519_PUBLIC_PREFIX.length)),
    sharedSecret(peerValue) {
      checkSize('x25519', peerValue);
      const publicKey = createPublicKey({
        key: Buffer.from(concat(X25519_PUBLIC_PREFIX, peerValue)),
        format: 'der',
        type: 'spki',
      });
      // OpenSSL fails where the result is all zeros: the peer's value has a small order.
      try {
        return new Secret(new Uint8Array(diffieHellman({ privateKey, publicKey })));
      } catch {
        return invalid('x25519', 'it has a small order');
      }
    },
  };
}

const UNCOMPRESSED_POINT = Uint8Array.of(4);
/** A random string of 32 bytes is no scalar of P-256 once in 2^32 times. */
const MAX_SCALAR_TRIES = 8;

function ecp256(random: RandomSource): KeyExchange {
  const ecdh = createECDH('prime256v1');
  for (let tries = 1; ; tries++) {
    const scalar = random(32);
    try {
      ecdh.setPrivateKey(scalar);
      break;
    } catch (cause) {
      if (tries === MAX_SCALAR_TRIES) throw new VpnrError('INTERNAL', 'no scalar for P-256 found', { cause });
    } finally {
      scalar.fill(0);
    }
  }
  return {
    group: 'ecp256',
    // RFC 5903 section 7: x | y, without the byte that marks an uncompressed point.
    publicValue: new Uint8Array(ecdh.getPublicKey().subarray(1)),
    sharedSecret(peerValue) {
      checkSize('ecp256', peerValue);
      // Refuses points that are not on the curve. The result is the x coordinate, RFC 5903 section 7.
      try {
        return new Secret(new Uint8Array(ecdh.computeSecret(concat(UNCOMPRESSED_POINT, peerValue))));
      } catch {
        return invalid('ecp256', 'not a point of the curve');
      }
    },
  };
}

/** 320 bits: twice the upper estimate of the group's strength, RFC 3526 section 8. */
const MODP_EXPONENT_SIZE = 40;
const MODP_GENERATOR = 2;

function modp2048(exponent: Uint8Array): KeyExchange {
  const prime = getDiffieHellman('modp14').getPrime();
  const dh = createDiffieHellman(prime, MODP_GENERATOR);
  exponent[0] = (exponent[0] as number) | 0x80;
  dh.setPrivateKey(exponent);
  exponent.fill(0);
  return {
    group: 'modp2048',
    publicValue: leftPadded(dh.generateKeys(), PUBLIC_SIZE.modp2048),
    sharedSecret(peerValue) {
      checkSize('modp2048', peerValue);
      // RFC 6989 section 2.1: 1 < y < p - 1.
      const value = BigInt(`0x${Buffer.from(peerValue).toString('hex')}`);
      if (value <= 1n || value >= BigInt(`0x${prime.toString('hex')}`) - 1n) {
        invalid('modp2048', 'out of range');
      }
      return new Secret(leftPadded(dh.computeSecret(peerValue), PUBLIC_SIZE.modp2048));
    },
  };
}

function leftPadded(bytes: Uint8Array, size: number): Uint8Array {
  const padded = new Uint8Array(size);
  padded.set(bytes, size - bytes.length);
  return padded;
}
