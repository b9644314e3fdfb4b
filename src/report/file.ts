import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { VpnrError } from '../errors.js';

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
