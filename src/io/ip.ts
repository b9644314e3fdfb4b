/** Running iproute2's `ip`: queries as JSON, changes as batches. Its error texts are read in this file only. */
import { VpnrError } from '../errors.js';
import { type ProgramResult, runProgram } from './program.js';

/** Why `ip` could not: what it was to add is there already, what it was about is not there, or something else. */
export type IpReason = 'exists' | 'absent' | 'unreachable' | 'other';

export class IpError extends VpnrError {
  readonly reason: IpReason;
  /** Which command of the batch failed, counted from 0. */
  readonly index: number;

  constructor(command: readonly string[], text: string, index = 0) {
    const denied = /Operation not permitted/.test(text);
    super(
      denied ? 'NOT_ROOT' : 'SYSTEM_CALL',
      `\`ip ${command.join(' ')}\` failed: ${text}`,
      denied ? { remedy: 'run vpnr as root' } : {},
    );
    this.reason = reasonOf(text);
    this.index = index;
  }
}

function reasonOf(text: string): IpReason {
  if (/File exists|already assigned/.test(text)) return 'exists';
  if (
    /No such process|Cannot find device|No such device|does not exist|[Aa]ddress not found|Cannot assign requested/.test(
      text,
    )
  ) {
    return 'absent';
  }
  if (/Network is unreachable|No route to host|Invalid argument|Permission denied/.test(text))
    return 'unreachable';
  return 'other';
}

/** The JSON that `ip -json ARGUMENTS` prints: a list, empty objects left out. Throws IpError. */
export async function queryIp<T extends object>(args: readonly string[]): Promise<T[]> {
  const { code, stdout, stderr } = await runIp(['-json', ...args], '');
  if (code !== 0) throw new IpError(args, lastLine(stderr));
  const list: unknown = stdout.trim() === '' ? [] : JSON.parse(stdout);
  if (!Array.isArray(list)) throw new IpError(args, 'its output is not a list');
  return list.filter(item => typeof item === 'object' && item !== null && Object.keys(item).length > 0);
}

/** Carries the commands out in order and stops at the first that fails, with an IpError. */
export async function changeIp(commands: readonly (readonly string[])[]): Promise<void> {
  const [failure] = await batch(['-batch', '-'], commands);
  if (failure !== undefined) throw failure;
}

/** Carries all commands out, whatever becomes of the others, and returns the failures. */
export async function tryChangeIp(commands: readonly (readonly string[])[]): Promise<IpError[]> {
  return batch(['-force', '-batch', '-'], commands);
}

async function batch(args: readonly string[], commands: readonly (readonly string[])[]): Promise<IpError[]> {
  if (commands.length === 0) return [];
  const { code, stderr } = await runIp(args, commands.map(command => `${command.join(' ')}\n`).join(''));
  if (code === 0) return [];
  // Each failure is reported as one or more lines of text, then "Command failed -:LINE".
  const failures: IpError[] = [];
  let text: string[] = [];
  for (const line of stderr.split('\n')) {
    const index = Number(/^Command failed -:(\d+)/.exec(line)?.[1] ?? 0) - 1;
    if (index >= 0) {
      failures.push(new IpError(commands[index] ?? [], text.join(' ') || 'no reason given', index));
      text = [];
    } else if (line !== '') {
      text.push(line);
    }
  }
  if (failures.length === 0) failures.push(new IpError(args, lastLine(stderr)));
  return failures;
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) || 'no reason given';
}

function runIp(args: readonly string[], input: string): Promise<ProgramResult> {
  return runProgram('ip', args, { input, package: 'iproute2' });
}
