// Packets sealed one after the other: the tag of each is missing only until the next one or aeadFinish.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { AEAD_CONTEXT_SIZE } from '../../src/packet/abi.js';
import { PacketCore } from '../../src/packet/core.js';
import { nodeSeal, SALT, SUITES, TAG } from '../support/aead.js';
import { randomBytes, randomInteger } from '../support/bytes.js';
import { generator } from '../support/random.js';

const SEED = 7634;
const BATCHES = 60;
/** ESP's associated data. */
const AAD_BYTES = 8;
const IV_BYTES = 8;

// Far above the core's own tables.
const KEY = 0x8000000;
const CONTEXTS = KEY + 4096;
const PACKETS = CONTEXTS + (SUITES.length + 1) * AEAD_CONTEXT_SIZE;
const ROOM = 16_384;

interface Sealed {
  at: number;
  expected: Uint8Array;
}

const core = new PacketCore();
const { bytes: memory, exports } = core;
const random = generator(SEED);

/** Each suite's key, installed in a context of its own. */
const keyed = SUITES.map((suite, index) => {
  const key = randomBytes(random, suite.keyBytes + SALT);
  const context = CONTEXTS + index * AEAD_CONTEXT_SIZE;
  memory.set(key, KEY);
  exports.aeadInstall(suite.code, context, KEY);
  return { suite, key: key.subarray(0, suite.keyBytes), salt: key.subarray(suite.keyBytes), context };
});

type Keyed = (typeof keyed)[number];

/** Puts associated data, IV and plaintext, one behind the other, in place `index`; what the last must become. */
function place({ suite, key, salt }: Keyed, index: number): Sealed {
  const at = PACKETS + index * ROOM;
  const aad = randomBytes(random, AAD_BYTES);
  const iv = randomBytes(random, IV_BYTES);
  const plaintext = randomBytes(
    random,
    randomInteger(random, 0, randomInteger(random, 0, 3) === 0 ? 300 : 2000),
  );
  memory.set([...aad, ...iv, ...plaintext], at);
  const nonce = Uint8Array.from([...salt, ...iv]);
  return { at, expected: Uint8Array.from(nodeSeal(suite, key, nonce, aad, plaintext)) };
}

const data = (at: number) => at + AAD_BYTES + IV_BYTES;
const call = (at: number, length: number) => [at + AAD_BYTES, at, AAD_BYTES, data(at), length] as const;
const result = ({ at, expected }: Sealed) => memory.slice(data(at), data(at) + expected.length);

test('batches of any lengths and suites, with packets opened in between, are as if each packet had been sealed alone', () => {
  for (let batch = 0; batch < BATCHES; batch++) {
    const sealed: Sealed[] = [];
    for (let index = randomInteger(random, 1, 12); index > 0; index--) {
      const used = keyed[randomInteger(random, 0, 3) === 0 ? randomInteger(random, 0, 2) : 0] as Keyed;
      const packet = place(used, index);
      const length = packet.expected.length - TAG;
      exports.aeadSeal(used.suite.code, used.context, ...call(packet.at, length));
      sealed.push(packet);
      if (randomInteger(random, 0, 4) !== 0) continue;
      const other = place(used, 0);
      const plaintext = memory.slice(data(other.at), data(other.at) + other.expected.length - TAG);
      memory.set(other.expected, data(other.at));
      const opened = exports.aeadOpen(used.suite.code, used.context, ...call(other.at, plaintext.length));
      assert.is(opened, 1);
      assert.equal(memory.slice(data(other.at), data(other.at) + plaintext.length), plaintext);
    }
    exports.aeadFinish();
    sealed.forEach((packet, index) => {
      assert.equal(result(packet), packet.expected, `batch ${batch}, packet ${index} (seed ${SEED})`);
    });
  }
});

test('nothing is finished twice, and no tag written without need', () => {
  const used = keyed[0] as Keyed;
  const packet = place(used, 0);
  exports.aeadSeal(used.suite.code, used.context, ...call(packet.at, packet.expected.length - TAG));
  exports.aeadFinish();
  assert.equal(result(packet), packet.expected);
  const end = data(packet.at) + packet.expected.length;
  memory.fill(0x5a, end - TAG, end);
  exports.aeadFinish();
  assert.ok(memory.subarray(end - TAG, end).every(byte => byte === 0x5a));
});

test.run();
