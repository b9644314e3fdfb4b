/** Which running vpnr a command means. */
import { runningNames } from '../control/client.js';
import { VpnrError } from '../errors.js';

/** The one named, or the only one there is. Throws NOT_RUNNING or USAGE. */
export function onlyRunning(name: string | undefined): string {
  if (name !== undefined) return name;
  const [only, ...others] = runningNames();
  if (only === undefined) throw new VpnrError('NOT_RUNNING', 'no connection is running');
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
