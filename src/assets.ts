/** What the program has beside its own JavaScript: files below this one's folder or, in the single executable, parts of it. */
import { readFileSync } from 'node:fs';
import { getAsset, getRawAsset, isSea } from 'node:sea';
import { fileURLToPath } from 'node:url';
import { Worker, type WorkerOptions } from 'node:worker_threads';

/** Where the file is, unless this is the single executable. `name`: its path from this one's folder. */
export function assetPath(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** Not to be written to. */
export function readAsset(name: string): Uint8Array {
  if (isSea()) return new Uint8Array(getRawAsset(name) as ArrayBuffer);
  return readFileSync(assetPath(name));
}

/** Starts a thread that runs the asset `script`. */
export function startWorker(script: string, options: WorkerOptions): Worker {
  if (isSea()) return new Worker(getAsset(script, 'utf8'), { ...options, eval: true });
  return new Worker(assetPath(script), options);
}
