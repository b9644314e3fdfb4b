import { closeSync, existsSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { VpnrError } from '../errors.js';
import { writeFileAtomic } from '../io/atomic-file.js';

/** Throws USAGE when a report cannot be written to this file: before what it reports is done, not after it. */
export function mustBeWritable(file: string): void {
  const isNew = !existsSync(file);
  try {
    closeSync(openSync(file, 'a'));
    if (isNew) rmSync(file);
  } catch (error) {
    throw new VpnrError('USAGE', `the report cannot be written: ${(error as Error).message}`, {
      remedy: 'name a file in a folder that exists and that you may write to',
    });
  }
}

/**
 * Writes a report whole or not at all: what was there before stays when there is no room. Throws SYSTEM_CALL. A device or a
 * pipe is written to as it is.
 */
export async function writeReport(file: string, page: string): Promise<void> {
  try {
    if (existsSync(file) && !statSync(file).isFile()) writeFileSync(file, page);
    else await writeFileAtomic(file, page, 0o644);
  } catch (error) {
    throw new VpnrError('SYSTEM_CALL', `the report was not written: ${(error as Error).message}`, {
      remedy: 'make room there, or name a file elsewhere',
      cause: error,
    });
  }
}
