import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PacketCore } from '../../src/packet/core.js';
import { CoreAead, nobleAead, SUITES } from '../support/aead.js';
import { randomBytes } from '../support/bytes.js';
import { generator } from '../support/random.js';

const LONGEST = 9001;
const SEED = 7634;
const core = new PacketCore();

for (const suite of SUITES) {
  test(`${suite.name}: every length from 0 to ${LONGEST} as @noble/ciphers seals and opens it`, () => {
    const random = generator(SEED);
    const key = randomBytes(random, suite.keyBytes);
    const nonce = randomBytes(random, 12);
    const message = randomBytes(random, LONGEST);
    const aead = new CoreAead(suite, core);
    aead.install(key, nonce);
    for (let length = 0; length <= LONGEST; length++) {
      // A nonce of its own for each, and both of ESP's lengths of associated data (8, or 12 with ESN).
      new DataView(nonce.buffer).setUint32(8, length);
      const aad = nonce.subarray(0, length % 2 === 0 ? 8 : 12);
      const plaintext = message.subarray(0, length);
      const expected = nobleAead(suite, key, nonce, aad).encrypt(plaintext);
      const about = `${length} bytes (seed ${SEED})`;
      assert.ok(Buffer.compare(aead.seal(nonce, aad, plaintext), expected) === 0, `sealing ${about}`);
      const opened = aead.open(nonce, aad, expected);
      assert.ok(opened !== undefined && Buffer.compare(opened, plaintext) === 0, `opening ${about}`);
    }
  });
}

test.run();
