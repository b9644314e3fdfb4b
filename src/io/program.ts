/** Running the system's own programs for what they do better than a system call of ours would. */
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { VpnrError } from '../errors.js';

/** Of execvp(3). */
const DEFAULT_PATH = '/bin:/usr/bin';
const MAX_OUTPUT = 256 * 1024 * 1024;

/** Whether `runProgram` would find it. */
export function isInstalled(program: string): boolean {
  return (process.env.PATH ?? DEFAULT_PATH).split(delimiter).some(folder => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export interface ProgramResult {
  code: number;
  stdout: string;
  stderr: string;
}

/**
 * Runs a program to its end, with `input` on its standard input, its texts in English; one that takes longer than `timeoutMs` is
 * ended. Throws MISSING_PROGRAM, with the Debian package that has it, or SYSTEM_CALL.
 */
export function runProgram(
  program: string,
  args: readonly string[],
  options: { input?: string; package: string; timeoutMs?: number },
): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      program,
      args,
      {
        encoding: 'utf8',
        maxBuffer: MAX_OUTPUT,
        timeout: options.timeoutMs ?? 0,
        env: environment(),
      },
      (error, stdout, stderr) => {
        if (error === null) resolve({ code: 0, stdout, stderr });
        else if (typeof error.code === 'number') resolve({ code: error.code, stdout, stderr });
        else reject(cannotRun(program, options.package, error));
      },
    );
    // A program that ends before it has read everything breaks the pipe; its exit status tells the story.
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? '');
  });
}

/** No more of this process's than such programs need: the rest may hold secrets. */
function environment(): NodeJS.ProcessEnv {
  const { PATH, DBUS_SYSTEM_BUS_ADDRESS } = process.env;
  return {
    LC_ALL: 'C',
    ...(PATH !== undefined && { PATH }),
    ...(DBUS_SYSTEM_BUS_ADDRESS !== undefined && { DBUS_SYSTEM_BUS_ADDRESS }),
  };
}

function cannotRun(
  program: string,
  debianPackage: string,
  error: Error & { code?: unknown; killed?: boolean },
): VpnrError {
  if (error.code === 'ENOENT') {
    return new VpnrError('MISSING_PROGRAM', `the program \`${program}\` is not installed`, {
      remedy: `apt-get install ${debianPackage}`,
      cause: error,
    });
  }
  const what = error.killed ? 'did not end in time' : `could not be run: ${error.message}`;
  return new VpnrError('SYSTEM_CALL', `\`${program}\` ${what}`, { cause: error });
}
