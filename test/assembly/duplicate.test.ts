import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DUPLICATE_WINDOW, REPLAY_WINDOW, SCRATCH } from '../../src/packet/abi.js';
import { PacketCore } from '../../src/packet/core.js';
import { pick } from '../support/bytes.js';
import { generator } from '../support/random.js';

const core = new PacketCore();
const { windowAccept, windowCheck, windowHighest, windowReset } = core.exports;
const W = SCRATCH + 64;
const LAST = 0xffff_ffff_ffff_ffffn;

const check = (bits: number, sequence: bigint): boolean => windowCheck(W, bits, sequence) !== 0;
const accept = (bits: number, sequence: bigint): void => windowAccept(W, bits, sequence);
const highest = (): bigint => BigInt.asUintN(64, windowHighest(W));

/** What the window is to do, with everything remembered. */
class Model {
  readonly #seen = new Set<bigint>();
  #highest = 0n;
  readonly #bits: bigint;

  constructor(bits: number) {
    this.#bits = BigInt(bits);
  }

  get highest(): bigint {
    return this.#highest;
  }

  check(sequence: bigint): boolean {
    if (sequence === 0n || this.#seen.has(sequence)) return false;
    return sequence > this.#highest - this.#bits;
  }

  accept(sequence: bigint): void {
    this.#seen.add(sequence);
    if (sequence > this.#highest) this.#highest = sequence;
  }
}

test('zero is never accepted, one is the first', () => {
  windowReset(W, 64);
  assert.not(check(64, 0n));
  assert.ok(check(64, 1n));
  accept(64, 1n);
  assert.not(check(64, 1n));
  assert.is(highest(), 1n);
});

for (const bits of [64, 128, REPLAY_WINDOW, DUPLICATE_WINDOW]) {
  test(`${bits}: exactly so many numbers are remembered`, () => {
    windowReset(W, bits);
    const top = 1_000_003n;
    accept(bits, top);
    assert.ok(check(bits, top - BigInt(bits) + 1n));
    assert.not(check(bits, top - BigInt(bits)));
    assert.not(check(bits, 1n));
    for (let below = 1n; below < BigInt(bits); below++) {
      assert.ok(check(bits, top - below));
      accept(bits, top - below);
      assert.not(check(bits, top - below));
    }
    assert.is(highest(), top);
  });

  test(`${bits}: in order, nothing is lost or taken twice`, () => {
    windowReset(W, bits);
    for (let sequence = 1n; sequence < BigInt(3 * bits); sequence++) {
      assert.ok(check(bits, sequence));
      accept(bits, sequence);
      assert.not(check(bits, sequence));
      if (sequence > 1n) assert.not(check(bits, sequence - 1n));
    }
  });

  test(`${bits}: random steps equal the model, around 0, 2^32 and 2^53 and up to the last number`, () => {
    const random = generator(6479 + bits);
    for (const start of [0n, 0xffff_ff00n, 1n << 53n, LAST - BigInt(40 * bits)]) {
      windowReset(W, bits);
      const model = new Model(bits);
      let centre = start + 1n;
      for (let i = 0; i < 20_000; i++) {
        const reach = pick(random, [1, 3, 64, 65, bits - 1, bits, bits + 1, 2 * bits]);
        const offset = BigInt(Math.floor((random() * 2 - 1.02) * reach));
        let sequence = centre + offset;
        if (sequence < 0n) sequence = 0n;
        if (sequence > LAST) sequence = LAST;
        const expected = model.check(sequence);
        if (check(bits, sequence) !== expected) assert.unreachable(`${sequence} at ${model.highest}`);
        // Now and then the tag is wrong: then nothing may change.
        if (expected && random() < 0.8) {
          accept(bits, sequence);
          model.accept(sequence);
        }
        if (i % 7 === 0) centre = model.highest + 1n;
      }
      assert.is(highest(), model.highest);
    }
  });

  test(`${bits}: a record is 8 + ${bits / 8} bytes; nothing outside is written`, () => {
    core.bytes.fill(0x5a, W - 64, W + 8 + bits / 8 + 64);
    windowReset(W, bits);
    const random = generator(bits);
    for (let i = 0; i < 10_000; i++) accept(bits, BigInt(Math.floor(random() * 100_000)) + 1n);
    for (let i = 1; i <= 64; i++) {
      assert.is(core.bytes[W - i], 0x5a);
      assert.is(core.bytes[W + 8 + bits / 8 + i - 1], 0x5a);
    }
  });
}

test('the last number of all can be accepted once', () => {
  windowReset(W, DUPLICATE_WINDOW);
  accept(DUPLICATE_WINDOW, LAST - 100n);
  assert.ok(check(DUPLICATE_WINDOW, LAST));
  accept(DUPLICATE_WINDOW, LAST);
  assert.not(check(DUPLICATE_WINDOW, LAST));
  assert.ok(check(DUPLICATE_WINDOW, LAST - 1n));
  assert.not(check(DUPLICATE_WINDOW, LAST - 100n));
});

test.run();
