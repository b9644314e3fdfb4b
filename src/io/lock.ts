/** Advisory locks on open files (flock(2)). The kernel frees them when the process ends, however it ends. */
import { EAGAIN, errno, flock, LOCK_EX, LOCK_NB, systemCallError } from './libc.js';

/** Takes the exclusive lock without waiting; false when another open file holds it. Freed by closing `fd`. */
export function tryLock(fd: number): boolean {
  if (flock(fd, LOCK_EX | LOCK_NB) === 0) return true;
  const reason = errno();
  // EWOULDBLOCK, which is the same number on Linux.
  if (reason === EAGAIN) return false;
  throw systemCallError('flock', reason);
}
