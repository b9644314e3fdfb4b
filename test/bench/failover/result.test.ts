import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { summary, typical } from '../../../src/bench/failover/result.js';
import { run } from './example.js';

const WHAT = { mode: 'replay', fault: 'kill', gateways: 'vpnr', relay: 'clear' } as const;

test('the figures of all runs are summed up', () => {
  const runs = [
    run({ detectMs: 80, pauseMs: 100.04, lost: 0 }),
    run({ detectMs: 60, pauseMs: 140, lost: 4, falseAlarms: 1 }),
    run({ detectMs: 90, pauseMs: 120, lost: 1, falseAlarms: 2 }),
  ];
  const { detectMs, pauseMs, lost, falseAlarms, survived, problems, ...rest } = summary(WHAT, runs);
  assert.equal(detectMs, { min: 60, median: 80, max: 90 });
  assert.equal(pauseMs, { min: 100, median: 120, max: 140 });
  assert.equal(lost, { min: 0, median: 1, max: 4 });
  assert.is(falseAlarms, 3);
  assert.is(survived, 3);
  assert.equal(problems, []);
  assert.is(rest.runs, 3);
  assert.not.ok('samples' in rest, 'no time series for programs');
});

test('the pause of a planned move stands beside what is usual', () => {
  const runs = [3, 9, 5].map(usualPauseMs => run({ pauseMs: usualPauseMs + 1, usualPauseMs }));
  const { pauseMs, usualPauseMs } = summary({ ...WHAT, fault: 'switch' }, runs);
  assert.equal([pauseMs?.median, usualPauseMs], [6, { min: 3, median: 5, max: 9 }]);
  assert.is(summary(WHAT, [run()]).usualPauseMs, null);
});

test('a run that came to nothing counts as not survived, and for no figure', () => {
  const failed = run({
    survived: false,
    detectMs: null,
    pauseMs: null,
    lost: null,
    samples: [],
    problem: 'it broke',
  });
  const { runs, survived, detectMs, pauseMs, lost, problems } = summary(WHAT, [
    failed,
    run({ lost: 2 }),
    failed,
  ]);
  assert.equal([runs, survived], [3, 1]);
  assert.equal(lost, { min: 2, median: 2, max: 2 });
  assert.equal([detectMs?.median, pauseMs?.median], [70, 110]);
  assert.equal(problems, ['it broke']);
  assert.equal(summary(WHAT, [failed]).pauseMs, null);
});

test('the typical run is the one with the median pause that can be drawn', () => {
  const runs = [300, 100, null, 200].map(pauseMs => run({ pauseMs }));
  assert.is(typical(runs)?.pauseMs, 200);
  assert.is(typical([run({ pauseMs: 1, samples: [] }), run({ pauseMs: 2 })])?.pauseMs, 2);
  assert.is(typical([]), undefined);
});

test.run();
