/** One line of JSON asks a running vpnr, one line answers. */
import type { ErrorCode } from '../errors.js';

export type ControlRequest =
  | { command: 'status' }
  /** Answered when everything is put back. */
  | { command: 'disconnect' }
  /** A client: carry the traffic through this gateway from now on. Answered when it does. */
  | { command: 'switch'; gateway: string }
  /** A gateway: send the clients elsewhere, answered when they have left. A relay: tell them that it is about to stop. */
  | { command: 'drain' }
  /** A gateway or a relay: read the list of clients in the configuration anew. */
  | { command: 'reload' };

/**
 * The only one that is answered by more than one line: the last `lines` events, each on a line behind the answer, and with
 * `follow` also those to come (LogEntry).
 */
export interface LogRequest {
  command: 'logs';
  lines: number;
  follow: boolean;
}

export type ControlResponse<Result> =
  | { ok: true; result?: Result }
  | { ok: false; code: ErrorCode; message: string; remedy?: string };

export const MAX_REQUEST_BYTES = 4096;
