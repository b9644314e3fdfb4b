import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PacketCore } from '../../src/packet/core.js';
import { CoreAead, nodeDecrypt, SUITES, type Suite } from '../support/aead.js';
import { concat, unhex } from '../support/bytes.js';
import { remainsOf, xor } from '../support/remains.js';
import { type WycheproofCase, type WycheproofGroup, wycheproof } from '../support/wycheproof.js';

const core = new PacketCore();

function run(suite: Suite, group: WycheproofGroup, vector: WycheproofCase): void {
  const field = (name: string): Uint8Array => unhex(vector[name] as string);
  const [key, nonce, aad] = [field('key'), field('iv'), field('aad')];
  const plaintext = field('msg');
  const sealed = concat(field('ct'), field('tag'));
  const name = `${suite.name} ${vector.tcId} (${group.keySize}-bit key): ${vector.comment}`;
  const aead = new CoreAead(suite, core);
  aead.install(key, nonce);
  const opened = aead.open(nonce, aad, sealed);
  if (vector.result === 'valid') {
    assert.equal(opened, plaintext, name);
    assert.equal(aead.seal(nonce, aad, plaintext), sealed, name);
    return;
  }
  assert.is(opened, undefined, name);
  // In place of the data is ciphertext or nothing; neither what would be the plaintext, nor the keystream that gives it
  // away, is anywhere else.
  const ciphertext = field('ct');
  const secret = nodeDecrypt(suite, key, nonce, ciphertext);
  const left = aead.core.bytes.subarray(aead.data, aead.data + ciphertext.length);
  assert.ok(left.every(byte => byte === 0) || Buffer.compare(left, ciphertext) === 0, name);
  left.fill(0);
  assert.not(remainsOf(secret, aead.writable()), name);
  assert.not(remainsOf(xor(secret, ciphertext), aead.writable()), name);
}

/** Runs the cases that ESP's parameters allow: 96-bit nonce, 128-bit tag, a key of the suites' sizes. */
function runFile(file: string, suites: readonly Suite[], expected: { valid: number; invalid: number }): void {
  test(file, () => {
    const groups = wycheproof(file);
    if (groups === undefined) return;
    const ran = { valid: 0, invalid: 0 };
    let others = 0;
    for (const group of groups) {
      const suite = suites.find(each => each.keyBytes * 8 === group.keySize);
      for (const vector of group.tests) {
        if (suite === undefined || group.ivSize !== 96 || group.tagSize !== 128) {
          others += 1;
        } else {
          run(suite, group, vector);
          ran[vector.result as 'valid' | 'invalid'] += 1;
        }
      }
    }
    console.log(
      `\n${file}: ${ran.valid} valid and ${ran.invalid} invalid cases, ${others} not for these suites`,
    );
    assert.equal(ran, expected);
  });
}

runFile('chacha20_poly1305_test.json', SUITES.slice(0, 1), { valid: 256, invalid: 60 });
runFile('aes_gcm_test.json', SUITES.slice(1), { valid: 79, invalid: 54 });

test.run();
