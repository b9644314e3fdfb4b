// When the worker tells the main thread that packets of applications move.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { TrafficReporter } from '../../src/dataplane/traffic.js';
import { TRAFFIC_SENT } from '../../src/packet/abi.js';

function reporter() {
  const bytes = new Uint8Array(TRAFFIC_SENT + 8);
  const counts = new Uint32Array(bytes.buffer, TRAFFIC_SENT, 2);
  const told: [number, number][] = [];
  const clock = { now: 1000 };
  const traffic = new TrafficReporter(
    { bytes },
    (sent, received) => told.push([sent, received]),
    () => clock.now,
  );
  return { traffic, counts, told, clock };
}

test('the first packet is told a turn after it was sent, the next ones every 50 ms', () => {
  const { traffic, counts, told, clock } = reporter();
  counts[0] = 1;
  traffic.look(false);
  assert.equal([told.length, traffic.waitMs], [0, 1]);
  counts[1] = 1;
  traffic.look(false);
  assert.equal(told, [[1, 1]]);
  for (let i = 0; i < 50; i++) {
    clock.now += 2;
    counts[0]++;
    traffic.look(false);
  }
  assert.equal(told, [
    [1, 1],
    [27, 1],
  ]);
});

test('what moved soon after a report is told when the interval is over, although nothing moves then', () => {
  const { traffic, counts, told, clock } = reporter();
  traffic.look(false);
  assert.is(traffic.waitMs, Number.POSITIVE_INFINITY);
  counts[0] = 1;
  traffic.look(true);
  clock.now += 10;
  counts[0] = 2;
  traffic.look(false);
  assert.is(traffic.waitMs, 40);
  clock.now += 40;
  traffic.look(false);
  traffic.look(false);
  assert.equal(told, [
    [1, 0],
    [2, 0],
  ]);
  traffic.look(false);
  assert.is(traffic.waitMs, Number.POSITIVE_INFINITY);
});

test('a turn that wakes the other thread anyway takes the report along', () => {
  const { traffic, counts, told, clock } = reporter();
  for (let i = 0; i < 4; i++) {
    clock.now += 25;
    counts[0] = (counts[0] ?? 0) + 10;
    traffic.look(false);
    traffic.look(true);
  }
  assert.equal(
    told.map(([sent]) => sent),
    [10, 20, 30, 40],
  );
});

test.run();
