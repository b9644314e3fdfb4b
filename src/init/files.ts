/** Writing what `vpnr init` makes: all files or none. */
import { existsSync, statSync } from 'node:fs';
import { mkdir, unlink } from 'node:fs/promises';
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
 * Writes the files into the folder, which is made for its owner alone if need be. When one cannot be written, those that were
 * new are removed again. Throws USAGE when one is there already, SYSTEM_CALL when the disk is full and the like.
 */
export async function writeFiles(files: readonly NewFile[], { folder, force }: WriteOptions): Promise<void> {
  const present = files.filter(({ name }) => existsSync(join(folder, name)));
  if (present.length > 0 && !force) {
    const names = present.map(({ name }) => name).join(', ');
    throw new VpnrError('USAGE', `${folder} has this already: ${names}`, {
      remedy: 'name another folder with --dir, or replace them with --force',
    });
  }
  const staged: { path: string; file: StagedFile }[] = [];
  const written: string[] = [];
  try {
    await makeFolder(resolve(folder));
    if (!statSync(folder).isDirectory()) throw new Error(`${folder} is not a folder`);
    for (const { name, content, isSecret } of files) {
      const path = join(folder, name);
      staged.push({ path, file: await stageFile(path, content, isSecret ? PRIVATE : PUBLIC) });
    }
    // All of them have their room: none is replaced before.
    for (const { path, file } of staged) {
      const isNew = !existsSync(path);
      await file.commit();
      if (isNew) written.push(path);
    }
  } catch (error) {
    await Promise.all(staged.map(({ file }) => file.discard()));
    await Promise.all(written.map(path => unlink(path).catch(() => {})));
    const { code, message } = error as NodeJS.ErrnoException;
    const rights = code === 'EACCES' || code === 'EPERM';
    throw new VpnrError(rights ? 'NOT_ROOT' : 'SYSTEM_CALL', `nothing was written: ${message}`, {
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
