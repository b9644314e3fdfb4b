import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { FaultName } from '../../../src/bench/failover/faults.js';
import type { LayerResult } from '../../../src/bench/failover/layers.js';
import { describeFailover } from '../../../src/bench/failover/report.js';
import { type FailoverJson, summary } from '../../../src/bench/failover/result.js';
import type { RunResult } from '../../../src/bench/failover/trial.js';
import { type Benchmark, verdictOf } from '../../../src/bench/model.js';
import { benchmarkPage } from '../../../src/bench/page.js';
import { drawBenchmark } from '../../../src/bench/text.js';
import type { FailoverMode } from '../../../src/failover/actions.js';
import { run } from './example.js';

const MACHINE = { cpu: 'Some CPU', cores: 2, memoryGB: 24, system: 'Linux 6.1', node: '20.19.0', load: 0 };
const OPTIONS = { runs: 1, relayMode: 'clear' };

type Measured = readonly [FailoverMode, FaultName, Partial<RunResult>];

function describe(measured: readonly Measured[], figures: readonly LayerResult[] = []): Benchmark {
  const what = measured.map(([mode, fault]) => ({ mode, fault, gateways: 'vpnr' as const }));
  const runs = measured.map(([, , changes]) => run(changes));
  const json: FailoverJson = {
    results: what.map((each, i) => summary({ ...each, relay: 'clear' }, runs.slice(i, i + 1))),
    costs: [],
    figures: [...figures],
    skipped: [],
  };
  const downloads = what.map((each, i) => ({ ...each, samples: runs[i]?.samples ?? [] }));
  return describeFailover(json, downloads, MACHINE, OPTIONS);
}

test('every fault has a plot with a line for each mode, beside the pause of the paper', () => {
  const { sections } = describe([
    ['standby', 'kill', {}],
    ['replay', 'kill', {}],
    ['replay', 'freeze', {}],
  ]);
  assert.equal(
    sections.map(({ plots }) => plots?.map(({ lines }) => lines.map(({ label }) => label))),
    [[['standby', 'replay']], [['replay']]],
  );
  const plot = sections[0]?.plots?.[0];
  assert.equal(plot?.span, { label: 'the paper', from: 0, to: 3900 });
  const values = plot?.lines[0]?.values ?? [];
  // A hundred milliseconds each, from half a second before the fault on.
  assert.is(values.length, 50);
  assert.equal(
    values.slice(4, 8).map(value => value && Math.round(value)),
    [48, 0, 48, 48],
  );
  assert.equal(
    values.slice(11),
    Array.from({ length: 39 }, () => null),
  );
});

test('what came to nothing has no line, and says why', () => {
  const nothing = { survived: false, pauseMs: null, samples: [], problem: 'the gateway did not come up' };
  const { sections, notes } = describe([['standby', 'kill', nothing]]);
  assert.equal(sections[0]?.plots, []);
  assert.equal(sections[0]?.table?.rows[0]?.slice(0, 2), ['standby', '0 of 1']);
  assert.ok(notes.includes('standby, kill: the gateway did not come up'));
});

test('goals take the worst of the deaths, and planned moves on their own', () => {
  const { goals } = describe([
    ['replay', 'kill', { pauseMs: 90 }],
    ['replay', 'leased-line', { pauseMs: 130 }],
    ['replay', 'loss-30', { pauseMs: 900 }],
    ['replay', 'drain', { pauseMs: 5, detectMs: null }],
    ['replay', 'switch', { pauseMs: 30, detectMs: null, lost: 7 }],
  ]);
  assert.equal(
    goals.map(goal => [goal.name, goal.value, verdictOf(goal)]),
    [
      ['vpnr, replay: connections ended', 0, 'aim reached'],
      ['vpnr, replay: detected after', 70, 'aim reached'],
      ['vpnr, replay: TCP paused', 130, 'reached'],
      ['vpnr, replay: packets lost', 0, 'aim reached'],
      ['vpnr, replay, drain and switch: TCP paused', 30, 'missed'],
      ['vpnr, replay, drain and switch: packets lost', 7, 'missed'],
    ],
  );
});

test('each mode has its marks; what was not measured is said', () => {
  const { goals } = describe([
    ['cold', 'freeze', { pauseMs: 700 }],
    ['duplicate', 'switch', { pauseMs: 3 }],
  ]);
  const verdicts = Object.fromEntries(goals.map(goal => [goal.name, verdictOf(goal)]));
  assert.is(verdicts['vpnr, cold: TCP paused'], 'reached');
  assert.is(verdicts['vpnr, cold, drain and switch: TCP paused'], 'not measured');
  assert.is(verdicts['vpnr, duplicate: packets lost'], 'not measured');
  assert.is(verdicts['vpnr, duplicate, drain and switch: TCP paused'], 'aim reached');
});

const FIGURES: LayerResult[] = [
  { city: 'tokyo', gateways: 'vpnr', layer: 'none', roundTripMs: 13, mbits: 94 },
  { city: 'tokyo', gateways: 'vpnr', layer: 'vpnr', roundTripMs: 13.25, mbits: 47 },
];

test('round trip and throughput stand beside those of the paper', () => {
  const { sections } = describe([], FIGURES);
  const [section] = sections;
  assert.equal(
    section?.charts.map(({ title, unit }) => `${title}, ${unit}`),
    ['Round trip, tokyo, ms', 'Throughput of TCP, tokyo, Mbit/s'],
  );
  assert.equal(
    section?.charts[0]?.bars.map(({ value }) => value),
    [13, 13.25, null, 13.18, 13.46, 13.71],
  );
  const rows = section?.table?.rows ?? [];
  assert.equal(rows[1], ['tokyo', 'vpnr', 13.25, 0.25, 47, 50]);
  assert.is(rows.length, 5);
  assert.is(rows[2]?.[3], null, 'the first of the paper is what its others are compared with');
});

test('both renderers draw all of it', () => {
  const benchmark = describe([['replay', 'kill', {}]], FIGURES);
  assert.match(benchmarkPage(benchmark), '<path class="line"');
  const lines = drawBenchmark(benchmark, false);
  assert.match(lines.find(line => line.startsWith('  replay ')) ?? '', / █{5} █{5}$/);
});

test.run();
