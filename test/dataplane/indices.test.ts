import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { IndexPool, SpiPool } from '../../src/dataplane/indices.js';
import type { VpnrError } from '../../src/errors.js';
import { SA_INDEX_MASK, SA_MAX } from '../../src/packet/abi.js';

test('an index is given out once until it is given back', () => {
  const pool = new IndexPool();
  const taken = new Set(Array.from({ length: SA_MAX }, () => pool.take()));
  assert.is(taken.size, SA_MAX);
  assert.ok([...taken].every(index => index >= 0 && index < SA_MAX));
  assert.throws(
    () => pool.take(),
    (error: VpnrError) => error.code === 'ASSOCIATIONS_FULL',
  );
  pool.giveBack(17);
  assert.is(pool.take(), 17);
});

test('SPIs have distinct places and are never reserved values', () => {
  const pool = new SpiPool();
  const spis = Array.from({ length: SA_MAX }, () => pool.allocate());
  assert.is(new Set(spis.map(spi => spi & SA_INDEX_MASK)).size, SA_MAX);
  assert.ok(spis.every(spi => spi >= 256 && spi <= 0xffff_ffff && Number.isInteger(spi)));
  // 22 random bits each: among 1024 some repeat by chance, many only by mistake.
  assert.ok(new Set(spis.map(spi => spi >>> 10)).size > SA_MAX / 2);
});

test('a released SPI frees its place once', () => {
  const pool = new SpiPool();
  const spis = Array.from({ length: SA_MAX }, () => pool.allocate());
  const [first = 0] = spis;
  pool.release(first);
  pool.release(first);
  const next = pool.allocate();
  assert.is(next & SA_INDEX_MASK, first & SA_INDEX_MASK);
  pool.release(first);
  assert.throws(
    () => pool.allocate(),
    (error: VpnrError) => error.code === 'ASSOCIATIONS_FULL',
  );
});

test.run();
