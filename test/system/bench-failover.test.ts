import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { FailoverJson } from '../../src/bench/failover/result.js';
import { labObstacle, until } from '../../src/lab/index.js';
import { labFolders, leftNothing, type Run, withCommand } from './run.js';
import { figures, systemTests } from './support.js';

const test = systemTests({ obstacle: labObstacle(['ping', 'openssl', 'nft']) });
const READY_MS = 90_000;

const withBench = (args: readonly string[], body: (run: Run) => Promise<void>) =>
  withCommand(['bench', 'failover', ...args], body);

test('a gateway is killed: as JSON, and as a page with the download around it', () =>
  withBench(
    [
      ...['--modes', 'standby', '--faults', 'kill', '--runs', '1', '--no-costs', '--no-figures'],
      ...['--json', '--report', 'failover.html'],
    ],
    async run => {
      assert.is(await run.ended, 0, run.output() + run.errors());
      const { results, costs, figures: layers, skipped } = JSON.parse(run.output()) as FailoverJson;
      assert.equal([costs, layers, skipped], [[], [], []]);
      assert.is(results.length, 1);
      const [result] = results;
      const { mode, fault, gateways, runs, survived, problems } = result as FailoverJson['results'][number];
      assert.equal([mode, fault, gateways, runs], ['standby', 'kill', 'vpnr', 1]);
      assert.equal([survived, problems], [1, []]);
      for (const key of ['detectMs', 'switchMs', 'pauseMs', 'lost', 'duplicated', 'reordered'] as const) {
        const spread = result?.[key];
        assert.ok(
          spread && 0 <= spread.min && spread.min <= spread.median && spread.median <= spread.max,
          key,
        );
      }
      assert.not.ok('samples' in (result ?? {}));
      figures(
        `standby, kill: detected after ${result?.detectMs?.median} ms, pause ${result?.pauseMs?.median} ms`,
      );
      const page = join(run.folder, 'failover.html');
      assert.match(readFileSync(page, 'utf8'), /<path class="line" [^>]*d="M/);
      rmSync(page);
      await leftNothing(run, []);
    },
  ));

test('a page has what the mode costs while nothing fails, and what layer and relay cost at the round trips of the paper', () =>
  withBench(
    ['--modes', 'replay', '--faults', 'kill', '--quick', '--json', '--report', 'failover.html'],
    async run => {
      assert.is(await run.ended, 0, run.output() + run.errors());
      const { costs, figures: layers, skipped } = JSON.parse(run.output()) as FailoverJson;
      assert.equal(skipped, []);
      assert.is(costs.length, 1);
      const [cost] = costs;
      assert.ok(cost !== undefined);
      for (const [name, value] of Object.entries(cost))
        if (name !== 'mode') assert.ok(typeof value === 'number' && value >= 0, `${name}: ${value}`);
      assert.ok(cost.busyProbesPerSecond > cost.idleProbesPerSecond && cost.ringMB > 0);
      const measured = layers.map(({ city, layer }) => `${city} ${layer}`);
      assert.is(new Set(measured).size, layers.length);
      for (const layer of ['none', 'vpnr', 'vpnr-relay'])
        assert.ok(measured.includes(`tokyo ${layer}`), layer);
      for (const { roundTripMs, mbits } of layers) assert.ok(roundTripMs > 10 && mbits > 0);
      figures(
        `replay: ${cost.busyProbesPerSecond} probes/s, ${cost.busyProbeKbits} kbit/s, ` +
          `${cost.idleCpuPercent} % of a processor idle, ring ${cost.ringMB} MB`,
      );
      const page = join(run.folder, 'failover.html');
      for (const part of [/Round trip/, /Throughput of/, /What the modes cost/])
        assert.match(readFileSync(page, 'utf8'), part);
      rmSync(page);
      await leftNothing(run, []);
    },
  ));

test('Ctrl-C in the middle of a run leaves nothing', () =>
  withBench(['--modes', 'cold', '--faults', 'freeze', '--runs', '9'], async run => {
    const folder = await until('a laboratory', READY_MS, () => labFolders(run.folder)[0]);
    const log = join(run.folder, folder, 'logs', 'client-transfer-connect.log');
    await until('a transfer', READY_MS, () => existsSync(log) || undefined);
    run.child.kill('SIGINT');
    assert.is(await run.ended, 130, run.output() + run.errors());
    assert.match(run.errors(), 'interrupted');
    await leftNothing(run, [folder]);
  }));

for (const [what, args, message] of [
  ['a mode', ['--modes', 'warm'], 'there is no mode "warm"'],
  ['a fault', ['--faults', 'kill,flood'], 'there is no fault "flood"'],
] as const) {
  test(`${what} that there is not is refused at once`, () =>
    withBench([...args, '--json'], async run => {
      assert.is(await run.ended, 2, run.output());
      const error = JSON.parse(run.output()) as { code: string; message: string };
      assert.equal([error.code, error.message], ['USAGE', message]);
    }));
}

test('a benchmark that can measure nothing fails, and says why', () =>
  withBench(['--modes', 'duplicate', '--relay', 'ipip', '--json'], async run => {
    assert.is(await run.ended, 4, run.output());
    const error = JSON.parse(run.output()) as { code: string; message: string };
    assert.is(error.code, 'LAB_FAILED');
    assert.match(error.message, /^nothing can be measured here: .*duplicate/);
    await leftNothing(run, []);
  }));

test.run();
