/** The life of what runs until it is told to end. */
import { toVpnrError } from '../errors.js';

/** Exit status after Ctrl-C. */
export const INTERRUPTED = 130;

/**
 * Runs what must clean up after itself. Its signal is aborted on the first SIGINT, SIGTERM or, where that ends it, SIGHUP, and on
 * an error that nobody caught, which is thrown once the clean-up is done. A second SIGINT ends the process at once.
 */
export async function untilStopped(
  run: (signal: AbortSignal) => Promise<void>,
  hangUpEnds = true,
): Promise<void> {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals) => {
    if (controller.signal.aborted && name === 'SIGINT') process.exit(INTERRUPTED);
    controller.abort(name);
  };
  const fail = (error: unknown) => controller.abort(toVpnrError(error));
  const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', ...(hangUpEnds ? ['SIGHUP' as const] : [])];
  for (const name of signals) process.on(name, stop);
  process.on('uncaughtException', fail);
  try {
    await run(controller.signal);
  } finally {
    for (const name of signals) process.removeListener(name, stop);
    process.removeListener('uncaughtException', fail);
  }
  if (controller.signal.reason instanceof Error) throw controller.signal.reason;
}
