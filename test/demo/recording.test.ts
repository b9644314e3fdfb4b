import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Recording } from '../../src/demo/recording.js';

/** 1,000 bytes a millisecond (8 Mbit/s) from 100 ms on, nothing from 200 to 300 ms. */
function example(): Recording {
  const recording = new Recording();
  recording.carries(50, 'tokyo');
  for (const [ms, bytes] of [
    [100, 0],
    [150, 50_000],
    [200, 100_000],
    [300, 100_000],
    [400, 200_000],
  ] as const)
    recording.sample(ms, bytes);
  recording.carries(210, undefined);
  recording.carries(290, 'yokohama');
  return recording;
}

test('rates are those of the intervals, also between samples', () => {
  assert.equal(example().rates(100, 400, 6), [8, 8, 0, 0, 8, 8]);
  assert.equal(example().rates(125, 175, 1), [8]);
  assert.equal(example().rates(150, 250, 1), [4]);
});

test('outside of what was sampled nothing is known', () => {
  assert.equal(example().rates(0, 200, 2), [undefined, 8]);
  assert.equal(example().rates(300, 500, 2), [8, undefined]);
  assert.equal(new Recording().rates(0, 100, 1), [undefined]);
});

test('it knows who carried the traffic, and how much', () => {
  const recording = example();
  assert.is(recording.carrierAt(20), undefined);
  assert.is(recording.carrierAt(50), 'tokyo');
  assert.is(recording.carrierAt(250), undefined);
  assert.is(recording.carrierAt(1000), 'yokohama');
  assert.is(recording.carriedBy('tokyo'), 100_000);
  assert.is(recording.carriedBy('yokohama'), 100_000);
  assert.is(recording.carriedBy('fukuoka'), 0);
});

test('a recording without samples has carried nothing', () => {
  const recording = new Recording();
  recording.carries(5, 'tokyo');
  assert.is(recording.carriedBy('tokyo'), 0);
  assert.is(recording.bytes, 0);
  assert.is(recording.from, undefined);
});

test.run();
