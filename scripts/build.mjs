// Builds dist/, with the manual page and the completions in dist/share/.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildDist, root, sourceDate } from './compile.mjs';

/** Resolves to what oclif knows of the commands. */
export async function build() {
  buildDist();
  // These load what has just been built.
  const { commandManifest } = await import('./help/commands.mjs');
  const { helpFiles } = await import('./help/all.mjs');
  const known = await commandManifest();
  const { manual, bash, zsh, fish } = helpFiles(known, sourceDate());
  const files = { 'man/man1/vpnr.1': manual, 'bash/vpnr': bash, 'zsh/_vpnr': zsh, 'fish/vpnr.fish': fish };
  for (const [name, text] of Object.entries(files)) {
    const path = join(root, 'dist', 'share', name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  return known;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await build();
