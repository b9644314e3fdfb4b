import { isSea } from 'node:sea';
import { assetPath } from '../assets.js';

/** A command line that runs `vpnr`, as in ["node", "dist/cli.js"]. */
export type Program = readonly string[];

/** The command line that runs this very vpnr, as its script or as a single executable. */
export function ownProgram(): Program {
  return isSea() ? [process.execPath] : [process.execPath, assetPath('cli.js')];
}
