/** What the system says of files, as errors of vpnr's own. */
import { VpnrError } from './errors.js';

/** What to do for want of rights. */
export const SUDO = 'run it with sudo';

const RIGHTS = ['EACCES', 'EPERM'];
const ROOM = ['ENOSPC', 'EDQUOT'];

/** Whether it was for want of rights that root would have. */
export function isForbidden(error: unknown): boolean {
  return process.geteuid?.() !== 0 && RIGHTS.includes((error as NodeJS.ErrnoException).code ?? '');
}

/**
 * NOT_ROOT or SYSTEM_CALL, for a file that could not be read or written. `what` begins the message ("the log cannot be
 * written"); `place` is the file or folder to make room in; `otherwise` is what to do when neither rights nor room are missing.
 */
export function fileError(
  what: string,
  error: unknown,
  { place, otherwise }: { place: string; otherwise: string },
): VpnrError {
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (isForbidden(error))
    return new VpnrError('NOT_ROOT', `${what}: ${message}`, { remedy: SUDO, cause: error });
  const remedy = ROOM.includes(code) ? `make room in ${place}` : otherwise;
  return new VpnrError('SYSTEM_CALL', `${what}: ${message}`, { remedy, cause: error });
}
