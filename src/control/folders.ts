/** Where a running vpnr keeps what others must find, and what must survive it. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileError } from '../file-error.js';

/** Sockets and journals: gone after a restart of the machine. */
export function runtimeFolder(): string {
  return process.env.VPNR_RUNTIME_DIR ?? '/run/vpnr';
}

/** Relay sessions: they survive a restart of the machine. */
export function stateFolder(): string {
  return process.env.VPNR_STATE_DIR ?? '/var/lib/vpnr';
}

/** Creates the folder for its owner alone, if it is not there. Throws NOT_ROOT or SYSTEM_CALL. */
export function ensureFolder(folder: string): string {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw fileError(`cannot make ${folder}`, error, {
      place: dirname(folder),
      otherwise: `see what ${folder} is`,
    });
  }
  return folder;
}

export function socketPath(name: string, folder = runtimeFolder()): string {
  return join(folder, `${name}.sock`);
}
