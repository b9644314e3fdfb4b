import { randomBytes } from 'node:crypto';
import { accessSync, closeSync, existsSync, openSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type ErrorCode, VpnrError } from '../errors.js';
import { stageFile, writeFileAtomic } from '../io/atomic-file.js';

/** What a report takes, or a little more. */
const REPORT_BYTES = 128 * 1024;

/**
 * Makes sure that a report can be written to this file: before what it reports is done, not after it. Throws USAGE, NOT_ROOT or
 * SYSTEM_CALL.
 */
export async function mustBeWritable(file: string): Promise<void> {
  try {
    accessSync(dirname(file));
    if (existsSync(file)) closeSync(openSync(file, 'a'));
    if (isOther(file)) return;
    // Noise, for a disk that compresses.
    const trial = await stageFile(file, randomBytes(REPORT_BYTES));
    await trial.discard();
  } catch (error) {
    const { code, remedy } = refusalOf(error as NodeJS.ErrnoException);
    throw new VpnrError(code, `the report cannot be written: ${(error as Error).message}`, {
      remedy,
      cause: error,
    });
  }
}

function refusalOf({ code }: NodeJS.ErrnoException): { code: ErrorCode; remedy: string } {
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return { code: 'NOT_ROOT', remedy: 'name a file in a folder that you may write to, or run it as root' };
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EROFS':
      return { code: 'SYSTEM_CALL', remedy: 'make room there, or name a file elsewhere' };
    default:
      return { code: 'USAGE', remedy: 'name a file in a folder that exists' };
  }
}

/**
 * Writes a report whole or not at all: what was there before stays when there is no room. Throws SYSTEM_CALL. A device or a
 * pipe is written to as it is.
 */
export async function writeReport(file: string, page: string): Promise<void> {
  try {
    if (isOther(file)) writeFileSync(file, page);
    else await writeFileAtomic(file, page, 0o644);
  } catch (error) {
    throw new VpnrError('SYSTEM_CALL', `the report was not written: ${(error as Error).message}`, {
      remedy: 'make room there, or name a file elsewhere',
      cause: error,
    });
  }
}

/** Whether there is something of this name that is no file. */
function isOther(file: string): boolean {
  return existsSync(file) && !statSync(file).isFile();
}
