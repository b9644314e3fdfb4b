import { readFileSync } from 'node:fs';

/** Linear memory and the raw exports; an i64 is a bigint, signed when it comes back, a bool is 0 or 1. */
export interface Core {
  memory: Uint8Array;
  view: DataView;
  // biome-ignore lint/suspicious/noExplicitAny: what the exports take and return is said in assembly/, not here
  exports: any;
}

const compiled = new WebAssembly.Module(readFileSync(new URL('../../src/core.wasm', import.meta.url)));

/** A fresh instance of the packet core: zeroed memory, no sessions, no associations. */
export function loadCore(): Core {
  const { memory, ...exports } = new WebAssembly.Instance(compiled, {}).exports;
  const { buffer } = memory as WebAssembly.Memory;
  return {
    memory: new Uint8Array(buffer),
    view: new DataView(buffer),
    exports,
  };
}
