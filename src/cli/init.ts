/** What the commands `vpnr init ...` share. */
import { join } from 'node:path';
import { Flags } from '@oclif/core';
import { type NewFile, writeFiles } from '../init/files.js';

export const initFlags = {
  dir: Flags.string({ default: '.', helpValue: 'FOLDER', description: 'where the files are written' }),
  force: Flags.boolean({ description: 'replace files that are there already' }),
};

export interface InitResult {
  /** Paths of the files, and the commands that come next. */
  files: string[];
  next: string[];
}

/** Writes the files and tells of them. */
export async function carryOutInit(
  files: readonly NewFile[],
  { dir, force }: { dir: string; force: boolean },
  next: readonly string[],
  log: (line: string) => void,
): Promise<InitResult> {
  await writeFiles(files, { folder: dir, force });
  for (const { name, isSecret } of files) log(`wrote ${join(dir, name)}${isSecret ? '    (secret)' : ''}`);
  log('');
  for (const line of next) log(line);
  return {
    files: files.map(({ name }) => join(dir, name)),
    next: next.filter(line => line.startsWith('  ')).map(line => line.trim()),
  };
}
