// Command lines that cannot work: one clear line, what to do, the exit status of the class, and nothing half-written.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PROGRAM } from './support.js';

const TIMEOUT_MS = 60_000;
const NOBODY = 65_534;

function vpnr(args: readonly string[], options: { uid?: number; env?: Record<string, string> } = {}) {
  const [program = '', ...first] = PROGRAM;
  return spawnSync(program, [...first, ...args], {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    input: '',
    ...(options.uid !== undefined && { uid: options.uid, gid: options.uid }),
    env: { ...process.env, VPNR_RUNTIME_DIR: join(tmpdir(), 'vpnr-nothing-here'), ...options.env },
  });
}

function inFolder(body: (folder: string) => void): () => void {
  return () => {
    const folder = mkdtempSync(join(tmpdir(), 'vpnr-usage-'));
    try {
      body(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
}

const WRONG: [args: string, code: string, status: number][] = [
  ['nonsense', 'USAGE', 2],
  ['init nonsense', 'USAGE', 2],
  ['connect', 'USAGE', 2],
  ['connect -c FOLDER', 'CONFIG_NOT_FOUND', 3],
  ['connect -c FOLDER/missing.yaml', 'CONFIG_NOT_FOUND', 3],
  ['connect -c FOLDER/broken.yaml', 'CONFIG_SYNTAX', 3],
  ['connect --detach -c FOLDER/broken.yaml', 'CONFIG_SYNTAX', 3],
  ['relay -c FOLDER/missing.yaml', 'CONFIG_NOT_FOUND', 3],
  ['gateway -c FOLDER/broken.yaml --no-such-flag', 'USAGE', 2],
  ['check -c FOLDER/empty.yaml', 'CONFIG_INVALID', 3],
  ['status nobody', 'NOT_RUNNING', 4],
  ['status --watch --interval soon', 'USAGE', 2],
  ['logs nobody', 'NOT_RUNNING', 4],
  ['switch tokyo', 'NOT_RUNNING', 4],
  ['drain', 'NOT_RUNNING', 4],
  ['disconnect nobody', 'NOT_RUNNING', 4],
  ['service remove nobody', 'NOT_RUNNING', 4],
  ['demo --fault flood', 'USAGE', 2],
  ['demo --report FOLDER/missing/report.html', 'USAGE', 2],
  ['bench crypto --report FOLDER/missing/report.html', 'USAGE', 2],
  ['init client --invitation FOLDER/missing', 'SECRET_NOT_FOUND', 3],
  ['init gateway --dir /proc/nothing --network 10.0.0.0/8', 'SYSTEM_CALL', 4],
  ['init gateway --dir FOLDER --network 10.0.0.0/33', 'USAGE', 2],
];

test(
  'each wrong command line ends with one line, its remedy, and the status of its class',
  inFolder(folder => {
    writeFileSync(join(folder, 'broken.yaml'), 'gateways: [\n');
    writeFileSync(join(folder, 'empty.yaml'), '');
    const before = readdirSync(folder);
    for (const [args, code, status] of WRONG) {
      const result = vpnr(args.split(' ').map(word => word.replace('FOLDER', folder)));
      assert.match(result.stderr, new RegExp(`^error ${code}: \\S`), args);
      assert.is(result.status, status, args);
      assert.is(result.stdout, '', args);
      assert.not.match(result.stderr, /\n\s+at /, args);
      assert.not.ok(result.stderr.includes('\u001b'), 'colours, though this is no terminal');
    }
    assert.equal(readdirSync(folder), before);
  }),
);

test(
  'a program that reads gets the error as JSON',
  inFolder(folder => {
    const { stdout, status } = vpnr(['connect', '-c', join(folder, 'missing.yaml'), '--json']);
    const { event, code } = JSON.parse(stdout) as Record<string, string>;
    assert.equal([event, code, status], ['error', 'CONFIG_NOT_FOUND', 3]);
  }),
);

const isRoot = process.geteuid?.() === 0;

test(
  'a user without a home and a name, as in a container, is served',
  inFolder(folder => {
    if (!isRoot) return console.log('# skipped 1: only root can mount');
    const script = 'mount --bind "$0" /etc && unset HOME SHELL && exec "$@"';
    const { stderr, status } = spawnSync(
      'unshare',
      ['-m', 'sh', '-c', script, folder, ...PROGRAM, 'status', 'nobody'],
      {
        encoding: 'utf8',
        timeout: TIMEOUT_MS,
      },
    );
    assert.match(stderr, /^error NOT_RUNNING: \S/m);
    assert.is(status, 4);
  }),
);

test(
  'without rights nothing is made, and it is told what is missing',
  inFolder(folder => {
    if (!isRoot) return console.log('# skipped 1: only root can become nobody');
    const result = vpnr(
      ['init', 'relay', '--address', '10.20.0.100', '--network', '10.30.0.0/16', '--dir', folder],
      {
        uid: NOBODY,
        env: { HOME: '/' },
      },
    );
    assert.match(result.stderr, /^error NOT_ROOT: nothing was written/);
    assert.is(result.status, 4);
    assert.equal(readdirSync(folder), []);
  }),
);

test(
  'a disk that is full leaves nothing behind',
  inFolder(folder => {
    if (!isRoot) return console.log('# skipped 1: only root can mount');
    const script =
      'mount -t tmpfs -o size=12k none "$1" && cd "$1" && shift && "$@"; status=$?; ls -A >&2; exit $status';
    const init = ['init', 'relay', '--address', '10.20.0.100', '--network', '10.30.0.0/16'];
    const { stderr, status } = spawnSync(
      'unshare',
      ['-m', 'sh', '-c', script, 'sh', folder, ...PROGRAM, ...init],
      {
        encoding: 'utf8',
        timeout: TIMEOUT_MS,
      },
    );
    assert.is(status, 4, stderr);
    // One line, its remedy, and no file in the list behind.
    assert.match(
      stderr,
      /^error SYSTEM_CALL: nothing was written: ENOSPC[^\n]*\n {2}make room there[^\n]*\n$/,
    );
  }),
);

test.run();
