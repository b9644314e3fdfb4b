// Node's single executable application: https://nodejs.org/api/single-executable-applications.html
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { root } from '../compile.mjs';
import { embed } from './elf.mjs';
import { installedProgram, packageFiles } from './registry.mjs';

const NODE = 'bin/node';
const NODE_LICENCE = 'LICENSE';

/** Node of an architecture: `version`, the bytes of its `executable`, and its `licence`. */
export function nodeOf(arch) {
  const { version, files } = packageFiles(`node-linux-${arch}`, path => [NODE, NODE_LICENCE].includes(path));
  return { version, executable: files.get(NODE), licence: files.get(NODE_LICENCE) };
}

/** The path of a Node for this machine, of the version that goes into the executables. */
export function nodeProgram(arch) {
  const { version, executable } = nodeOf(arch);
  return installedProgram(`node-${version}-${arch}`, executable);
}

/** koffi's native half, of the C library of GNU. */
function koffiOf(arch) {
  const path = `linux_${arch}/koffi.node`;
  return packageFiles(`@koromix/koffi-linux-${arch}`, name => name === path).files.get(path);
}

/** `packages` with the one that koffi's native half for `arch` comes in; koffi's licence is its own too. */
export function withKoffiOf(arch, packages) {
  const name = `@koromix/koffi-linux-${arch}`;
  const koffi = packages.find(one => one.name === 'koffi');
  const own = JSON.parse(packageFiles(name, path => path === 'package.json').files.get('package.json'));
  if (own.license !== koffi.licence) throw new Error(`${name} is not under the licence of koffi`);
  const { version, description } = own;
  return [{ ...koffi, name, version, description }, ...packages].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** `node`: of `arch`. This process is run by Node of the same version, for the layout of an application is Node's own. */
export function makeExecutable(arch, node, { main, workers }) {
  const assets = {
    'build.json': readFileSync(join(root, 'dist', 'build.json')),
    'core.wasm': readFileSync(join(root, 'dist', 'core.wasm')),
    'koffi.node': koffiOf(arch),
    ...workers,
  };
  return embed(node.executable, layOut(main, assets));
}

function layOut(main, assets) {
  const folder = mkdtempSync(join(tmpdir(), 'vpnr-portable-'));
  const put = (name, bytes) => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  };
  try {
    // Its name is in stack traces.
    put('vpnr.cjs', main);
    for (const [name, bytes] of Object.entries(assets)) put(join('assets', name), bytes);
    const settings = {
      main: 'vpnr.cjs',
      output: 'blob',
      disableExperimentalSEAWarning: true,
      // Code that was compiled on one architecture is no use on another, and oclif wants import().
      useCodeCache: false,
      useSnapshot: false,
      execArgvExtension: 'none',
      assets: Object.fromEntries(
        Object.keys(assets)
          .sort()
          .map(name => [name, join('assets', name)]),
      ),
    };
    put('sea.json', JSON.stringify(settings));
    execFileSync(process.execPath, ['--experimental-sea-config', 'sea.json'], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {},
    });
    return readFileSync(join(folder, 'blob'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
