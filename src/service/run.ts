/** A server from start to end: what it takes from the system it gives back, on every way out. */
import { aborted } from '../control/aborted.js';
import { CleanUp } from '../control/clean-up.js';
import type { Role } from '../control/event-log.js';
import { type ControlHandlers, ControlServer } from '../control/server.js';
import type { VpnrError } from '../errors.js';
import { onHangUp } from './hang-up.js';

export interface ServerLife {
  /** Takes down what was built up. */
  cleanUp: CleanUp;
  /** Ends the server with this error. */
  fail(error: VpnrError): void;
  /** Ends the server as it was asked to. */
  stop(reason: string): void;
}

/**
 * Builds a server up with `setUp`, lets it serve until `signal` is aborted or it ends itself, and takes it down. Throws
 * what made it impossible, after the same clean-up.
 */
export async function runServer(
  signal: AbortSignal,
  notice: (message: string) => void,
  setUp: (life: ServerLife) => Promise<void>,
): Promise<void> {
  const cleanUp = new CleanUp();
  const stopped = new AbortController();
  let fail: (error: VpnrError) => void = () => {};
  const failure = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failure.catch(() => {});
  try {
    await setUp({ cleanUp, fail, stop: reason => stopped.abort(reason) });
    await Promise.race([failure, aborted(AbortSignal.any([signal, stopped.signal]))]);
  } finally {
    for (const error of await cleanUp.run()) notice(`could not put everything back: ${error.message}`);
  }
}

type ServerHandlers<Status> = Omit<ControlHandlers<Status>, 'disconnect'> &
  Required<Pick<ControlHandlers<Status>, 'reload'>>;

/** Answers the operator's commands for the server called `name`; SIGHUP is the one to reload. */
export async function answerControl<Status>(
  role: Role,
  name: string,
  { cleanUp, stop }: ServerLife,
  handlers: ServerHandlers<Status>,
): Promise<void> {
  // What is wrong is told as an event.
  cleanUp.add(onHangUp(role, () => void handlers.reload().catch(() => {})));
  const control = await ControlServer.listen<Status>(name, {
    ...handlers,
    disconnect: () => stop('vpnr disconnect'),
  });
  // Whoever asked for the end is answered when all is put back.
  cleanUp.addLast(() => control.close());
}
