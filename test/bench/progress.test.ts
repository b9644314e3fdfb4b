import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { progressOn } from '../../src/bench/progress.js';

function stream(isTTY: boolean) {
  const written: string[] = [];
  const write = (text: string) => written.push(text) > 0;
  return { written, stream: { isTTY, columns: 40, write } as Parameters<typeof progressOn>[0] };
}

test('a terminal has one line, written anew ten times a second at most, and cleared at the end', () => {
  const { written, stream: out } = stream(true);
  let now = 0;
  const progress = progressOn(out, { json: true, now: () => now });
  progress.step('first', 0, 4);
  now = 50;
  progress.step('too soon', 1, 4);
  now = 100;
  progress.step('a text that is longer than the line', 2, 4);
  progress.end();
  assert.equal(written, [
    `\r${'░'.repeat(24)} first\x1b[K`,
    `\r${'█'.repeat(12)}${'░'.repeat(12)} a text that is\x1b[K`,
    '\r\x1b[K',
  ]);
});

test('elsewhere, and on a terminal that is dumb, every new text has a line, beside JSON none', () => {
  const { written, stream: out } = stream(true);
  const progress = progressOn(out, { json: false, term: 'dumb' });
  for (const text of ['one', 'one', 'two']) progress.step(text, 0, 2);
  progress.end();
  assert.equal(written, ['one\n', 'two\n']);
  const quiet = stream(false);
  progressOn(quiet.stream, { json: true }).step('one', 0, 2);
  assert.equal(quiet.written, []);
});

test.run();
