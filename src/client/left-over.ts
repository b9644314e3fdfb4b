/** What connections, relays and gateways left behind that ended without putting everything back. */
import { rmSync } from 'node:fs';
import { runtimeFolder, socketPath } from '../control/folders.js';
import { NetworkChanges } from '../io/changes.js';
import { Journal } from '../io/journal.js';

/** The names of those. */
export function leftOver(): string[] {
  const folder = runtimeFolder();
  return Journal.names(folder).filter(name => Journal.isLeftOver(name, folder));
}

/** The names of those whose kill switch is on. */
export function leftKillSwitches(): string[] {
  const folder = runtimeFolder();
  return leftOver().filter(name => Journal.stepsOf(name, folder).some(({ undo }) => undo.kind === 'table'));
}

/**
 * Puts back what the one of this name left, or all of it but its kill switch; false if it left nothing, or runs. Throws what could
 * not be put back.
 */
export async function putBack(name: string, options: { keepKillSwitch?: boolean } = {}): Promise<boolean> {
  const folder = runtimeFolder();
  if (!Journal.isLeftOver(name, folder)) return false;
  const journal = Journal.open(name, folder);
  try {
    const kept = options.keepKillSwitch ? 'table' : undefined;
    const [error] = await new NetworkChanges(journal, '').undoAll(kept);
    if (error !== undefined) throw error;
    rmSync(socketPath(name), { force: true });
    return true;
  } finally {
    journal.close();
  }
}
