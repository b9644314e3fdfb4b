/** Standard output that takes no more. */
import { VpnrError } from '../errors.js';
import { describeError } from './text.js';

/**
 * Says once, in one line, that standard output cannot be written (its disk is full, for instance), and lets the exit status tell it,
 * too. What runs goes on: a connection does not end because its events find no room. A reader that has gone away, as `head` does, is
 * no error. To be called again once oclif is loaded: its own listener throws.
 */
export function reportLostOutput(): void {
  process.stdout.removeAllListeners('error');
  process.stdout.once('error', (error: NodeJS.ErrnoException) => {
    process.stdout.on('error', () => {});
    if (error.code === 'EPIPE') return;
    const lost = new VpnrError('SYSTEM_CALL', `standard output cannot be written: ${error.message}`, {
      remedy: 'make room where it goes, and run it again',
    });
    process.stderr.write(`${describeError(lost)}\n`);
    process.exitCode = lost.exitStatus;
  });
}
