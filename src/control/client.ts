/** Asking a running vpnr. */
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { VpnrError } from '../errors.js';
import { fileError } from '../file-error.js';
import type { LogEntry } from './event-log.js';
import { runtimeFolder, socketPath } from './folders.js';
import type { ControlRequest, ControlResponse, LogRequest } from './protocol.js';

/** Putting everything back, or sending clients away, may take a while; a status may not. */
const TIMEOUT_MS: Record<ControlRequest['command'], number> = {
  status: 5000,
  disconnect: 30_000,
  switch: 30_000,
  drain: 60_000,
  reload: 10_000,
};

/** Names of what may be running here: one for each socket found. Throws NOT_ROOT. */
export function runningNames(): string[] {
  const folder = runtimeFolder();
  try {
    return readdirSync(folder)
      .filter(file => file.endsWith('.sock'))
      .map(file => file.slice(0, -'.sock'.length))
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fileError('what is running cannot be seen', error, {
      place: folder,
      otherwise: `see what ${folder} is, and what VPNR_RUNTIME_DIR says`,
    });
  }
}

/** Asks the process called `name`, whose socket is in `folder`. Throws NOT_RUNNING, NOT_ROOT or what the process answered. */
export function ask<Result>(
  name: string,
  request: ControlRequest,
  folder?: string,
): Promise<Result | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath(name, folder));
    let text = '';
    socket.setEncoding('utf8');
    socket.setTimeout(TIMEOUT_MS[request.command], () =>
      socket.destroy(
        new VpnrError('SYSTEM_CALL', `${name} does not answer`, { remedy: 'look at its output, or end it' }),
      ),
    );
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('error', error => reject(explain(name, error)));
    socket.on('end', () => {
      try {
        resolve(resultOf(JSON.parse(text) as ControlResponse<Result>));
      } catch (error) {
        reject(
          error instanceof VpnrError
            ? error
            : new VpnrError('NOT_RUNNING', `${name} ended without an answer`, {
                remedy: `see what it said last: vpnr logs ${name}`,
              }),
        );
      }
    });
  });
}

/** The same where an answer without a result is a mistake. Throws as `ask`, and INTERNAL. */
export async function askFor<Result>(name: string, request: ControlRequest): Promise<Result> {
  const result = await ask<Result>(name, request);
  if (result === undefined) throw new VpnrError('INTERNAL', `${name} did not say what it did`);
  return result;
}

/**
 * The events of the process called `name`: the last `lines`, and with `follow` all others until it ends or `signal` is aborted.
 * Whoever takes them slowly misses some, and is told so. Throws as `ask`.
 */
export async function* eventsOf(
  name: string,
  request: Omit<LogRequest, 'command'>,
  signal?: AbortSignal,
): AsyncGenerator<LogEntry> {
  const socket = connect(socketPath(name));
  const stop = () => socket.destroy();
  signal?.addEventListener('abort', stop);
  try {
    socket.setEncoding('utf8');
    socket.write(`${JSON.stringify({ command: 'logs', ...request } satisfies LogRequest)}\n`);
    let rest = '';
    let accepted = false;
    for await (const chunk of socket as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (accepted) yield JSON.parse(line) as LogEntry;
        else resultOf(JSON.parse(line) as ControlResponse<never>);
        accepted = true;
      }
    }
  } catch (error) {
    if (signal?.aborted !== true) throw explain(name, error as Error);
  } finally {
    signal?.removeEventListener('abort', stop);
    socket.destroy();
  }
}

function resultOf<Result>(response: ControlResponse<Result>): Result | undefined {
  if (response.ok) return response.result;
  const { code, message, remedy } = response;
  throw new VpnrError(code, message, remedy === undefined ? {} : { remedy });
}

function explain(name: string, error: NodeJS.ErrnoException): VpnrError {
  if (error instanceof VpnrError) return error;
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    return new VpnrError('NOT_ROOT', `no permission to talk to ${name}`, {
      remedy: 'run it as root, as vpnr itself runs',
    });
  }
  return new VpnrError('NOT_RUNNING', `${name} is not running`, {
    remedy: 'see what is: vpnr status',
    cause: error,
  });
}
