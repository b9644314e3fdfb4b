import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { TunnelJson } from '../../src/bench/tunnel/result.js';
import { labObstacle, until } from '../../src/lab/index.js';
import { labFolders, leftNothing, type Run, withCommand } from './run.js';
import { figures, systemTests } from './support.js';

const test = systemTests({ obstacle: labObstacle(['iperf3', 'ping']) });
const READY_MS = 90_000;

const withBench = (
  args: readonly string[],
  body: (run: Run) => Promise<void>,
  options: Parameters<typeof withCommand>[2] = {},
) => withCommand(['bench', 'tunnel', ...args], body, options);

test('vpnr is measured beside the bare wire, as JSON and as a page', () =>
  withBench(
    ['--quick', '--systems', 'veth,vpnr', '--tests', 'ping,tcp-up', '--json', '--report', 'tunnel.html'],
    async run => {
      assert.is(await run.ended, 0, run.output() + run.errors());
      const { results, skipped } = JSON.parse(run.output()) as TunnelJson;
      assert.equal(skipped, []);
      assert.equal(
        results.map(({ system, test: name, unit }) => [system, name, unit]),
        [
          ['vpnr', 'tcp-up', 'Mbit/s'],
          ['vpnr', 'ping', 'ms'],
          ['veth', 'tcp-up', 'Mbit/s'],
          ['veth', 'ping', 'ms'],
        ],
      );
      for (const { median, min, max, system, cpuSecondsPerGB, peakMemoryMB } of results) {
        assert.ok(min > 0 && min <= median && median <= max);
        assert.is(cpuSecondsPerGB > 0, system === 'vpnr', 'only a program costs something');
        assert.is(peakMemoryMB > 0, system === 'vpnr');
      }
      const [stream, ping] = results;
      figures(
        `vpnr, one round: ${stream?.median} Mbit/s, ping ${ping?.median} ms, ${stream?.peakMemoryMB} MB`,
      );
      const page = join(run.folder, 'tunnel.html');
      assert.match(readFileSync(page, 'utf8'), /<svg .*<\/svg>/s);
      rmSync(page);
      await leftNothing(run, []);
    },
  ));

test('Ctrl-C in the middle of a stream leaves nothing', () =>
  withBench(['--systems', 'vpnr', '--tests', 'tcp-up', '--seconds', '60'], async run => {
    await until('a stream', READY_MS, () => run.errors().includes('round 1') || undefined);
    const labs = labFolders(run.folder);
    assert.is(labs.length, 1);
    run.child.kill('SIGINT');
    assert.is(await run.ended, 130, run.output() + run.errors());
    assert.match(run.errors(), 'interrupted');
    await leftNothing(run, labs);
  }));

for (const [what, args, message] of [
  ['a system', ['--systems', 'vpnr,ppp'], 'there is no system "ppp"'],
  ['a test', ['--tests', 'tcp'], 'there is no test "tcp"'],
  ['a number of rounds', ['--rounds', '0'], /--rounds/],
] as const) {
  test(`${what} that cannot be is refused at once`, () =>
    withBench([...args, '--json'], async run => {
      assert.is(await run.ended, 2, run.output());
      const error = JSON.parse(run.output()) as { code: string; message: string };
      assert.is(error.code, 'USAGE');
      assert.match(error.message, message);
      await leftNothing(run, []);
    }));
}

test('without iperf3 it says so', () =>
  withBench(
    ['--json'],
    async run => {
      assert.is(await run.ended, 4, run.output());
      const error = JSON.parse(run.output()) as { code: string; message: string };
      assert.is(error.code, 'MISSING_PROGRAM');
      assert.match(error.message, /not installed: iperf3/);
      await leftNothing(run, []);
    },
    { env: { PATH: '/nonexistent' } },
  ));

test.run();
