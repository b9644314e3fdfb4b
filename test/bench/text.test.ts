import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { figure } from '../../src/bench/figure.js';
import { drawBar, drawBenchmark, WIDTH } from '../../src/bench/text.js';
import { EXAMPLE } from './example.js';

test('figures have three digits that count, or their whole part', () => {
  assert.equal(
    [0, 0.01234, 0.1, 0.9996, 1.2345, 12.345, 123.45, 1234.5, -2.5].map(value => figure(value)),
    ['0.00', '0.0123', '0.100', '1.00', '1.23', '12.3', '123', '1,235', '-2.50'],
  );
  assert.is(figure(1.2345, 1), '1.2');
});

test('bars are as long as their values, to the eighth of a cell', () => {
  assert.equal(
    [0, 0.25, 0.5, 1].map(part => drawBar(part, 2)),
    ['', '▌', '█', '██'],
  );
  assert.is(drawBar(0.0001, 10), '▏');
});

test('all is there, in 80 columns, without colours', () => {
  const lines = drawBenchmark(EXAMPLE, false);
  const text = lines.join('\n');
  for (const line of lines) assert.ok(line.length <= WIDTH, `${line.length}: ${line}`);
  assert.not.match(text, '\x1b');
  for (const part of [
    'vpnr bench example',
    'Some CPU, 2 cores, 24 GB, Linux 6.1, Node 20.19.0, load 0.3',
    'One TCP stream <up>',
    'throughput, Mbit/s (more is better)',
    'Skipped',
    '  strongswan: not installed',
    'A note.',
  ]) {
    assert.ok(lines.includes(part), part);
  }
});

test('bars tell their figures, and how many times ours the others are', () => {
  const lines = drawBenchmark(EXAMPLE, false);
  const bar = (label: string) => lines.find(line => line.startsWith(`  ${label} `)) ?? '';
  assert.match(bar('vpnr'), /[█-▏] +2,700$/);
  assert.match(bar('openvpn & co'), /[█-▏] +900 \(0\.333 x\)$/);
  assert.match(bar('veth'), /█ 13,100 \(4\.85 x\)$/);
  assert.match(bar('strongswan'), /^ {2}strongswan +-$/);
});

test('plots are rows of blocks above their seconds', () => {
  const lines = drawBenchmark(EXAMPLE, false);
  const first = lines.indexOf('Throughput around the failure, 0 to 50 Mbit/s');
  assert.equal(lines.slice(first + 1, first + 5), [
    '  cold   ▆▆  ▆',
    '  a < b   █████ █',
    '         ┴-1 s───',
    '  before   ×××××',
  ]);
});

test('figures of a table stand below each other', () => {
  const lines = drawBenchmark(EXAMPLE, false);
  const first = lines.indexOf('system      Mbit/s   ratio');
  assert.equal(lines.slice(first + 1, first + 4), [
    'vpnr         2,700  1.00 x',
    'openvpn        900  0.33 x',
    'strongswan       -       -',
  ]);
});

test('goals say whether they were reached', () => {
  const lines = drawBenchmark(EXAMPLE, false);
  const goal = (name: string) => lines.find(line => line.startsWith(name)) ?? '';
  assert.match(goal('against OpenVPN'), /3\.00 x +3\.5 x +4\.5 x +missed$/);
  assert.match(goal('ping added'), /0\.0800 ms +0\.15 ms +0\.1 ms +aim reached$/);
  assert.match(goal('against strongSwan'), /- +6 x +8 x +not measured$/);
});

test('colours change nothing but colours', () => {
  const coloured = drawBenchmark(EXAMPLE, true).join('\n');
  assert.match(coloured, '\x1b[32m');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what colours are made of
  assert.is(coloured.replace(/\x1b\[[\d;]*m/g, ''), drawBenchmark(EXAMPLE, false).join('\n'));
});

test.run();
