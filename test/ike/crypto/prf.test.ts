import { hkdfSync } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Prf } from '../../../src/ike/api.js';
import { computePrf, prfPlus, prfSize } from '../../../src/ike/crypto/prf.js';
import { wycheproof } from '../../support/wycheproof.js';
import { hex, toHex } from '../support.js';

const HASHES: [Prf, string, number][] = [
  ['prfsha256', 'sha256', 32],
  ['prfsha384', 'sha384', 48],
  ['prfsha512', 'sha512', 64],
];

for (const [prf, hash, size] of HASHES) {
  test(`${prf}: Wycheproof HMAC`, () => {
    let cases = 0;
    for (const { tests, tagSize } of wycheproof(`hmac_${hash}_test.json`) ?? []) {
      for (const { tcId, key, msg, tag, result } of tests) {
        const computed = computePrf(prf, hex(key as string), hex(msg as string)).subarray(
          0,
          Number(tagSize) / 8,
        );
        assert.is(toHex(computed) === tag, result === 'valid', `case ${tcId}`);
        cases += 1;
      }
    }
    console.log(`${hash}: ${cases} cases`);
  });

  test(`${prf}: prf+ is HKDF-Expand (RFC 5869), whose counter and order are the same`, () => {
    const salt = new Uint8Array(40).fill(3);
    const secret = new Uint8Array(32).fill(5);
    const seed = new Uint8Array(80).fill(9);
    const key = computePrf(prf, salt, secret);
    for (const wanted of [0, 1, size - 1, size, size + 1, 5 * size - 1, 255 * size]) {
      const expected = new Uint8Array(hkdfSync(hash, secret, salt, seed, wanted));
      assert.equal(prfPlus(prf, key, seed, wanted), expected, `${wanted} bytes`);
    }
  });

  test(`${prf}: no more than 255 blocks`, () => {
    assert.is(prfSize(prf), size);
    assert.throws(
      () => prfPlus(prf, new Uint8Array(size), new Uint8Array(1), 255 * size + 1),
      /prf\+ cannot give/,
    );
  });
}

test('prfsha256: Wycheproof HKDF through prf and prf+', () => {
  let cases = 0;
  for (const { tests } of wycheproof('hkdf_sha256_test.json') ?? []) {
    for (const { tcId, ikm, salt, info, size, okm, result } of tests) {
      const key = computePrf('prfsha256', hex(salt as string), hex(ikm as string));
      const expand = () => prfPlus('prfsha256', key, hex(info as string), Number(size));
      if (result === 'valid') assert.is(toHex(expand()), okm, `case ${tcId}`);
      else assert.throws(expand, undefined, `case ${tcId}`);
      cases += 1;
    }
  }
  console.log(`hkdf: ${cases} cases`);
});

test('the parts of the data are concatenated', () => {
  const key = hex('0b0b');
  const whole = computePrf('prfsha256', key, hex('010203040506'));
  assert.equal(computePrf('prfsha256', key, hex('01'), hex(''), hex('0203040506')), whole);
});

// RFC 4231 section 4.2.
test('RFC 4231 test case 1', () => {
  const key = new Uint8Array(20).fill(0x0b);
  const data = new TextEncoder().encode('Hi There');
  assert.is(
    toHex(computePrf('prfsha256', key, data)),
    'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
  );
});

test.run();
