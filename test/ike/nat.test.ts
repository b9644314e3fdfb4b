import { createHash } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CookieIssuer, type CookieSubject } from '../../src/ike/cookie.js';
import { natDetectionHash } from '../../src/ike/nat.js';
import { hex } from './support.js';

test('NAT detection: SHA-1 of SPIs, address and port', () => {
  const input = '0102030405060708 f1f2f3f4f5f6f7f8 c0000201 1194';
  const expected = new Uint8Array(createHash('sha1').update(hex(input)).digest());
  const endpoint = { address: '192.0.2.1', port: 4500 };
  assert.equal(natDetectionHash(0x0102030405060708n, 0xf1f2f3f4f5f6f7f8n, endpoint), expected);
});

test('NAT detection: IPv6 and a first message without responder SPI', () => {
  const input = '0102030405060708 0000000000000000 20010db8000000000000000000000001 01f4';
  const expected = new Uint8Array(createHash('sha1').update(hex(input)).digest());
  assert.equal(natDetectionHash(0x0102030405060708n, 0n, { address: '2001:db8::1', port: 500 }), expected);
});

const SUBJECT: CookieSubject = {
  nonce: new Uint8Array(32).fill(5),
  initiatorSpi: 0x0102030405060708n,
  remote: { address: '192.0.2.1', port: 4500 },
};

/** Distinct secrets in a fixed order. */
function issuer(): CookieIssuer {
  let next = 0;
  return new CookieIssuer(size => new Uint8Array(new Uint32Array(size / 4).fill(++next).buffer));
}

test('a cookie is good for what it was issued for, and for nothing else', () => {
  const cookies = issuer();
  const cookie = cookies.issue(SUBJECT);
  assert.ok(cookie.length >= 1 && cookie.length <= 64);
  assert.ok(cookies.accepts(cookie, SUBJECT));
  assert.not(cookies.accepts(cookie, { ...SUBJECT, initiatorSpi: 1n }));
  assert.not(cookies.accepts(cookie, { ...SUBJECT, nonce: new Uint8Array(32) }));
  assert.not(cookies.accepts(cookie, { ...SUBJECT, remote: { address: '192.0.2.2', port: 4500 } }));
  assert.not(cookies.accepts(cookie, { ...SUBJECT, remote: { address: '192.0.2.1', port: 4501 } }));
  for (let size = 0; size < cookie.length; size++)
    assert.not(cookies.accepts(cookie.subarray(0, size), SUBJECT));
  for (let index = 0; index < cookie.length; index++) {
    const changed = cookie.slice();
    changed[index] = (changed[index] as number) ^ 1;
    assert.not(cookies.accepts(changed, SUBJECT));
  }
});

test('a cookie outlives one rotation of the secret, not two', () => {
  const cookies = issuer();
  const cookie = cookies.issue(SUBJECT);
  cookies.rotate();
  assert.ok(cookies.accepts(cookie, SUBJECT));
  assert.ok(cookies.accepts(cookies.issue(SUBJECT), SUBJECT));
  cookies.rotate();
  assert.not(cookies.accepts(cookie, SUBJECT));
  for (let round = 0; round < 254; round++) cookies.rotate();
  assert.not(cookies.accepts(cookie, SUBJECT), 'the version has come round');
});

test.run();
