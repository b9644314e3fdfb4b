/** Writing for as long as somebody reads. */
import { once } from 'node:events';
import { untilStopped } from './until-stopped.js';

/** As `untilStopped`; also ends when nobody reads standard output any more (a closed pipe). */
export function untilUnread(run: (signal: AbortSignal) => Promise<void>): Promise<void> {
  return untilStopped(async stopped => {
    const unread = new AbortController();
    const stop = () => unread.abort('nobody reads');
    process.stdout.on('error', stop);
    try {
      await run(AbortSignal.any([stopped, unread.signal]));
    } finally {
      process.stdout.off('error', stop);
    }
  });
}

/** Writes a line to standard output; resolves when there is room for another. */
export async function writeLine(line: string, signal: AbortSignal): Promise<void> {
  if (process.stdout.write(`${line}\n`) || signal.aborted) return;
  await once(process.stdout, 'drain', { signal }).catch(() => {});
}
