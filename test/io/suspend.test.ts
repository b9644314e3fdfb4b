import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { asleepMs, SuspendDetector } from '../../src/io/suspend.js';

test('a sleep is told once, and what is no sleep not at all', () => {
  let asleep = 5000;
  const detector = new SuspendDetector(() => asleep);
  assert.is(detector.check(), 0);
  asleep += 3;
  assert.is(detector.check(), 0);
  asleep += 60_000;
  assert.is(detector.check(), 60_003);
  assert.is(detector.check(), 0);
  asleep += 499;
  assert.is(detector.check(), 0);
  asleep += 1;
  assert.is(detector.check(), 500, 'short sleeps add up');
});

test('the clocks of this machine', () => {
  assert.ok(asleepMs() > -1);
  assert.is(new SuspendDetector().check(), 0);
});

test.run();
