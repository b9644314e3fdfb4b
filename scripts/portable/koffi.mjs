// In the single executable this is `koffi`: its native half is an asset, and only a file can be loaded.
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getRawAsset } from 'node:sea';
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';

/** open(2): a file without a name, which no one else can reach, and which goes with its last descriptor. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;
/** Under this name the other threads find the file that the first one has loaded. */
const LOADED = 'vpnr koffi.node';

/** Where a file may be that is loaded as a program: some of these are often mounted without the right to (noexec). */
function folders() {
  const { XDG_RUNTIME_DIR } = process.env;
  return [...(XDG_RUNTIME_DIR ? [XDG_RUNTIME_DIR] : []), '/dev/shm', tmpdir(), '/var/tmp', '/run'];
}

function load(path) {
  const module = { exports: {} };
  process.dlopen(module, path);
  return module.exports;
}

/** The descriptor stays open for the other threads, so that the process has the code once. */
function loadUnnamed(folder, bytes) {
  const fd = openSync(folder, O_TMPFILE | constants.O_RDWR | constants.O_EXCL, 0o700);
  try {
    for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
    const path = `/proc/self/fd/${fd}`;
    const loaded = load(path);
    setEnvironmentData(LOADED, path);
    return loaded;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** For file systems without unnamed files: from a folder that only this user can enter. */
function loadNamed(parent, bytes) {
  const folder = mkdtempSync(join(parent, 'vpnr-'));
  try {
    const path = join(folder, 'koffi.node');
    writeFileSync(path, bytes, { mode: 0o700, flag: 'wx' });
    return load(path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function loadAsset() {
  const loaded = getEnvironmentData(LOADED);
  if (loaded !== undefined) return load(loaded);
  const bytes = new Uint8Array(getRawAsset('koffi.node'));
  const problems = [];
  for (const attempt of [loadUnnamed, loadNamed])
    for (const folder of folders()) {
      try {
        return attempt(folder, bytes);
      } catch (error) {
        problems.push(error);
      }
    }
  throw new AggregateError(
    problems,
    `there is no folder to load a part of this program from; tried ${folders().join(' ')}`,
  );
}

export default loadAsset();
