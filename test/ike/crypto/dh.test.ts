import { createHash, getDiffieHellman, randomBytes } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { DhGroup } from '../../../src/ike/api.js';
import { generateKeyExchange, type KeyExchange } from '../../../src/ike/crypto/dh.js';
import { wycheproof } from '../../support/wycheproof.js';
import { hex, syntaxError, toHex } from '../support.js';

/** A key exchange with this private value instead of a random one. */
function withPrivate(group: DhGroup, value: string): KeyExchange {
  return generateKeyExchange(group, size => {
    const bytes = hex(value.padStart(size * 2, '0').slice(-size * 2));
    assert.is(bytes.length, size);
    return bytes;
  });
}

const random = (size: number) => new Uint8Array(randomBytes(size));

test('x25519: RFC 7748 section 6.1', () => {
  const alice = withPrivate('x25519', '77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a');
  const bob = withPrivate('x25519', '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb');
  assert.is(toHex(alice.publicValue), '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a');
  assert.is(toHex(bob.publicValue), 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f');
  const shared = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742';
  assert.is(toHex(alice.sharedSecret(bob.publicValue).reveal()), shared);
  assert.is(toHex(bob.sharedSecret(alice.publicValue).reveal()), shared);
});

test('x25519: Wycheproof; a result of all zeros is refused', () => {
  let cases = 0;
  for (const { tests } of wycheproof('x25519_test.json') ?? []) {
    for (const { tcId, private: scalar, public: peer, shared, flags } of tests) {
      const exchange = withPrivate('x25519', scalar as string);
      const compute = () => exchange.sharedSecret(hex(peer as string)).reveal();
      if (flags.includes('ZeroSharedSecret')) syntaxError(compute);
      else assert.is(toHex(compute()), shared, `case ${tcId}`);
      cases += 1;
    }
  }
  console.log(`x25519: ${cases} cases`);
});

test('ecp256: RFC 5903 section 8.1', () => {
  const i = withPrivate('ecp256', 'c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433');
  const r = withPrivate('ecp256', 'c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53');
  const gi = `dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180
    5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3`;
  const gr = `d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63
    56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab`;
  assert.equal(i.publicValue, hex(gi));
  assert.equal(r.publicValue, hex(gr));
  const girx = 'd6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de';
  assert.is(toHex(i.sharedSecret(hex(gr)).reveal()), girx);
  assert.is(toHex(r.sharedSecret(hex(gi)).reveal()), girx);
});

test('ecp256: Wycheproof; only uncompressed points on the curve are taken', () => {
  let cases = 0;
  for (const { tests } of wycheproof('ecdh_secp256r1_ecpoint_test.json') ?? []) {
    for (const { tcId, private: scalar, public: point, shared, result } of tests) {
      const exchange = withPrivate('ecp256', scalar as string);
      // KE data is the point without its first byte, which says that it is uncompressed.
      const compute = () => exchange.sharedSecret(hex((point as string).slice(2))).reveal();
      if (result === 'valid') assert.is(toHex(compute()), shared, `case ${tcId}`);
      else syntaxError(compute);
      cases += 1;
    }
  }
  console.log(`ecp256: ${cases} cases`);
});

test('ecp256: a random string that is no scalar is drawn again, but not for ever', () => {
  const draws = ['ff'.repeat(32), '00'.repeat(32), '01'.repeat(32)];
  const drawn = generateKeyExchange('ecp256', () => hex(draws.shift() as string));
  assert.equal(drawn.publicValue, withPrivate('ecp256', '01'.repeat(32)).publicValue);
  assert.throws(() => generateKeyExchange('ecp256', () => hex('ff'.repeat(32))), /no scalar/);
});

/** RFC 3526 section 3: p = 2^2048 - 2^1984 - 1 + 2^64 * ( [2^1918 pi] + 124476 ). */
const PRIME = BigInt(`0x${getDiffieHellman('modp14').getPrime('hex')}`);

function modp(value: bigint): Uint8Array {
  return hex(value.toString(16).padStart(512, '0'));
}

test('modp2048: the prime is that of RFC 3526', () => {
  const digits = PRIME.toString(16).toUpperCase();
  assert.ok(digits.startsWith('FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74'));
  assert.ok(digits.endsWith('15728E5A8AACAA68FFFFFFFFFFFFFFFF'));
  assert.is(PRIME.toString(2).length, 2048);
});

test('modp2048: public value and secret are powers modulo the prime', () => {
  const exponent = '80'.padEnd(80, '5a');
  const x = BigInt(`0x${exponent}`);
  const exchange = withPrivate('modp2048', exponent);
  assert.equal(exchange.publicValue, modp(power(2n, x)));
  for (const peer of [2n, 3n, PRIME - 2n, 2n ** 2047n - 1n]) {
    assert.equal(exchange.sharedSecret(modp(peer)).reveal(), modp(power(peer, x)));
  }
});

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let square = base, rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % PRIME;
    square = (square * square) % PRIME;
  }
  return result;
}

