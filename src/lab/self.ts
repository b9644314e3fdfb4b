import { isSea } from 'node:sea';
import { fileURLToPath } from 'node:url';

/** A command line that runs `vpnr`, as in ["node", "dist/cli.js"]. */
export type Program = readonly string[];

/** The command line that runs this very vpnr, as its script or as a single executable. */
export function ownProgram(): Program {
  if (isSea()) return [process.execPath];
  return [process.execPath, fileURLToPath(new URL('../cli.js', import.meta.url))];
}
