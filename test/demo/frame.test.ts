import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { drawFrame } from '../../src/demo/frame.js';
import { painter } from '../../src/demo/paint.js';
import { Recording } from '../../src/demo/recording.js';
import { lineView } from '../../src/demo/screen.js';
import { plotRows, scaleFor } from '../../src/report/plot.js';

const ESCAPE = '\x1b';

/** Ten seconds at 80 Mbit/s; tokyo fails at 4 s, yokohama takes over at 5 s. */
function example(): Recording {
  const recording = new Recording();
  recording.moments.push({ ms: 0, text: 'building', kind: 'preparation' });
  recording.carries(0, 'tokyo');
  for (let ms = 0, bytes = 0; ms <= 10_000; ms += 50) {
    recording.sample(ms, bytes);
    if (ms < 4000 || ms >= 5000) bytes += 500_000;
  }
  recording.moments.push({ ms: 4000, text: 'tokyo was killed (SIGKILL)', kind: 'fault' });
  recording.carries(4000, undefined);
  recording.moments.push({ ms: 5000, text: 'switched', kind: 'recovery' });
  recording.carries(5000, 'yokohama');
  return recording;
}

test('columns are as high as their rates, to the eighth of a line', () => {
  assert.equal(plotRows([0, 25, 50, 75, 100, undefined], 2, 100), ['   ▄█ ', ' ▄███ ']);
  assert.equal(plotRows([6.25, 56.25], 2, 100), [' ▁', '▁█']);
});

test('the least that is more than nothing can be seen', () => {
  assert.equal(plotRows([0.001, 0], 3, 100), ['  ', '  ', '▁ ']);
});

test('a scale holds its value', () => {
  for (const value of [0, 1, 9.9, 10, 10.1, 88, 100, 101, 1234, 99_999]) {
    assert.ok(scaleFor(value) >= value, `${value}`);
    assert.ok(value < 1 || scaleFor(value) <= value * 2.01, `${value}: ${scaleFor(value)}`);
  }
});

test('a frame shows plot, carriers, gateways and events', () => {
  const lines = drawFrame(example(), 'title', { columns: 111, rows: 30 }, painter(false));
  assert.is(lines[0], 'title');
  assert.ok(lines.every(line => !line.includes(ESCAPE)));
  const text = lines.join('\n');
  assert.match(text, /100 ┤/);
  assert.match(text, /tokyo ━{30,}×{10} yokohama ━{30,}/);
  assert.match(text, /✖ tokyo .* failed/);
  assert.match(text, /● yokohama .* carries the traffic/);
  assert.match(text, /○ fukuoka +32.0 ms +0.0 MB +spare/);
  assert.match(text, /4.000 s {2}tokyo was killed/);
});

test('a frame fits the terminal', () => {
  for (const [columns, rows] of [
    [80, 23],
    [40, 20],
    [200, 60],
  ] as const) {
    const lines = drawFrame(example(), 'title', { columns, rows }, painter(false));
    assert.ok(lines.length <= rows, `${lines.length} lines of ${rows}`);
    for (const line of lines) assert.ok(line.length <= columns, `${columns}: ${line}`);
  }
});

test('colours go around the text and are closed', () => {
  const lines = drawFrame(example(), 'title', { columns: 80, rows: 24 }, painter(true));
  const codes = lines.join('').match(new RegExp(`${ESCAPE}\\[[\\d;]*m`, 'g')) ?? [];
  assert.ok(codes.length > 0);
  codes.forEach((code, index) => {
    assert.is(code === `${ESCAPE}[0m`, index % 2 === 1);
  });
});

test('nothing recorded makes a frame, too', () => {
  assert.ok(drawFrame(new Recording(), 'title', { columns: 80, rows: 24 }, painter(false)).length > 0);
});

test('lines tell each event once, and the throughput once a second', () => {
  const lines: string[] = [];
  const view = lineView(line => lines.push(line));
  const recording = new Recording();
  recording.moments.push({ ms: 0, text: 'building', kind: 'preparation' });
  for (let ms = 0; ms <= 3000; ms += 100) {
    recording.sample(ms, ms * 1000);
    view.show(recording);
  }
  view.end();
  assert.is(lines.filter(line => line.includes('building')).length, 1);
  assert.is(lines.filter(line => line.includes('8 Mbit/s in the last second')).length, 3);
});

test.run();
