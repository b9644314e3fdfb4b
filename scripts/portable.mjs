// Makes vpnr for machines without Node, in the folder portable/ or the one behind --out: for linux-x64 and linux-arm64 an executable, an archive and a
// Debian package with that and what is installed beside it, a bill of materials, and checksums.
// `node scripts/portable.mjs [--out FOLDER] [x64] [arm64]`, both without a name. The same commit gives the same files, to the bit.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { arch as ownArch } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildDist, root, sourceDate, sourceState } from './compile.mjs';
import { makeArchives } from './portable/archives.mjs';
import { billOfMaterials } from './portable/bill.mjs';
import { bundleProgram } from './portable/bundle.mjs';
import { makeExecutable, nodeOf, nodeProgram, withKoffiOf } from './portable/executable.mjs';
import { licenceNotices, packagesIn } from './portable/licences.mjs';

const ARCHITECTURES = ['x64', 'arm64'];
/** In the environment of this script when it is run by the Node that goes into the executable. */
const AGAIN = 'VPNR_BUILD_PORTABLE';

async function makeAll(out, architectures) {
  // These load what has been built.
  const { helpFiles } = await import('./help/all.mjs');
  const { commandManifest } = await import('./help/commands.mjs');
  const known = await commandManifest();
  const program = await bundleProgram(known);
  const common = packagesIn(program.inputs);
  const date = sourceDate();
  const help = helpFiles(known, date);
  const { description } = known;
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const sums = [];
  const put = (name, bytes, mode) => {
    writeFileSync(join(out, name), bytes, { mode });
    sums.push(`${createHash('sha256').update(bytes).digest('hex')}  ${name}\n`);
  };
  for (const arch of architectures) {
    const node = nodeOf(arch);
    const executable = makeExecutable(arch, node, program);
    const packages = withKoffiOf(arch, common);
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
  writeFileSync(join(out, 'SHA256SUMS'), sums.join(''));
}

/** Runs this script by the Node that goes into the executable: what is made must not depend on the one that is here. */
function runByThatNode(args) {
  buildDist();
  const { status } = spawnSync(nodeProgram(ownArch()), [join(root, 'scripts', 'portable.mjs'), ...args], {
    stdio: 'inherit',
    env: { ...process.env, [AGAIN]: '1' },
  });
  process.exitCode = status ?? 1;
}

const { values, positionals: names } = parseArgs({
  options: { out: { type: 'string', default: join(root, 'portable') } },
  allowPositionals: true,
});
if (!names.every(name => ARCHITECTURES.includes(name)) || !ARCHITECTURES.includes(ownArch())) {
  console.error(
    `usage: npm run build:portable -- [--out FOLDER] [${ARCHITECTURES.join('] [')}]     on one of these`,
  );
  process.exitCode = 2;
} else if (process.env[AGAIN] === undefined) runByThatNode(process.argv.slice(2));
else await makeAll(resolve(values.out), names.length === 0 ? ARCHITECTURES : names);
