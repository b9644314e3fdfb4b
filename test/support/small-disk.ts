/** A disk that is soon full, for a script that writes to it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MOUNT = 'mount -t tmpfs -o size="$1" none "$2" && shift 2 && exec "$@"';
const PAGE = 4096;

/** Why there can be none here, or undefined when there can. */
export function smallDiskObstacle(): string | undefined {
  return process.geteuid?.() === 0 ? undefined : 'only root can mount';
}

/**
 * Runs the text of a module, in which DISK is the folder where a disk of so many pages is mounted, and returns what it says.
 * `modules`: what it imports from this project, by the names that it has for them; paths as from the folder of this file.
 */
export function onSmallDisk(pages: number, modules: Record<string, string>, script: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'vpnr-small-disk-'));
  const imports = Object.entries(modules).map(
    ([names, path]) => `import ${names} from ${JSON.stringify(new URL(path, import.meta.url).href)};`,
  );
  const text = [...imports, `const DISK = ${JSON.stringify(folder)};`, script].join('\n');
  const node = [process.execPath, '--input-type=module', '-e', text];
  try {
    const command = ['-m', 'sh', '-c', MOUNT, 'sh', `${pages * PAGE}`, folder, ...node];
    const { status, stdout, stderr } = spawnSync('unshare', command, { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    return stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
