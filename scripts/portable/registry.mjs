// Packages of the npm registry that are no dependencies: those of other platforms, and Node itself. They are kept beside
// node_modules' own caches, and used only if they are, to the bit, what this project names.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../compile.mjs';
import { readPackage } from './tar.mjs';

const CACHE = join(root, 'node_modules', '.cache', 'vpnr-portable');

/** What a package is to be: its version and `integrity`, as in package-lock.json. */
function wantedPackage(name) {
  const own = JSON.parse(readFileSync(join(root, 'scripts', 'portable', 'packages.json'), 'utf8'))[name];
  const locked = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const found = own ?? locked[`node_modules/${name}`];
  if (found === undefined) throw new Error(`no version of ${name} is named`);
  return found;
}

/** Puts an executable from a package beside the packages, unless it is there, and returns its path. */
export function installedProgram(name, bytes) {
  const path = join(CACHE, name);
  if (existsSync(path) && readFileSync(path).equals(bytes)) return path;
  // Another process may be at the same.
  const fresh = `${path}.${process.pid}`;
  writeFileSync(fresh, bytes, { mode: 0o755 });
  renameSync(fresh, path);
  return path;
}

function digest(algorithm, bytes) {
  return `${algorithm}-${createHash(algorithm).update(bytes).digest('base64')}`;
}

/** A package's files by their paths; `wanted` chooses, for others are not kept in memory. */
export function packageFiles(name, wanted) {
  const { version, integrity } = wantedPackage(name);
  const archive = join(CACHE, `${name.replace('@', '').replaceAll('/', '-')}-${version}.tgz`);
  const [algorithm] = integrity.split('-');
  const isRight = () => existsSync(archive) && digest(algorithm, readFileSync(archive)) === integrity;
  if (!isRight()) {
    download(`${name}@${version}`, archive);
    if (!isRight()) throw new Error(`${name}@${version} from the registry is not what this project names`);
  }
  return { version, files: readPackage(readFileSync(archive), wanted) };
}

/** As other processes may do at the same time. */
function download(spec, archive) {
  console.log(`fetching ${spec}`);
  mkdirSync(CACHE, { recursive: true });
  const folder = mkdtempSync(join(CACHE, 'fetch-'));
  try {
    // What npm says is part of the error when it fails.
    const args = [
      'pack',
      spec,
      '--pack-destination',
      folder,
      '--json',
      '--ignore-scripts',
      '--prefer-offline',
    ];
    const [{ filename }] = JSON.parse(
      execFileSync('npm', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }),
    );
    renameSync(join(folder, filename.replace('@', '').replaceAll('/', '-')), archive);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