test('modp2048: 0, 1, p - 1, p and above are refused', () => {
  const exchange = generateKeyExchange('modp2048', random);
  for (const peer of [0n, 1n, PRIME - 1n, PRIME, PRIME + 1n, PRIME + 2n, 2n ** 2048n - 1n]) {
    syntaxError(() => exchange.sharedSecret(modp(peer)));
  }
});

test('modp2048: a secret keeps its leading zeros', () => {
  // 2^e is a small number while e is below 2048, and so is the secret of a peer whose value is such a power inverted.
  const exchange = withPrivate('modp2048', '80'.padEnd(80, '00'));
  const x = 1n << 319n;
  // The peer's value whose x-th power is 2: 2^(1/x) modulo the order of the subgroup, (p - 1) / 2.
  const order = (PRIME - 1n) / 2n;
  const peer = power(2n, inverse(x, order));
  const secret = exchange.sharedSecret(modp(peer)).reveal();
  assert.equal(secret, modp(2n));
});

function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b, u, v] = [modulus, value % modulus, 0n, 1n];
  while (b > 0n) {
    const quotient = a / b;
    [a, b, u, v] = [b, a - quotient * b, v, u - quotient * v];
  }
  return ((u % modulus) + modulus) % modulus;
}

for (const group of ['x25519', 'ecp256', 'modp2048'] as const) {
  test(`${group}: both sides agree, values are fresh and have one size`, () => {
    const seen = new Set<string>();
    for (let round = 0; round < 20; round++) {
      const [a, b] = [generateKeyExchange(group, random), generateKeyExchange(group, random)];
      const shared = a.sharedSecret(b.publicValue);
      assert.equal(b.sharedSecret(a.publicValue).reveal(), shared.reveal());
      assert.is(a.publicValue.length, { x25519: 32, ecp256: 64, modp2048: 256 }[group]);
      assert.is(shared.length, { x25519: 32, ecp256: 32, modp2048: 256 }[group]);
      seen.add(createHash('sha256').update(shared.reveal()).digest('hex'));
    }
    assert.is(seen.size, 20);
  });

  test(`${group}: a public value of any other size is refused`, () => {
    const exchange = generateKeyExchange(group, random);
    for (const size of [0, 1, 31, 33, 63, 65, 255, 257]) {
      syntaxError(() => exchange.sharedSecret(new Uint8Array(size).fill(2)));
    }
  });

  test(`${group}: the random bytes are wiped after use`, () => {
    const bytes: Uint8Array[] = [];
    generateKeyExchange(group, size => {
      bytes.push(random(size));
      return bytes.at(-1) as Uint8Array;
    });
    assert.ok(bytes.length > 0 && bytes.every(drawn => drawn.every(byte => byte === 0)));
  });
}

test.run();
