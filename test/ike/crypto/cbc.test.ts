import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OpeningKey, SealingKey } from '../../../src/ike/crypto/sealing.js';
import { Secret } from '../../../src/secret.js';
import { join } from '../generate.js';
import { syntaxError, toHex } from '../support.js';

const ASSOCIATED = new Uint8Array(32).fill(0xaa);

for (const [encryption, keySize] of [
  ['aes256-sha256', 32],
  ['aes128-sha256', 16],
] as const) {
  const keys = Uint8Array.from({ length: keySize + 32 }, (_, index) => index);
  const [key, integrityKey] = [keys.subarray(0, keySize), keys.subarray(keySize)];
  const secret = () => new Secret(keys.slice());
  const name = `aes-${keySize * 8}-cbc`;

  /** As RFC 7296 section 3.14 says it, from the platform's parts. */
  const sealedByHand = (iv: Uint8Array, plaintext: Uint8Array) => {
    const cipher = createCipheriv(name, key, iv).setAutoPadding(false);
    const encrypted = join(iv, cipher.update(plaintext), cipher.final());
    const checksum = createHmac('sha256', integrityKey).update(ASSOCIATED).update(encrypted).digest();
    return join(encrypted, checksum.subarray(0, 16));
  };

  test(`${encryption}: IV, CBC, and the checksum of all that is in front of it`, () => {
    const plaintext = new Uint8Array(48).fill(0x42);
    const sealed = new SealingKey(encryption, secret()).seal(ASSOCIATED, plaintext);
    assert.is(sealed.length, 16 + 48 + 16);
    const iv = sealed.subarray(0, 16);
    assert.equal(sealed, sealedByHand(iv, plaintext));
    const decipher = createDecipheriv(name, key, iv).setAutoPadding(false);
    assert.equal(join(decipher.update(sealed.subarray(16, 64)), decipher.final()), plaintext);
  });

  test(`${encryption}: what another implementation sealed is opened`, () => {
    for (const blocks of [1, 2, 9]) {
      const plaintext = new Uint8Array(16 * blocks).fill(blocks);
      const sealed = sealedByHand(new Uint8Array(16).fill(0x77), plaintext);
      assert.equal(new OpeningKey(encryption, secret()).open(ASSOCIATED, sealed), plaintext);
    }
  });

  test(`${encryption}: no IV comes twice, nor do two have a pattern`, () => {
    const sealing = new SealingKey(encryption, secret());
    const seen = new Set<string>();
    let ones = 0;
    for (let count = 0; count < 300; count++) {
      const iv = sealing.seal(ASSOCIATED, new Uint8Array(16)).subarray(0, 16);
      seen.add(toHex(iv));
      ones += [...iv].reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
    }
    assert.is(seen.size, 300);
    // Of 38,400 bits; the standard deviation is 98.
    assert.ok(Math.abs(ones - 19_200) < 600, `${ones}`);
    const second = new SealingKey(encryption, secret(), 1n << 32n);
    assert.not(seen.has(toHex(second.seal(ASSOCIATED, new Uint8Array(16)).subarray(0, 16))));
  });

  test(`${encryption}: every changed bit, of what stands in front too, is found before anything is decrypted`, () => {
    const opening = new OpeningKey(encryption, secret());
    const sealed = sealedByHand(new Uint8Array(16).fill(9), new Uint8Array(16));
    const whole = join(ASSOCIATED, sealed);
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const changed = whole.slice();
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      const error = syntaxError(() =>
        opening.open(changed.subarray(0, ASSOCIATED.length), changed.subarray(ASSOCIATED.length)),
      );
      assert.is(error.reason, 'integrity');
    }
  });

  test(`${encryption}: what is no whole number of blocks is malformed`, () => {
    const opening = new OpeningKey(encryption, secret());
    for (let size = 0; size < 100; size++) {
      const { reason } = syntaxError(() => opening.open(ASSOCIATED, new Uint8Array(size)));
      assert.is(reason, size >= 32 && size % 16 === 0 ? 'integrity' : 'malformed', `${size}`);
    }
  });

  test(`${encryption}: no IV is used after the last one, none after wiping`, () => {
    const last = new SealingKey(encryption, secret(), (1n << 64n) - 1n);
    last.seal(ASSOCIATED, new Uint8Array(16));
    assert.throws(() => last.seal(ASSOCIATED, new Uint8Array(16)), /used up/);
    const wiped = new OpeningKey(encryption, secret());
    wiped.wipe();
    const sealed = sealedByHand(new Uint8Array(16), new Uint8Array(16));
    assert.is(syntaxError(() => wiped.open(ASSOCIATED, sealed)).reason, 'integrity');
  });
}

test.run();
