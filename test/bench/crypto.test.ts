import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { BenchContext } from '../../src/bench/context.js';
import { parseSpeed } from '../../src/bench/crypto/openssl.js';
import { CRYPTO_SUITES, makeKeys } from '../../src/bench/crypto/packets.js';
import { benchCrypto, checkCrypto } from '../../src/bench/crypto/run.js';
import { Trial } from '../../src/bench/crypto/trial.js';
import { Wasm } from '../../src/bench/crypto/wasm.js';
import { silence } from '../../src/bench/progress.js';
import { drawBenchmark, WIDTH } from '../../src/bench/text.js';

const context = (signal = new AbortController().signal): BenchContext => ({
  signal,
  progress: silence,
  quick: true,
});

test('all suites agree, at all sizes', async () => {
  const { equal, suites } = await checkCrypto(context(), { suites: [] });
  assert.ok(equal);
  assert.equal(suites, [...CRYPTO_SUITES]);
});

test('an implementation that differs is noticed', () => {
  for (const suite of ['chacha20poly1305', 'aes128-sha256'] as const) {
    const keys = makeKeys(suite);
    const wasm = new Wasm();
    const { implementation } = wasm;
    const otherKey = Uint8Array.from(keys.key, byte => byte ^ 1);
    wasm.implementation = (_, ...rest) => implementation.call(wasm, { ...keys, key: otherKey }, ...rest);
    assert.throws(
      () => new Trial(wasm, keys, 64).check(),
      (error: Error) => /^wasm does not seal as node: .*, 64 bytes$/.test(error.message),
    );
  }
});

test('an implementation that opens what was changed is noticed', () => {
  const keys = makeKeys('aes256gcm16');
  const wasm = new Wasm();
  const { implementation } = wasm;
  wasm.implementation = (...args) => ({ ...implementation.apply(wasm, args), spoil() {} });
  assert.throws(() => new Trial(wasm, keys, 64).check(), /wasm opens a changed packet/);
});

test('results have the documented shape', async () => {
  const { json, benchmark } = await benchCrypto(context(), {
    suites: ['aes256gcm16', 'aes256-sha256'],
    sizes: [64, 576],
  });
  const seen = json.results.map(({ suite, operation, bytes, implementation }) =>
    [suite, operation, bytes, implementation].join(' '),
  );
  const expected = ['aes256gcm16', 'aes256-sha256'].flatMap(suite =>
    [64, 576].flatMap(bytes =>
      ['seal', 'open'].flatMap(operation =>
        ['wasm', 'node', 'noble'].map(name => `${suite} ${operation} ${bytes} ${name}`),
      ),
    ),
  );
  assert.equal(seen, expected);
  for (const { microseconds } of json.results) assert.ok(microseconds > 0);
  assert.equal(json.skipped, []);
  for (const line of drawBenchmark(benchmark, false)) assert.ok(line.length <= WIDTH, line);
});

test('it ends when it is told to', async () => {
  const controller = new AbortController();
  controller.abort('SIGINT');
  let reason: unknown;
  await benchCrypto(context(controller.signal), { suites: [] }).catch(error => {
    reason = error;
  });
  assert.is(reason, 'SIGINT');
});

test('the figure of openssl speed is read', () => {
  const output =
    'version: 3.0.17\nThe numbers are in 1000s of bytes per second processed.\n' +
    'type                  1400 bytes\nChaCha20-Poly1305  1724800.00k\n';
  assert.is(parseSpeed(output), 1400 / 1724.8);
  assert.is(parseSpeed('speed: Unknown algorithm\n'), undefined);
});

test.run();
