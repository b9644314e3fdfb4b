// Writes the manifest of the commands that have been built, with which oclif finds a command without loading all of them.
import { writeFileSync } from 'node:fs';
import { MANIFEST } from './compile.mjs';
import { commandManifest } from './help/commands.mjs';

const { manifest } = await commandManifest();
writeFileSync(MANIFEST, `${JSON.stringify(manifest)}\n`);
