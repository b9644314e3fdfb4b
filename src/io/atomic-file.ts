/** Files that are replaced whole or not at all. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A file's new content, beside it and on the disk. */
export interface StagedFile {
  /** Puts it in the place of the file, or removes it if that cannot be. */
  commit(): Promise<void>;
  discard(): Promise<void>;
}

/**
 * Writes a file that, unless told otherwise, only its owner can read. After a crash at any moment the old content or the new is there.
 * Its directory is made if need be, for the owner alone.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  mode = 0o600,
): Promise<void> {
  const staged = await stageFile(path, content, mode);
  await staged.commit();
}

/** Does of that what needs room. For several files of which all are to be replaced, or none. */
export async function stageFile(
  path: string,
  content: string | Uint8Array,
  mode = 0o600,
): Promise<StagedFile> {
  const directory = dirname(path);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  const discard = () => unlink(temporary).catch(() => {});
  const file = await open(temporary, 'wx', mode);
  try {
    try {
      // Whatever the umask takes away.
      await file.chmod(mode);
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    await discard();
    throw error;
  }
  const commit = async () => {
    try {
      await rename(temporary, path);
    } catch (error) {
      await discard();
      throw error;
    }
    await syncDirectory(directory);
  };
  return { commit, discard };
}

/** Makes the new name last. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
