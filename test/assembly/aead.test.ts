import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { AEAD_CONTEXT_SIZE, ERR_SUITE } from '../../src/packet/abi.js';
import { PacketCore } from '../../src/packet/core.js';
import { CoreAead, nodeSeal, SUITES, TAG } from '../support/aead.js';
import { randomBytes, randomInteger } from '../support/bytes.js';
import { generator } from '../support/random.js';
import { remainsOf, xor } from '../support/remains.js';

const SEED = 8439;
const core = new PacketCore();

for (const suite of SUITES) {
  const random = generator(SEED);
  const bytes = (length: number): Uint8Array => randomBytes(random, length);
  const aead = new CoreAead(suite, core);

  test(`${suite.name}: a changed bit anywhere in ciphertext, tag, AAD or nonce is found out`, () => {
    for (const length of [0, 1, 64, 191, 192, 193, 448, 449, 1400]) {
      const [key, nonce, aad, plaintext] = [bytes(suite.keyBytes), bytes(12), bytes(8), bytes(length)];
      aead.install(key, nonce);
      const sealed = aead.seal(nonce, aad, plaintext);
      const keystream = xor(plaintext, sealed.subarray(0, length));
      const parts = { ciphertext: sealed, aad, iv: nonce };
      for (const [part, target] of Object.entries(parts)) {
        // The salt is the key's part of the nonce.
        for (let at = part === 'iv' ? 4 : 0; at < target.length; at++) {
          const bit = 1 << randomInteger(random, 0, 7);
          const original = target[at] as number;
          target[at] = original ^ bit;
          const message = `${part} of ${length} bytes, byte ${at}, bit ${bit} (seed ${SEED})`;
          assert.is(aead.open(nonce, aad, sealed), undefined, message);
          assert.not(remainsOf(plaintext, aead.writable()), message);
          assert.not(remainsOf(keystream, aead.writable()), message);
          target[at] = original;
        }
      }
      assert.equal(aead.open(nonce, aad, sealed), plaintext);
    }
  });

  test(`${suite.name}: every bit of a tag counts, and no bytes less than all`, () => {
    const [key, nonce, aad, plaintext] = [bytes(suite.keyBytes), bytes(12), bytes(12), bytes(40)];
    aead.install(key, nonce);
    const sealed = aead.seal(nonce, aad, plaintext);
    for (let bit = 0; bit < TAG * 8; bit++) {
      const forged = sealed.slice();
      forged[40 + (bit >> 3)] = (forged[40 + (bit >> 3)] as number) ^ (1 << (bit & 7));
      assert.is(aead.open(nonce, aad, forged), undefined, `bit ${bit}`);
    }
    for (let zeroed = 0; zeroed < TAG; zeroed++) {
      const forged = sealed.slice();
      forged.fill(0, 40, 40 + zeroed + 1);
      assert.is(aead.open(nonce, aad, forged), undefined, `${zeroed + 1} bytes zeroed`);
    }
  });

  test(`${suite.name}: associated data of any length`, () => {
    const [key, nonce, plaintext] = [bytes(suite.keyBytes), bytes(12), bytes(100)];
    aead.install(key, nonce);
    for (let length = 0; length <= 600; length++) {
      const aad = bytes(length);
      const sealed = aead.seal(nonce, aad, plaintext);
      assert.equal(sealed, Uint8Array.from(nodeSeal(suite, key, nonce, aad, plaintext)), `AAD of ${length}`);
      assert.equal(aead.open(nonce, aad, sealed), plaintext, `AAD of ${length}`);
    }
  });

  test(`${suite.name}: sealing and opening leave neither key nor keystream behind, wiping nothing at all`, () => {
    const [key, nonce, aad, plaintext] = [bytes(suite.keyBytes), bytes(12), bytes(8), bytes(1000)];
    aead.install(key, nonce);
    assert.not(remainsOf(key, aead.writable()));
    const sealed = aead.seal(nonce, aad, plaintext);
    const keystream = xor(plaintext, sealed.subarray(0, 1000));
    // The group before the data's first block gives the one-time key, the hash key or the mask of the tag.
    const hidden = nodeSeal(suite, key, nonce, aad, new Uint8Array(0)).subarray(0, TAG);
    for (const secret of [key, keystream, hidden, plaintext]) assert.not(remainsOf(secret, aead.writable()));
    aead.open(nonce, aad, sealed);
    aead.core.bytes.fill(0, aead.data, aead.data + 1000);
    for (const secret of [key, keystream, hidden, plaintext]) assert.not(remainsOf(secret, aead.writable()));
    assert.ok(aead.restIsZero());
    aead.wipe();
    const context = core.bytes.subarray(aead.context, aead.context + AEAD_CONTEXT_SIZE);
    assert.ok(context.every(byte => byte === 0));
  });
}

test('an unknown suite is refused', () => {
  for (const suite of [0, 6, -1]) assert.is(core.exports.aeadInstall(suite, 0x8001000, 0x8000000), ERR_SUITE);
});

test.run();
