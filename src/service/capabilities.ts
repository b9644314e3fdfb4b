/** The rights that a running connection, relay or gateway needs: those of its systemd unit, and those that it keeps by hand. */
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Role } from '../control/event-log.js';
import type { Capability } from '../io/capabilities.js';

/** capabilities(7): devices, routes, addresses, rules and socket buffers; ports below 1024; files of an operator who is not root. */
const COMMON = ['CAP_NET_ADMIN', 'CAP_NET_BIND_SERVICE', 'CAP_DAC_READ_SEARCH'] as const;

export const NEEDED: Record<Role, readonly Capability[]> = {
  client: COMMON,
  gateway: COMMON,
  // IP in IP.
  relay: [...COMMON, 'CAP_NET_RAW'],
};

/**
 * Those, and CAP_DAC_OVERRIDE where one of the folders that it writes to belongs to somebody else: whoever has it can change any
 * file.
 */
export function neededCapabilities(role: Role, writes: readonly string[]): Capability[] {
  return writes.every(isOwn) ? [...NEEDED[role]] : [...NEEDED[role], 'CAP_DAC_OVERRIDE'];
}

/** Whether this user may write there by ownership alone; of a folder that is not there yet, where it will be made. */
function isOwn(folder: string): boolean {
  try {
    const found = statSync(folder, { throwIfNoEntry: false });
    if (found === undefined) return dirname(folder) !== folder && isOwn(dirname(folder));
    return found.uid === process.geteuid?.() && (found.mode & 0o200) !== 0;
  } catch {
    // Not even to be looked at.
    return false;
  }
}
