// Compiling: AssemblyScript to the packet core, TypeScript to JavaScript.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { licenceNotices, packagesIn } from './portable/licences.mjs';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** What oclif knows of the commands in `dist/`. */
export const MANIFEST = join(root, 'oclif.manifest.json');
const bin = name => join(root, 'node_modules', '.bin', name);

/** All files below `folder` (relative to the project) that end in `suffix`, sorted. */
export function filesBelow(folder, suffix) {
  const found = [];
  const walk = path => {
    for (const entry of readdirSync(join(root, path), { withFileTypes: true })) {
      const child = join(path, entry.name);
      if (entry.isDirectory()) walk(child);
      else if (entry.name.endsWith(suffix)) found.push(child);
    }
  };
  if (existsSync(join(root, folder))) walk(folder);
  return found.sort();
}

/** Compiles the packet core to `out` unless `out` is newer than all of its sources. */
export function compileCore(out) {
  const sources = [...filesBelow('assembly', '.ts'), 'src/packet/abi.ts', 'asconfig.json', 'package.json'];
  const target = join(root, out);
  if (existsSync(target) && statSync(target).mtimeMs > newestOf(sources)) return;
  mkdirSync(dirname(target), { recursive: true });
  execFileSync(bin('asc'), ['assembly/index.ts', '--target', 'release', '--outFile', out], {
    cwd: root,
    stdio: 'inherit',
  });
}

/** Translates src, test and bench to `.build/` without checking types: quick, for tests and benchmarks. */
export function transpile() {
  const out = join(root, '.build');
  const sources = ['src', 'test', 'bench'].flatMap(folder => filesBelow(folder, '.ts'));
  for (const folder of ['src', 'test', 'bench']) {
    for (const file of existsSync(join(out, folder)) ? filesBelow(join('.build', folder), '.js') : []) {
      const source = file.slice('.build/'.length).replace(/\.js$/, '.ts');
      if (!sources.includes(source)) rmSync(join(root, file));
    }
  }
  execFileSync(
    bin('esbuild'),
    [
      ...sources,
      '--outdir=.build',
      '--outbase=.',
      '--format=esm',
      '--platform=node',
      '--target=node20',
      '--sourcemap=inline',
      '--log-level=warning',
    ],
    { cwd: root, stdio: 'inherit' },
  );
  compileCore('.build/src/core.wasm');
  writeBuildFile('.build/src');
}

/** The commit that is built, of 40 digits, or null when there is none, and whether the sources differ from it. */
export function sourceState() {
  const git = (...args) => spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  // The prefix is empty unless this folder lies in somebody else's repository.
  const head = git('rev-parse', '--show-prefix', 'HEAD');
  const [prefix, commit] = head.stdout?.split('\n') ?? [];
  if (head.status !== 0 || prefix !== '') return { commit: null, modified: false };
  return { commit, modified: git('status', '--porcelain').stdout !== '' };
}

/** The time of what is built: SOURCE_DATE_EPOCH, or the commit's, or npm's own constant for files in packages. */
export function sourceDate() {
  const { SOURCE_DATE_EPOCH } = process.env;
  const commit = spawnSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' });
  const seconds = SOURCE_DATE_EPOCH || (sourceState().commit !== null && commit.stdout.trim()) || 499162500;
  return new Date(Number(seconds) * 1000);
}

/** Writes what `vpnr --version` tells of the build, unless it stands there. */
function writeBuildFile(folder) {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const file = join(root, folder, 'build.json');
  const text = `${JSON.stringify({ version, ...sourceState() })}\n`;
  if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeFileSync(file, text);
}

/** Builds `dist/`: the command, checked and complete; what is newer than all of its sources is not built again. */
export function buildDist() {
  buildProgram();
  writeBuildFile('dist');
}

function buildProgram() {
  const complete = join(root, '.build', 'dist.complete');
  const settings = ['asconfig.json', 'package.json', 'tsconfig.json', 'tsconfig.build.json'];
  const newest = newestOf([...filesBelow('src', ''), ...filesBelow('assembly', '.ts'), ...settings]);
  const present = [join(root, 'dist'), MANIFEST].every(path => existsSync(path));
  if (present && existsSync(complete) && statSync(complete).mtimeMs > newest) return;
  for (const old of [join(root, 'dist'), MANIFEST]) rmSync(old, { recursive: true, force: true });
  execFileSync(bin('tsc'), ['-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
  mkdirSync(dirname(complete), { recursive: true });
  bundleServices();
  compileCore('dist/core.wasm');
  chmodSync(join(root, 'dist', 'cli.js'), 0o755);
  // A process of its own, which loads what has just been built.
  execFileSync(process.execPath, [join(root, 'scripts', 'manifest.mjs')], { cwd: root, stdio: 'inherit' });
  writeFileSync(complete, '');
}

/** What is to be there soon, below `dist/`: loading it from one file takes a third of the time that hundreds take. */
const BUNDLED = ['cli/serve.js', 'dataplane/worker.js'];

/** In front of each: where `src/assets.ts` would be, and what packages in the older module format ask for. */
const PREAMBLE = [
  "import { createRequire as makeRequire } from 'node:module';",
  'const require = makeRequire(import.meta.url);',
  "const ASSETS = new URL('../assets.js', import.meta.url).href;",
];

/** Puts each of these files together with all that it imports, but for native packages, which it finds as before; what is imported later, or by both, in files beside the first. */
function bundleServices() {
  execFileSync(
    bin('esbuild'),
    [
      ...BUNDLED.map(file => join('dist', file)),
      '--bundle',
      '--outdir=dist',
      '--outbase=dist',
      '--splitting',
      '--chunk-names=cli/[name]-[hash]',
      '--minify-whitespace',
      '--allow-overwrite',
      '--format=esm',
      '--platform=node',
      '--target=node20',
      '--preserve-symlinks',
      '--external:koffi',
      '--external:tuntap2',
      '--legal-comments=none',
      '--metafile=.build/services.json',
      '--define:import.meta.url=ASSETS',
      `--banner:js=${PREAMBLE.join('\n')}`,
      '--log-level=warning',
    ],
    { cwd: root, stdio: 'inherit' },
  );
  const { inputs } = JSON.parse(readFileSync(join(root, '.build', 'services.json'), 'utf8'));
  const packages = packagesIn(Object.keys(inputs), ['assemblyscript']);
  writeFileSync(join(root, 'dist', 'NOTICES'), licenceNotices(packages));
}

function newestOf(files) {
  return Math.max(...files.map(file => statSync(join(root, file)).mtimeMs));
}
