// Measures. `node scripts/bench.mjs [crypto | failover | relay | tunnel] [OPTION ...]` builds and runs `vpnr bench ...`, all of them
// without a name (of failover, which takes hours, the quick part); `node scripts/bench.mjs kernel NAME ...` runs bench/NAME.ts, a part of the packet core measured alone.
import { spawnSync } from 'node:child_process';
import { basename, dirname, join } from 'node:path';
import { buildDist, filesBelow, root, transpile } from './compile.mjs';

const BENCHMARKS = filesBelow('src/commands/bench', '.ts').map(file => basename(file, '.ts'));
const QUICK = '--quick';
/** Those that are run quickly unless they are named. */
const LONG = ['failover'];
const KERNELS = filesBelow('bench', '.ts')
  .filter(file => dirname(file) === 'bench')
  .map(file => basename(file, '.ts'));

function run(script, args) {
  const { status } = spawnSync(process.execPath, [join(root, script), ...args], { stdio: 'inherit' });
  if (status !== 0) process.exitCode = status ?? 1;
}

function benchmark(name, options) {
  buildDist();
  run('dist/cli.js', ['bench', name, ...options]);
}

function allBenchmarks(options) {
  buildDist();
  for (const name of BENCHMARKS) {
    const quick = LONG.includes(name) && !options.includes(QUICK) ? [QUICK] : [];
    run('dist/cli.js', ['bench', name, ...quick, ...options]);
  }
}

function kernels(names) {
  transpile();
  for (const name of names) run(join('.build', 'bench', `${name}.js`), []);
}

const [name, ...rest] = process.argv.slice(2);
if (name === undefined || name.startsWith('-')) allBenchmarks(process.argv.slice(2));
else if (BENCHMARKS.includes(name)) benchmark(name, rest);
else if (name === 'kernel' && rest.every(kernel => KERNELS.includes(kernel)))
  kernels(rest.length === 0 ? KERNELS : rest);
else {
  console.error('usage: npm run bench                          all of the benchmarks');
  console.error(`       npm run bench -- NAME [OPTION ...]     of ${BENCHMARKS.join(', ')}`);
  console.error(`       npm run bench -- kernel [NAME ...]     of ${KERNELS.join(', ')}`);
  process.exitCode = 2;
}
