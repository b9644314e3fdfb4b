/** Running the programs the laboratory is made with (`ip`, `nft`, `swanctl`, `openssl`). */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { VpnrError } from '../errors.js';

export interface CommandResult {
  /** Exit status; undefined when a signal ended it. */
  status: number | undefined;
  signal: NodeJS.Signals | undefined;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  input?: string;
  /** Milliseconds, after which the command gets SIGKILL. */
  timeoutMs?: number;
  env?: Record<string, string>;
  cwd?: string;
}

const TIMEOUT_MS = 60_000;
/** The administrator's folders are not on everybody's PATH. */
const SEARCH = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin'];

/** Where `program` is, or undefined. */
export function findProgram(program: string): string | undefined {
  return SEARCH.map(folder => join(folder, program)).find(path => existsSync(path));
}

function resolveProgram(program: string): string {
  if (program.includes('/')) return program;
  const path = findProgram(program);
  if (path === undefined) {
    throw new VpnrError('MISSING_PROGRAM', `the program ${program} is not installed`, {
      remedy: 'node scripts/prepare.mjs installs what the laboratory needs on a Debian-like system',
    });
  }
  return path;
}

/** Runs a command to its end and returns what it said, whatever its exit status. */
export function runCommand(command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const [program = '', ...args] = command;
  const child = spawn(resolveProgram(program), args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    cwd: options.cwd,
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? TIMEOUT_MS);
  return new Promise((resolve, reject) => {
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', chunk => {
      stdout += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', chunk => {
      stderr += chunk;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ status: code ?? undefined, signal: signal ?? undefined, stdout, stderr });
    });
    // A program that ends without reading its input is no mistake of ours.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
  });
}

/** Runs a command that must succeed and returns its standard output. */
export async function mustRun(command: readonly string[], options: CommandOptions = {}): Promise<string> {
  const result = await runCommand(command, options);
  if (result.status !== 0) throw commandFailed(command, result);
  return result.stdout;
}

/** As `runCommand`, while nothing else may run: for cleaning up when the process ends. Never throws. */
export function runCommandSync(command: readonly string[], input = ''): string {
  const [program = '', ...args] = command;
  const path = findProgram(program);
  if (path === undefined) return '';
  return spawnSync(path, args, { input, encoding: 'utf8', timeout: TIMEOUT_MS }).stdout ?? '';
}

/** The error for a command that did not do what it had to. */
export function commandFailed(command: readonly string[], result: CommandResult): VpnrError {
  const end = result.signal === undefined ? `exit status ${result.status}` : `ended by ${result.signal}`;
  const said = `${result.stderr}\n${result.stdout}`.trim();
  return new VpnrError('LAB_FAILED', `${command.join(' ')}: ${end}${said === '' ? '' : `\n${said}`}`);
}
