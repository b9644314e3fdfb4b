// For `npm pack`: `node scripts/package.mjs before` completes what the package needs, `after` takes away what only it needs.
// The manifest is how oclif finds the commands without loading all of them; in a work tree it would hide new ones.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './compile.mjs';

const MANIFEST = join(root, 'oclif.manifest.json');

if (process.argv[2] === 'before') {
  const { build } = await import('./build.mjs');
  const { manifest } = await build();
  writeFileSync(MANIFEST, `${JSON.stringify(manifest)}\n`);
} else rmSync(MANIFEST, { force: true });
