import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { IkeEncryption } from '../../../src/ike/api.js';
import { OpeningKey, SealingKey } from '../../../src/ike/crypto/sealing.js';
import { Secret } from '../../../src/secret.js';
import { type WycheproofCase, wycheproof } from '../../support/wycheproof.js';
import { hex, syntaxError, toHex } from '../support.js';

/** IV and checksum. */
const AEAD_OVERHEAD = 8 + 16;

const SUITES: [IkeEncryption, string, number][] = [
  ['chacha20poly1305', 'chacha20_poly1305_test.json', 256],
  ['aes256gcm16', 'aes_gcm_test.json', 256],
  ['aes128gcm16', 'aes_gcm_test.json', 128],
];

/** The nonce of a case is salt and IV. */
function check(
  encryption: IkeEncryption,
  { tcId, key, iv, aad, msg, ct, tag, result }: WycheproofCase,
): void {
  const [salt, counter] = [(iv as string).slice(0, 8), (iv as string).slice(8)];
  const secret = () => new Secret(hex(key + salt));
  const sealed = `${counter}${ct}${tag}`;
  const open = () => new OpeningKey(encryption, secret()).open(hex(aad as string), hex(sealed));
  if (result === 'valid') {
    assert.is(toHex(open()), msg, `case ${tcId}`);
    const sealing = new SealingKey(encryption, secret(), BigInt(`0x${counter}`));
    assert.is(toHex(sealing.seal(hex(aad as string), hex(msg as string))), sealed, `case ${tcId}`);
  } else {
    assert.is(syntaxError(open).reason, 'integrity', `case ${tcId}`);
  }
}

for (const [encryption, file, keySize] of SUITES) {
  test(`${encryption}: Wycheproof`, () => {
    let cases = 0;
    for (const group of wycheproof(file) ?? []) {
      if (group.keySize !== keySize || group.ivSize !== 96 || group.tagSize !== 128) continue;
      for (const one of group.tests) check(encryption, one);
      cases += group.tests.length;
    }
    console.log(`${encryption}: ${cases} cases`);
  });

  test(`${encryption}: the IV counts up, and every sealing differs`, () => {
    const secret = () => new Secret(new Uint8Array(keySize / 8 + 4).fill(7));
    const [sealing, opening] = [new SealingKey(encryption, secret()), new OpeningKey(encryption, secret())];
    const seen = new Set<string>();
    for (let count = 0n; count < 300n; count++) {
      const sealed = sealing.seal(hex('aabb'), hex('01020304'));
      assert.is(BigInt(`0x${toHex(sealed.subarray(0, 8))}`), count);
      assert.is(sealed.length, 4 + AEAD_OVERHEAD);
      assert.is(toHex(opening.open(hex('aabb'), sealed)), '01020304');
      seen.add(toHex(sealed.subarray(8)));
    }
    assert.is(seen.size, 300);
  });

  test(`${encryption}: no IV is used after the last one, none after wiping`, () => {
    const secret = () => new Secret(new Uint8Array(keySize / 8 + 4).fill(7));
    const last = new SealingKey(encryption, secret(), (1n << 64n) - 1n);
    last.seal(hex(''), hex('00'));
    assert.throws(() => last.seal(hex(''), hex('00')), /used up/);
    const wiped = new SealingKey(encryption, secret());
    const sealed = wiped.seal(hex(''), hex('00'));
    wiped.wipe();
    assert.throws(() => wiped.seal(hex(''), hex('00')), /used up/);
    const opening = new OpeningKey(encryption, secret());
    opening.wipe();
    assert.is(syntaxError(() => opening.open(hex(''), sealed)).reason, 'integrity');
  });

  test(`${encryption}: too short for IV and checksum`, () => {
    const opening = new OpeningKey(encryption, new Secret(new Uint8Array(keySize / 8 + 4)));
    for (let size = 0; size < AEAD_OVERHEAD; size++) {
      assert.is(syntaxError(() => opening.open(hex(''), new Uint8Array(size))).reason, 'malformed');
    }
  });
}

test.run();
