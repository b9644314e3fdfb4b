/** Writing what `vpnr init` makes: all files or none. */
import { existsSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { VpnrError } from '../errors.js';
import { type StagedFile, stageFile } from '../io/atomic-file.js';

export interface NewFile {
  name: string;
  content: string | Uint8Array;
  /** Only its owner may read it. */
  isSecret: boolean;
}

export interface WriteOptions {
  folder: string;
  /** Replace what is there. */
  force: boolean;
}

const PUBLIC = 0o644;
const PRIVATE = 0o600;

/**
 * Writes the files into the folder, which is made for its owner alone if need be. All are on the disk before the first one gets its
 * name: when one cannot be written, what was there is as it was. Throws USAGE when one is there already, NOT_ROOT, or SYSTEM_CALL when
 * the disk is full and the like.
 */
export async function writeFiles(files: readonly NewFile[], { folder, force }: WriteOptions): Promise<void> {
  const present = files.filter(({ name }) => existsSync(join(folder, name)));
  if (present.length > 0 && !force) {
    const names = present.map(({ name }) => name).join(', ');
    throw new VpnrError('USAGE', `${folder} has this already: ${names}`, {
      remedy: 'name another folder with --dir, or replace them with --force',
    });
  }
  const staged: StagedFile[] = [];
  const named: string[] = [];
  try {
    await makeFolder(resolve(folder));
    if (!statSync(folder).isDirectory()) throw new Error(`${folder} is not a folder`);
    // No file can take its name.
    const other = present.find(({ name }) => statSync(join(folder, name)).isDirectory());
    if (other !== undefined) throw new Error(`${join(folder, other.name)} is a folder`);
    for (const { name, content, isSecret } of files)
      staged.push(await stageFile(join(folder, name), content, isSecret ? PRIVATE : PUBLIC));
    for (const [index, file] of staged.entries()) {
      await file.commit();
      named.push(files[index]?.name ?? '');
    }
  } catch (error) {
    for (const file of staged) await file.discard();
    const { code, message } = error as NodeJS.ErrnoException;
    const rights = code === 'EACCES' || code === 'EPERM';
    const done = named.length === 0 ? 'nothing was written' : `only ${named.join(', ')} could be written`;
    throw new VpnrError(rights ? 'NOT_ROOT' : 'SYSTEM_CALL', `${done}: ${message}`, {
      remedy: rights
        ? 'run it with sudo, or name another folder with --dir'
        : 'make room there, or name another folder with --dir',
      cause: error,
    });
  }
}

/** With those above it. Node's own recursive mkdir does not come back from /proc, where nothing can be made. */
async function makeFolder(path: string): Promise<void> {
  if (existsSync(path)) return;
  await makeFolder(dirname(path));
  await mkdir(path, { mode: 0o700 });
}
