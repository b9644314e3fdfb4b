/** One line of JSON asks a running vpnr, one line answers. */
import type { ErrorCode } from '../errors.js';

export type ControlRequest = { command: 'status' } | { command: 'disconnect' };

export type ControlResponse<Status> =
  | { ok: true; status?: Status }
  | { ok: false; code: ErrorCode; message: string };

export const MAX_REQUEST_BYTES = 4096;
