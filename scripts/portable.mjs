// Makes vpnr for machines without Node, in the folder portable/: for linux-x64 and linux-arm64 an executable, an archive and a
// Debian package with that and what is installed beside it, a bill of materials, and checksums.
// `node scripts/portable.mjs [x64] [arm64]`, both without a name. The same commit gives the same files, to the bit.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { arch as ownArch } from 'node:os';
import { join } from 'node:path';
import { buildDist, root, sourceDate, sourceState } from './compile.mjs';
import { makeArchives } from './portable/archives.mjs';
import { billOfMaterials } from './portable/bill.mjs';
import { bundleProgram } from './portable/bundle.mjs';
import { makeExecutable, nodeOf, nodeProgram } from './portable/executable.mjs';
import { licenceNotices, packagesIn } from './portable/licences.mjs';

const ARCHITECTURES = ['x64', 'arm64'];
const OUT = join(root, 'portable');
/** In the environment of this script when it is run by the Node that goes into the executable. */
const AGAIN = 'VPNR_BUILD_PORTABLE';

async function makeAll(architectures) {
  // These load what has been built.
  const { helpFiles } = await import('./help/all.mjs');
  const { commandManifest } = await import('./help/commands.mjs');
  const known = await commandManifest();
  const program = await bundleProgram(known);
  const packages = packagesIn(program.inputs);
  const date = sourceDate();
  const help = helpFiles(known, date);
  const { description } = known;
  rmSync(OUT, { recursive: true, force: true });
  mkdirSync(OUT, { recursive: true });
  const sums = [];
  const put = (name, bytes, mode) => {
    writeFileSync(join(OUT, name), bytes, { mode });
    sums.push(`${createHash('sha256').update(bytes).digest('hex')}  ${name}\n`);
  };
  for (const arch of architectures) {
    const node = nodeOf(arch);
    const executable = makeExecutable(arch, node, program);
    const { versions } = process;
    const state = sourceState();
    const bill = billOfMaterials({ arch, description, packages, node, versions, executable, state, date });
    const notices = licenceNotices(packages, node);
    put(`vpnr-linux-${arch}`, executable, 0o755);
    put(`vpnr-${description.version}-linux-${arch}.cdx.json`, bill);
    const archives = await makeArchives(
      description,
      arch,
      { executable, help, notices, bill },
      date.getTime() / 1000,
    );
    for (const [name, bytes] of Object.entries(archives)) put(name, bytes);
  }
  writeFileSync(join(OUT, 'SHA256SUMS'), sums.join(''));
}

/** Runs this script by the Node that goes into the executable: what is made must not depend on the one that is here. */
function runByThatNode(names) {
  buildDist();
  const { status } = spawnSync(nodeProgram(ownArch()), [join(root, 'scripts', 'portable.mjs'), ...names], {
    stdio: 'inherit',
    env: { ...process.env, [AGAIN]: '1' },
  });
  process.exitCode = status ?? 1;
}

const names = process.argv.slice(2);
if (!names.every(name => ARCHITECTURES.includes(name)) || !ARCHITECTURES.includes(ownArch())) {
  console.error(`usage: npm run build:portable -- [${ARCHITECTURES.join('] [')}]     on one of these`);
  process.exitCode = 2;
} else if (process.env[AGAIN] === undefined) runByThatNode(names);
else await makeAll(names.length === 0 ? ARCHITECTURES : names);
