/** Which running vpnr a command means. */
import { leftOver } from '../client/left-over.js';
import { runningNames } from '../control/client.js';
import { runtimeFolder } from '../control/folders.js';
import { VpnrError } from '../errors.js';
import { Journal } from '../io/journal.js';

/** The one named, or the only one there is. Throws NOT_RUNNING or USAGE. */
export function onlyRunning(name: string | undefined): string {
  return name ?? onlyOf(runningNames().filter(isAlive));
}

/** As `onlyRunning`, among those too that have ended without putting everything back. */
export function onlyToEnd(name: string | undefined): string {
  return name ?? onlyOf([...runningNames().filter(isAlive), ...leftOver()]);
}

function onlyOf([only, ...others]: readonly string[]): string {
  if (only === undefined)
    throw new VpnrError('NOT_RUNNING', 'nothing is running', {
      remedy: 'start one: vpnr connect, relay or gateway -c FILE',
    });
  if (others.length > 0) {
    throw new VpnrError('USAGE', `several are running: ${[only, ...others].join(', ')}`, {
      remedy: 'name one of them',
    });
  }
  return only;
}

/** The one named, or all that may be running. */
export function namesOrAll(name: string | undefined): string[] {
  return name === undefined ? runningNames() : [name];
}

/** A process that was killed leaves its socket behind, but nobody holds its journal. */
function isAlive(name: string): boolean {
  return Journal.owner(name, runtimeFolder()) !== undefined;
}
