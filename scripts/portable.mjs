// Makes vpnr for machines without Node: `node scripts/portable.mjs [x64] [arm64]`, both without a name, in the folder portable/.
import { mkdirSync, writeFileSync } from 'node:fs';
import { arch as ownArch } from 'node:os';
import { join } from 'node:path';
import { buildDist, root } from './compile.mjs';
import { bundleProgram, commandManifest } from './portable/bundle.mjs';
import { makeExecutable, nodeOf } from './portable/executable.mjs';

const ARCHITECTURES = ['x64', 'arm64'];
const OUT = join(root, 'portable');

async function makeAll(architectures) {
  buildDist();
  const program = await bundleProgram(await commandManifest());
  const generator = nodeOf(ownArch());
  for (const arch of architectures) {
    const node = arch === ownArch() ? generator : nodeOf(arch);
    const executable = makeExecutable(arch, node, generator, program);
    mkdirSync(OUT, { recursive: true });
    writeFileSync(join(OUT, `vpnr-linux-${arch}`), executable, { mode: 0o755 });
  }
}

const wanted = process.argv.slice(2);
if (!wanted.every(name => ARCHITECTURES.includes(name)) || !ARCHITECTURES.includes(ownArch())) {
  console.error(`usage: npm run build:portable -- [${ARCHITECTURES.join('] [')}]     on one of these`);
  process.exitCode = 2;
} else await makeAll(wanted.length === 0 ? ARCHITECTURES : wanted);
