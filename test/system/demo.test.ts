import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { DemoResult } from '../../src/demo/result.js';
import { runCommand } from '../../src/lab/command.js';
import { labObstacle, strongSwanObstacle, until } from '../../src/lab/index.js';
import { labFolders, leftNothing, type Run, withCommand } from './run.js';
import { figures, PROGRAM, systemTests } from './support.js';

const test = systemTests({ obstacle: labObstacle() });
/** The whole of it, build aside. */
const LIMIT_MS = 90_000;
const NOBODY = 65534;

const withDemo = (
  args: readonly string[],
  body: (run: Run) => Promise<void>,
  options: Parameters<typeof withCommand>[2] = {},
) => withCommand(['demo', ...args], body, options);

function checkResult(result: DemoResult, fault: string, kind: string): void {
  const { survived, digestOk, resets, broken, gateways, detectMs, switchMs, pauseMs } = result;
  assert.equal(
    { survived, digestOk, resets, broken },
    { survived: true, digestOk: true, resets: 0, broken: null },
  );
  assert.is(result.fault, fault);
  assert.is(result.kind, kind);
  assert.ok(result.bytes > 1e6);
  assert.equal(
    gateways.map(({ name }) => name),
    ['tokyo', 'yokohama', 'fukuoka'],
  );
  assert.is(gateways.filter(({ state }) => state === 'failed').length, 1);
  const active = gateways.find(({ state }) => state === 'active');
  assert.ok((active?.bytes ?? 0) > 0, 'the other gateway carried some of it');
  assert.ok(detectMs !== null && detectMs >= 0);
  assert.ok(switchMs !== null && switchMs >= 0);
  assert.ok(pauseMs !== null && pauseMs > 0 && pauseMs < result.paper.recoveryMs, `paused ${pauseMs} ms`);
  figures(
    `demo, ${kind}, ${fault}: detected in ${detectMs} ms (${result.reason}), switched in ${switchMs} ms, ` +
      `paused ${pauseMs} ms, ${(result.bytes / 1e6).toFixed(1)} MB, ${result.totalMs} ms in all`,
  );
}

for (const kind of ['vpnr', 'strongswan'] as const) {
  const obstacle = kind === 'strongswan' ? strongSwanObstacle() : undefined;
  for (const fault of ['kill', 'link-down', 'blackhole', 'leased-line']) {
    const play = () =>
      withDemo(['--gateways', kind, '--fault', fault, '--json'], async run => {
        await until('a laboratory is there', LIMIT_MS, () => labFolders(run.folder).length > 0 || undefined);
        const labs = labFolders(run.folder);
        assert.is(await run.ended, 0, run.output() + run.errors());
        checkResult(JSON.parse(run.output()) as DemoResult, fault, kind);
        await leftNothing(run, labs);
      });
    test(`${kind} gateways, ${fault}`, play, obstacle);
  }
}

for (const moment of ['building', 'connecting to', 'download begins', 'Mbit/s']) {
  test(`Ctrl-C leaves nothing: ${moment}`, () =>
    withDemo([], async run => {
      await until(moment, LIMIT_MS, () => run.output().includes(moment) || undefined);
      const labs = labFolders(run.folder);
      run.child.kill('SIGINT');
      assert.is(await run.ended, 130, run.output() + run.errors());
      assert.match(run.errors(), 'interrupted');
      await leftNothing(run, labs);
    }));
}

test('without a terminal there are plain lines; the page stands alone', () =>
  withDemo(['--report', 'report.html'], async run => {
    assert.is(await run.ended, 0, run.output() + run.errors());
    assert.not.match(run.output(), '\x1b');
    assert.match(run.output(), /tokyo was killed/);
    assert.match(run.output(), /The TCP download survived/);
    const file = join(run.folder, 'report.html');
    const page = readFileSync(file, 'utf8');
    rmSync(file);
    assert.match(page, /<svg .*<\/svg>/s);
    await leftNothing(run, []);
  }));

/** Whether the user nobody can read the command, and be root in a namespace. */
async function nobodyObstacle(): Promise<string | undefined> {
  const command = [...PROGRAM, 'demo', '--help'];
  const tool = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
  if ((await runCommand([...tool, ...command])).status !== 0)
    return 'the user nobody cannot read the command';
  const { status } = await runCommand([...tool, 'unshare', '-Urnm', 'mount', '-t', 'tmpfs', 'tmpfs', '/run']);
  return status === 0 ? undefined : 'users get no namespaces here';
}

const nobody = { uid: NOBODY, gid: NOBODY };
const withoutNobody = await nobodyObstacle();

test(
  'root is not needed',
  () =>
    withDemo(
      ['--json'],
      async run => {
        assert.is(await run.ended, 0, run.output() + run.errors());
        checkResult(JSON.parse(run.output()) as DemoResult, 'kill', 'vpnr');
        await leftNothing(run, []);
      },
      nobody,
    ),
  withoutNobody,
);

test(
  'Ctrl-C leaves nothing without root, too',
  () =>
    withDemo(
      [],
      async run => {
        await until('the download', LIMIT_MS, () => run.output().includes('Mbit/s') || undefined);
        run.child.kill('SIGINT');
        assert.is(await run.ended, 130, run.output() + run.errors());
        await leftNothing(run, []);
      },
      nobody,
    ),
  withoutNobody,
);

test(
  'where it cannot run it says why, and what to do',
  () =>
    withDemo(
      ['--json'],
      async run => {
        assert.is(await run.ended, 4);
        const error = JSON.parse(run.output()) as Record<string, string>;
        assert.is(error.code, 'LAB_FAILED');
        assert.match(error.message ?? '', /not root, and the program unshare/);
        assert.match(error.remedy ?? '', /as root \(sudo\)/);
      },
      { ...nobody, env: { PATH: '/nonexistent' } },
    ),
  withoutNobody,
);

for (const [name, args] of [
  ['a fault that there is not', ['--fault', 'earthquake']],
  ['gateways that there are not', ['--gateways', 'openvpn']],
  ['a report where none can be', ['--report', '/nonexistent/report.html']],
] as const) {
  test(`${name} is refused at once`, () =>
    withDemo([...args, '--json'], async run => {
      assert.is(await run.ended, 2, run.output());
      assert.is((JSON.parse(run.output()) as { code: string }).code, 'USAGE');
      await leftNothing(run, []);
    }));
}

test.run();
