import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { BenchContext } from '../../src/bench/context.js';
import { unlessAborted } from '../../src/bench/context.js';
import { verdictOf } from '../../src/bench/model.js';
import { benchmarkPage } from '../../src/bench/page.js';
import { silence } from '../../src/bench/progress.js';
import { DIRECTIONS, RelayCore } from '../../src/bench/relay/core.js';
import { describeRelay, PAPER, type RelayJson } from '../../src/bench/relay/report.js';
import { measureCore } from '../../src/bench/relay/run.js';
import { drawBenchmark, WIDTH } from '../../src/bench/text.js';
import { EXAMPLE } from './example.js';

const context: BenchContext = { signal: new AbortController().signal, progress: silence, quick: true };

test('the core handles every packet, of few and of many sessions', () => {
  for (const sessions of [1, 65, 3000]) {
    const core = new RelayCore(sessions, 64);
    for (const direction of DIRECTIONS) {
      for (let batch = 0; batch < 50; batch++) assert.ok(core.batch(direction) > 0);
    }
  }
});

test('there is a figure for each direction, size and number of sessions', async () => {
  const results = await measureCore(context, [1, 10], { turns: 2, batches: 2 });
  assert.equal(
    results.map(({ direction, bytes, sessions }) => `${direction} ${bytes} ${sessions}`),
    [64, 1400].flatMap(bytes =>
      DIRECTIONS.flatMap(direction => [1, 10].map(sessions => `${direction} ${bytes} ${sessions}`)),
    ),
  );
  for (const { nanoseconds } of results) assert.ok(nanoseconds > 0);
});

const added = (test: 'tcp-up' | 'tcp-down' | 'ping', without: number, relayed: number): RelayJson['added'] =>
  [without, relayed].map((median, index) => {
    const unit = test === 'ping' ? 'ms' : 'Mbit/s';
    return { test, relay: index === 1, median, min: median, max: median, unit };
  });

const COSTS = [64, 1400].flatMap(bytes =>
  DIRECTIONS.flatMap(direction =>
    [1, 1000, 100_000].map((sessions, i) => ({ direction, bytes, sessions, nanoseconds: 100 + i })),
  ),
);

const JSON_OBJECT: RelayJson = {
  core: COSTS,
  whole: COSTS,
  added: [...added('tcp-up', 2000, 1970), ...added('tcp-down', 2000, 1800), ...added('ping', 0.1, 0.15)],
  paper: PAPER,
  skipped: [{ what: 'something', why: 'a reason' }],
};

test('it is shown in 80 columns, beside the paper', () => {
  const benchmark = describeRelay(JSON_OBJECT, EXAMPLE.machine);
  const lines = drawBenchmark(benchmark, false);
  for (const line of lines) assert.ok(line.length <= WIDTH, `${line.length}: ${line}`);
  const row = (start: string) => lines.find(line => line.startsWith(start) && /paper|\d %/.test(line));
  assert.match(row('TCP, client to server') ?? '', / -1\.5 % +3 to 16 % less$/);
  assert.match(
    lines.find(line => line.startsWith('round trip  ')) ?? '',
    /\+0\.050 ms +0\.23 to 0\.25 ms more$/,
  );
  assert.match(benchmarkPage(benchmark), '-10.0 %');
});

test('its goals are about the worst case', () => {
  const worse = COSTS.map((result, index) => (index === 2 ? { ...result, nanoseconds: 120 } : result));
  const { goals } = describeRelay({ ...JSON_OBJECT, core: worse }, EXAMPLE.machine);
  assert.is(goals[0]?.value, 1.02);
  assert.is(goals[1]?.value, 1.2);
  assert.equal(goals.map(verdictOf), ['aim reached', 'missed', 'aim reached', 'missed', 'reached']);
});

test('without a laboratory the rest is shown', () => {
  const lines = drawBenchmark(
    describeRelay({ ...JSON_OBJECT, whole: [], added: [] }, EXAMPLE.machine),
    false,
  );
  assert.ok(lines.includes('  something: a reason'));
  assert.not.ok(lines.some(line => line.includes('with relay')));
  assert.ok(lines.some(line => line.startsWith('packet in the relay') && line.endsWith('not measured')));
});

test('waiting ends when the benchmark does', async () => {
  const controller = new AbortController();
  assert.is(await unlessAborted(controller, Promise.resolve(7)), 7);
  const waiting = unlessAborted(controller, new Promise(() => {})).catch(reason => reason);
  controller.abort('SIGINT');
  assert.is(await waiting, 'SIGINT');
});

test.run();
