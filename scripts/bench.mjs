// Measures: `node scripts/bench.mjs NAME ...` builds everything and runs bench/NAME.ts; without a name it says which there are.
import { spawnSync } from 'node:child_process';
import { basename, join } from 'node:path';
import { filesBelow, root, transpile } from './compile.mjs';

const available = filesBelow('bench', '.ts').map(file => basename(file, '.ts'));
const wanted = process.argv.slice(2);
const unknown = wanted.filter(name => !available.includes(name));

if (wanted.length === 0 || unknown.length > 0) {
  if (unknown.length > 0) console.error(`no benchmark ${unknown.join(', ')}`);
  console.error(`usage: node scripts/bench.mjs NAME ...    of ${available.join(', ')}`);
  process.exitCode = 2;
} else {
  transpile();
  for (const name of wanted) {
    const { status } = spawnSync(process.execPath, [join(root, '.build', 'bench', `${name}.js`)], {
      stdio: 'inherit',
    });
    if (status !== 0) process.exitCode = 1;
  }
}
