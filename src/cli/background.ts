/**
 * A connection in the background. The process in front starts another one, in a session of its own, and shows what that tells over
 * a channel until it is connected or has failed; from then on it is alone, and writes to its log.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { ConnectionEvent } from '../client/events.js';
import { aborted } from '../control/aborted.js';
import { loggedEvent } from '../control/event-log.js';
import { LogFile } from '../control/log-file.js';
import type { ErrorCode } from '../errors.js';
import { toVpnrError, VpnrError } from '../errors.js';
import { ownProgram } from '../lab/index.js';

/** Given to the process in the background only. */
export const BACKGROUND_FLAG = 'background';

interface ErrorEvent {
  event: 'error';
  code: ErrorCode;
  message: string;
  remedy?: string | undefined;
}

type Told = ConnectionEvent | ErrorEvent;

/**
 * Runs `vpnr ARGUMENTS` in the background; resolves with its process number when it is connected. Throws the error that it ended
 * with. When `signal` is aborted before, ends it, and resolves with undefined.
 */
export async function startInBackground(
  args: readonly string[],
  show: (event: ConnectionEvent) => void,
  signal: AbortSignal,
): Promise<number | undefined> {
  const [program = '', ...script] = ownProgram();
  const child = spawn(program, [...script, ...args, `--${BACKGROUND_FLAG}`], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  // The channel ends behind the last message, which says why the process ended.
  const ended = Promise.all([once(child, 'exit'), once(child, 'disconnect')]);
  let failure: VpnrError | undefined;
  const connected = new Promise<'connected'>(resolve => {
    child.on('message', (told: Told) => {
      if (told.event === 'error') failure = new VpnrError(told.code, told.message, remedyOf(told));
      else {
        show(told);
        if (told.event === 'connected') resolve('connected');
      }
    });
  });
  ended.catch(() => {});
  const outcome = await Promise.race([connected, ended, aborted(signal)]);
  if (outcome === 'connected') {
    child.unref();
    return child.pid;
  }
  if (signal.aborted) {
    child.kill('SIGTERM');
    await ended;
    return undefined;
  }
  throw failure ?? new VpnrError('NOT_RUNNING', 'it was ended before it was connected');
}

/**
 * Runs a connection in the process in the background: what it tells goes to its log, and until it is connected to the process in
 * front. When that ends before, so does the connection.
 */
export async function runInBackground(
  name: string,
  signal: AbortSignal,
  run: (signal: AbortSignal, emit: (event: ConnectionEvent) => void) => Promise<void>,
): Promise<void> {
  const alone = new AbortController();
  const abandon = () => alone.abort('the command in front has ended');
  process.once('disconnect', abandon);
  let log: LogFile | undefined;
  try {
    const opened = LogFile.open(name);
    log = opened;
    await run(AbortSignal.any([signal, alone.signal]), event => {
      opened.append(loggedEvent('client', event));
      tell(event);
      if (event.event !== 'connected' || !process.connected) return;
      process.off('disconnect', abandon);
      process.disconnect();
    });
  } catch (error) {
    const { code, message, remedy, stack } = toVpnrError(error);
    const event: ErrorEvent = { event: 'error', code, message, remedy };
    const detailed = code === 'INTERNAL' ? { ...event, stack } : event;
    log?.append(loggedEvent('client', detailed));
    tell(event);
    throw error;
  } finally {
    log?.close();
    if (process.connected) {
      process.off('disconnect', abandon);
      process.disconnect();
    }
  }
}

function tell(event: Told): void {
  if (process.connected) process.send?.(event);
}

function remedyOf({ remedy }: ErrorEvent): { remedy?: string } {
  return remedy === undefined ? {} : { remedy };
}
