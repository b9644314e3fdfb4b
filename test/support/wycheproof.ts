import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A case of one of Project Wycheproof's files; the fields beside these three depend on the file. */
export type WycheproofCase = {
  tcId: number;
  result: 'valid' | 'acceptable' | 'invalid';
  flags: string[];
} & Record<string, string>;

export type WycheproofGroup = { tests: WycheproofCase[] } & Record<string, string | number>;

// The tests run from .build/test/support.
const project = fileURLToPath(new URL('../../../', import.meta.url));
const folder = process.env.VPNR_VECTORS ?? join(project, '../shared/vectors/wycheproof');

/**
 * The groups of a file, such as `x25519_test.json`. When it is not there, undefined; the test then counts as skipped. The
 * folder is $VPNR_VECTORS, or ../shared/vectors/wycheproof beside the project.
 */
export function wycheproof(file: string): WycheproofGroup[] | undefined {
  const path = join(folder, file);
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')).testGroups;
  // uvu's dots leave the line unfinished.
  console.log(`\n# skipped 1: no ${file} in ${folder} (set VPNR_VECTORS)`);
  return undefined;
}
