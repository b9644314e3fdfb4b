/** Asking a running vpnr. */
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { VpnrError } from '../errors.js';
import { runtimeFolder, socketPath } from './folders.js';
import type { ControlRequest, ControlResponse } from './protocol.js';

/** Putting everything back, or sending clients away, may take a while; a status may not. */
const TIMEOUT_MS: Record<ControlRequest['command'], number> = {
  status: 5000,
  disconnect: 30_000,
  switch: 30_000,
  drain: 60_000,
};

/** Names of what may be running here: one for each socket found. */
export function runningNames(): string[] {
  try {
    return readdirSync(runtimeFolder())
      .filter(file => file.endsWith('.sock'))
      .map(file => file.slice(0, -'.sock'.length))
      .sort();
  } catch {
    return [];
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
            : new VpnrError('NOT_RUNNING', `${name} ended without an answer`),
        );
      }
    });
  });
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
  return new VpnrError('NOT_RUNNING', `${name} is not running`, { cause: error });
}
