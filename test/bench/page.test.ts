import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { benchmarkPage } from '../../src/bench/page.js';
import { EXAMPLE } from './example.js';

const page = benchmarkPage(EXAMPLE);

test('the page stands alone', () => {
  assert.match(page, /^<!doctype html>/);
  assert.match(page, 'color-scheme: light dark');
  assert.not.match(page, /<script|<link|<img|https?:|url\(|@import/);
});

test('all of its tags are closed', () => {
  for (const tag of ['table', 'tr', 'svg', 'figure', 'text', 'ul', 'li', 'p', 'h2']) {
    const count = (pattern: string) => page.match(new RegExp(pattern, 'g'))?.length ?? 0;
    assert.is(count(`<${tag}[ >]`), count(`</${tag}>`), tag);
  }
});

test('texts are escaped', () => {
  assert.match(page, '<h2>One TCP stream &lt;up&gt;</h2>');
  assert.match(page, 'openvpn &amp; co');
  assert.not.match(page, '<up>');
});

test('bars are in proportion, with their spread', () => {
  const widths = [...page.matchAll(/<rect class="(ours|peer|limit)" [^>]*width="([\d.]+)"/g)];
  assert.equal(
    widths.map(([, kind]) => kind),
    ['ours', 'peer', 'limit'],
  );
  const [ours = 0, peer = 0] = widths.map(([, , width]) => Number(width));
  assert.ok(Math.abs(ours / peer - 3) < 0.01, `${ours} and ${peer}`);
  assert.is(page.match(/<line class="spread"/g)?.length, 1);
});

test('plots have a line for each, which is interrupted where nothing is known', () => {
  const paths = [...page.matchAll(/<path class="line" [^>]*d="([^"]*)"/g)].map(([, path = '']) => path);
  assert.equal(
    paths.map(path => path.replace(/[\d. ]/g, '')),
    ['MLLLL', 'MLLLLM'],
  );
  assert.match(page, '>a &lt; b</text>');
  assert.match(page, '>before</text>');
  const seconds = [...page.matchAll(/>(-?\d+) s<\/text>/g)].map(([, second]) => Number(second));
  assert.equal(seconds, [-1, 0, 1, 2, 3]);
});

test('figures, goals and what was skipped are there', () => {
  assert.match(page, '<td>openvpn</td><td class="figure">900</td><td class="figure">0.33 x</td>');
  assert.match(page, '<td class="missed">missed</td>');
  assert.match(page, '<li>strongswan: not installed</li>');
  assert.match(page, '>900 (0.333 x)</text>');
});

test.run();
