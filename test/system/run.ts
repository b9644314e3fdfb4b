/** The built command in a process of its own, and what it leaves behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { runCommand } from '../../src/lab/command.js';
import { until } from '../../src/lab/index.js';
import { PROGRAM } from './support.js';

export interface Run {
  child: ChildProcess;
  /** A folder of its own for temporary files; its name is in the environment of all that it starts. */
  folder: string;
  output(): string;
  errors(): string;
  /** Its exit status. */
  ended: Promise<number | null>;
}

/** Runs `vpnr ARGS`; when `body` is done, it is ended. */
export async function withCommand(
  args: readonly string[],
  body: (run: Run) => Promise<void>,
  options: { uid?: number; gid?: number; env?: Record<string, string> } = {},
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'vpnr-run-'));
  chmodSync(folder, 0o777);
  const [program = '', ...script] = PROGRAM;
  const child = spawn(program, [...script, ...args], {
    ...options,
    cwd: folder,
    env: { ...process.env, ...options.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', chunk => {
      texts[name] += chunk;
    });
  const ended = once(child, 'close').then(([status]) => status as number | null);
  try {
    await body({ child, folder, ended, output: () => texts.stdout, errors: () => texts.stderr });
  } finally {
    child.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The laboratories' folders in a run's own folder. */
export const labFolders = (folder: string) =>
  readdirSync(folder).filter(name => name.startsWith('vpnr-lab-'));

/** Fails when a process, a file or a namespace of the run is left. `labs`: folders that it had. */
export async function leftNothing({ folder }: Run, labs: readonly string[]): Promise<void> {
  assert.equal(readdirSync(folder), []);
  const { stdout } = await runCommand(['ip', 'netns', 'list']);
  for (const lab of labs) {
    const prefix = `vpnr-${lab.slice('vpnr-lab-'.length)}-`;
    assert.not.ok(stdout.includes(prefix), `namespaces ${prefix}`);
    assert.not.ok(existsSync(`/run/vpnr-lab/${prefix}json`));
  }
  const processes = () =>
    readdirSync('/proc').filter(pid => {
      try {
        return (
          /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`TMPDIR=${folder}`)
        );
      } catch {
        return false;
      }
    });
  // What got SIGKILL needs a moment to end.
  await until('all processes have ended', 30_000, () => processes().length === 0 || undefined);
}
