/** What the program has beside its own JavaScript: files below this one's folder or, in the single executable, parts of it. */
import { readFileSync } from 'node:fs';
import { getAsset, getRawAsset, isSea } from 'node:sea';
import { Worker, type WorkerOptions } from 'node:worker_threads';

/** `name`: the file's path from this one's folder. Not to be written to. */
export function readAsset(name: string): Uint8Array {
  if (isSea()) return new Uint8Array(getRawAsset(name) as ArrayBuffer);
  return readFileSync(new URL(name, import.meta.url));
}

/** Starts a thread that runs the asset `script`. */
export function startWorker(script: string, options: WorkerOptions): Worker {
  if (isSea()) return new Worker(getAsset(script, 'utf8'), { ...options, eval: true });
  return new Worker(new URL(script, import.meta.url), options);
}
