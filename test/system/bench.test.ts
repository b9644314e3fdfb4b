import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { runCommand } from '../../src/lab/command.js';
import { PROGRAM, systemTests } from './support.js';

const test = systemTests({ obstacle: undefined });
const TIMEOUT_MS = 60_000;

const bench = (...args: string[]) => runCommand([...PROGRAM, 'bench', ...args], { timeoutMs: TIMEOUT_MS });

test('crypto --check compares every suite', async () => {
  const { status, stdout } = await bench('crypto', '--check');
  assert.is(status, 0, stdout);
  assert.equal(
    stdout.split('\n').map(line => line.split(':')[0]),
    ['chacha20poly1305', 'aes128gcm16', 'aes256gcm16', 'aes256-sha256', 'aes128-sha256']
      .map(suite => `equal  ${suite}`)
      .concat(''),
  );
});

test('crypto: one object on standard output, and a page', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'vpnr-bench-'));
  try {
    const report = join(folder, 'report.html');
    const args = ['--quick', '--json', '--suite', 'chacha20poly1305', '--report', report];
    const { status, stdout, stderr } = await bench('crypto', ...args);
    assert.is(status, 0, stdout + stderr);
    assert.is(stderr, '');
    const { results } = JSON.parse(stdout);
    assert.ok(results.length >= 24);
    assert.match(readFileSync(report, 'utf8'), /<svg .*<\/svg>/s);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

for (const [name, args] of [
  ['a suite that there is not', ['crypto', '--suite', 'rot13']],
  ['a report where none can be', ['crypto', '--report', '/nonexistent/report.html']],
] as const) {
  test(`${name} is refused at once`, async () => {
    const { status, stdout, stderr } = await bench(...args);
    assert.is(status, 2);
    assert.is(stdout, '');
    assert.match(stderr, /^error USAGE: .+\n {2}.+\n$/);
    const { stdout: json } = await bench(...args, '--json');
    assert.is(JSON.parse(json).code, 'USAGE');
  });
}

test.run();
