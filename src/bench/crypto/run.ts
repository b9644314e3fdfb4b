/**
 * `vpnr bench crypto`:
 *   1. all implementations of a suite seal and open the same packets; the results must be equal, to the byte
 *   2. they do it in turn, again and again, so that what else the machine does slows all of them; the median round counts
 */
import { type BenchContext, breathe } from '../context.js';
import { thisMachine } from '../machine.js';
import type { Outcome, Skipped } from '../model.js';
import { median, rounded } from '../statistics.js';
import type { Operation } from './implementation.js';
import { hasOpensslCipher, OPENSSL_BYTES, opensslObstacle, opensslSpeed } from './openssl.js';
import { CRYPTO_SUITES, type CryptoSuite, makeKeys } from './packets.js';
import { type CryptoJson, type CryptoResult, describeCrypto } from './report.js';
import { type Effort, Trial } from './trial.js';
import { Wasm } from './wasm.js';

export const SIZES = [64, 576, 1400, 9000];
/** Around the sizes of blocks and of groups of blocks, too. */
const CHECKED_SIZES = [
  20, 31, 63, 64, 65, 127, 128, 129, 255, 256, 257, 511, 513, 576, 1399, 1400, 1401, 8999, 9000,
];
const FULL: Effort = { rounds: 15, ms: 360 };
const QUICK: Effort = { rounds: 5, ms: 60 };
const OPENSSL_ROUNDS = 3;

export interface CryptoOptions {
  /** All when empty. */
  suites: readonly CryptoSuite[];
  sizes?: readonly number[];
}

/** Throws INTERNAL when two implementations differ. */
export async function benchCrypto(
  context: BenchContext,
  options: CryptoOptions,
): Promise<Outcome<CryptoJson>> {
  const machine = thisMachine();
  const suites = chosen(options);
  const sizes = options.sizes ?? SIZES;
  const effort = context.quick ? QUICK : FULL;
  const wasm = new Wasm();
  const skipped: Skipped[] = [];
  const results: CryptoResult[] = [];
  const total = suites.length * sizes.length * 2;
  for (const suite of suites) {
    for (const bytes of sizes) {
      const trial = new Trial(wasm, makeKeys(suite), bytes);
      trial.check();
      for (const operation of ['seal', 'open'] as const) {
        context.progress.step(`${suite}, ${bytes} bytes, ${operation}`, results.length / 3, total);
        await breathe(context);
        const times = trial.measure(operation, effort);
        results.push(...entries({ suite, operation, bytes }, times));
      }
      if (bytes !== OPENSSL_BYTES || !hasOpensslCipher(suite)) continue;
      context.progress.step(`${suite} in openssl speed`, results.length / 3, total);
      const microseconds = await opensslMedian(context, suite);
      if (typeof microseconds === 'string')
        skipped.push({ what: `openssl speed, ${suite}`, why: microseconds });
      else results.push(...entries({ suite, operation: 'seal', bytes }, { openssl: microseconds }));
    }
  }
  const json = { results, skipped };
  return { benchmark: describeCrypto(json, machine), json };
}

/** As `vpnr bench crypto --check`: compares only, at more sizes. Throws INTERNAL when two implementations differ. */
export async function checkCrypto(
  context: BenchContext,
  options: CryptoOptions,
): Promise<{ equal: true; suites: CryptoSuite[]; sizes: number[] }> {
  const suites = chosen(options);
  const wasm = new Wasm();
  for (const [index, suite] of suites.entries()) {
    context.progress.step(`comparing ${suite}`, index, suites.length);
    for (const bytes of CHECKED_SIZES) {
      await breathe(context);
      new Trial(wasm, makeKeys(suite), bytes).check();
    }
  }
  return { equal: true, suites: [...suites], sizes: CHECKED_SIZES };
}

const chosen = ({ suites }: CryptoOptions) => (suites.length === 0 ? CRYPTO_SUITES : suites);

function entries(
  what: { suite: CryptoSuite; operation: Operation; bytes: number },
  times: Record<string, number>,
): CryptoResult[] {
  return Object.entries(times).map(([implementation, microseconds]) => ({
    ...what,
    implementation: implementation as CryptoResult['implementation'],
    microseconds: rounded(microseconds, 4),
  }));
}

/** Microseconds, or why there are none. */
async function opensslMedian(context: BenchContext, suite: CryptoSuite): Promise<number | string> {
  const obstacle = opensslObstacle();
  if (obstacle !== undefined) return obstacle;
  const times: number[] = [];
  for (let round = 0; round < (context.quick ? 1 : OPENSSL_ROUNDS); round++) {
    times.push(...[await opensslSpeed(suite)].filter(time => time !== undefined));
    context.signal.throwIfAborted();
  }
  return times.length === 0 ? 'openssl has no figure for it' : median(times);
}
