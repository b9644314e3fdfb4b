// The parts of the ciphers, which the packet core does not export.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileWasm } from '../../src/packet/core.js';

// The tests run from .build/test/support.
const project = fileURLToPath(new URL('../../../', import.meta.url));

/** What assembly/testing.ts exports. `name`: of the file to compile to, as tests run side by side. */
export function compilePrimitives<T>(name: string): T {
  const out = join('.build', `${name}.wasm`);
  execFileSync(
    join('node_modules', '.bin', 'asc'),
    ['assembly/testing.ts', '--target', 'release', '--outFile', out],
    { cwd: project },
  );
  const module = compileWasm(readFileSync(join(project, out)));
  return new WebAssembly.Instance(module, {}).exports as unknown as T;
}
