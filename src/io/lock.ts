/** Advisory locks on open files (flock(2)). The kernel frees them when the process ends, however it ends. */
import { constants } from 'node:os';
import koffi from 'koffi';
import { VpnrError } from '../errors.js';

const LOCK_EX = 2;
const LOCK_NB = 4;

const flock = koffi.load(null).func('int flock(int fd, int operation)');

/** Takes the exclusive lock without waiting; false when another open file holds it. Freed by closing `fd`. */
export function tryLock(fd: number): boolean {
  if (flock(fd, LOCK_EX | LOCK_NB) === 0) return true;
  const errno = koffi.errno();
  if (errno === constants.errno.EWOULDBLOCK) return false;
  throw new VpnrError('SYSTEM_CALL', `flock failed with error ${errno}`);
}
