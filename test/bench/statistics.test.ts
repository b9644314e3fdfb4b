import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Goal, verdictOf } from '../../src/bench/model.js';
import { median, ratio, rounded, spread } from '../../src/bench/statistics.js';

test('the median is the middle one, or the mean of both', () => {
  assert.is(median([7]), 7);
  assert.is(median([10, 9, 1]), 9);
  assert.is(median([4, 1, 100, 2]), 3);
  assert.throws(() => median([]), RangeError);
});

test('the list is left as it was', () => {
  const values = [3, 1, 2];
  assert.equal(spread(values), { median: 2, min: 1, max: 3 });
  assert.equal(values, [3, 1, 2]);
});

test('there is no ratio without both figures', () => {
  assert.is(ratio(6, 2), 3);
  assert.is(ratio(null, 2), null);
  assert.is(ratio(6, undefined), null);
  assert.is(ratio(6, 0), null);
});

test('figures for JSON have no more decimals than they mean', () => {
  assert.is(rounded(1.23456), 1.235);
  assert.is(rounded(1234.56, 0), 1235);
});

test('a goal is reached from its mark on, in its direction', () => {
  const goal = { name: '', unit: ' x' };
  const more: Goal = { ...goal, value: 4, better: 'more', least: 3.5, aim: 4.5 };
  const less: Goal = { ...goal, value: 1.1, better: 'less', least: 1.15, aim: 1.05 };
  const verdicts = (goals: Goal, values: (number | null)[]) =>
    values.map(value => verdictOf({ ...goals, value }));
  assert.equal(verdicts(more, [3.4, 3.5, 4.5, null]), ['missed', 'reached', 'aim reached', 'not measured']);
  assert.equal(verdicts(less, [1.16, 1.15, 1.05, null]), [
    'missed',
    'reached',
    'aim reached',
    'not measured',
  ]);
});

test.run();
