import { setImmediate } from 'node:timers/promises';
import type { Progress } from './progress.js';

/** What every benchmark is given. */
export interface BenchContext {
  /** Aborted on Ctrl-C: the benchmark removes what it has made and throws. */
  signal: AbortSignal;
  progress: Progress;
  /** A rough result in a few seconds: fewer and shorter rounds. */
  quick: boolean;
}

/** Lets signals and timers through between two pieces of work that do not wait; throws when the benchmark is to end. */
export async function breathe({ signal }: Pick<BenchContext, 'signal'>): Promise<void> {
  await setImmediate();
  signal.throwIfAborted();
}

/**
 * The promise's result, or the reason why the benchmark is to end as soon as it is. What was promised then goes on unheeded:
 * whoever aborts ends what it waits for.
 */
export async function unlessAborted<T>(
  { signal }: Pick<BenchContext, 'signal'>,
  promise: Promise<T>,
): Promise<T> {
  promise.catch(() => {});
  signal.throwIfAborted();
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop);
  });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', stop));
}
