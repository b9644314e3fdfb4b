import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { runCommand } from '../../src/lab/command.js';
import { labObstacle } from '../../src/lab/index.js';
import { figures, PROGRAM, systemTests } from './support.js';

const test = systemTests({ obstacle: undefined });
const TIMEOUT_MS = 120_000;

const bench = (args: readonly string[], env: Record<string, string> = {}) =>
  runCommand([...PROGRAM, 'bench', ...args], { timeoutMs: TIMEOUT_MS, env });

test('crypto --check compares every suite', async () => {
  const { status, stdout } = await bench(['crypto', '--check']);
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
    const { status, stdout, stderr } = await bench(['crypto', ...args]);
    assert.is(status, 0, stdout + stderr);
    assert.is(stderr, '');
    const { results } = JSON.parse(stdout);
    assert.ok(results.length >= 24);
    assert.match(readFileSync(report, 'utf8'), /<svg .*<\/svg>/s);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test(
  'relay: its core, and what it adds to a connection',
  async () => {
    const { status, stdout, stderr } = await bench(['relay', '--quick', '--json']);
    assert.is(status, 0, stdout + stderr);
    const { core, whole, added, skipped } = JSON.parse(stdout);
    assert.is(core.length, 12);
    assert.is(whole.length, 12);
    assert.equal(skipped, []);
    assert.equal(
      added.map(({ test, relay, unit }: Record<string, unknown>) => `${test} ${relay} ${unit}`),
      ['tcp-up', 'tcp-down', 'ping'].flatMap(name =>
        [false, true].map(relay => `${name} ${relay} ${name === 'ping' ? 'ms' : 'Mbit/s'}`),
      ),
    );
    for (const { median, min, max } of added) assert.ok(0 < min && min <= median && median <= max);
    figures(
      `with the relay ${added.map(({ median, unit }: Record<string, unknown>) => `${median} ${unit}`)}`,
    );
  },
  labObstacle(['iperf3', 'ping', 'openssl']),
);

test('relay: says what it skipped, and why', async () => {
  const { status, stdout } = await bench(['relay', '--quick', '--json'], { PATH: '/nonexistent' });
  assert.is(status, 0, stdout);
  const { core, whole, added, skipped } = JSON.parse(stdout);
  assert.is(core.length, 12);
  assert.equal([whole, added], [[], []]);
  assert.match(skipped[0].why, /not (installed|root)/);
});

for (const [name, args] of [
  ['a suite that there is not', ['crypto', '--suite', 'rot13']],
  ['a report where none can be', ['crypto', '--report', '/nonexistent/report.html']],
] as const) {
  test(`${name} is refused at once`, async () => {
    const { status, stdout, stderr } = await bench(args);
    assert.is(status, 2);
    assert.is(stdout, '');
    assert.match(stderr, /^error USAGE: .+\n {2}.+\n$/);
    const { stdout: json } = await bench([...args, '--json']);
    assert.is(JSON.parse(json).code, 'USAGE');
  });
}

test.run();
