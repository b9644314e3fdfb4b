/** Reading a server's configuration anew while it serves. Its list of clients counts at once, all else from the next start on. */
import { isDeepStrictEqual } from 'node:util';
import { toVpnrError } from '../errors.js';
import type { RosterChange } from './roster.js';

export interface Reloaded extends RosterChange {
  /** Other sections of the configuration that are not as they were at the start. */
  restart: string[];
}

export type ReloadEvent = ({ type: 'reloaded' } & Reloaded) | { type: 'notice'; message: string };

/** The sections, but the list of clients, in which two configurations differ. */
export function otherChanges(before: object, after: object): string[] {
  const [was, is] = [before, after].map(config => new Map(Object.entries(config)));
  return [...new Set([...(was?.keys() ?? []), ...(is?.keys() ?? [])])].filter(
    key => key !== 'clients' && !isDeepStrictEqual(was?.get(key), is?.get(key)),
  );
}

/** Tells what came of `reload`, whoever has asked for it. Where that throws, nothing has changed. */
export async function reloadTelling(
  reload: () => Promise<Reloaded>,
  tell: (event: ReloadEvent) => void,
): Promise<Reloaded> {
  try {
    const reloaded = await reload();
    tell({ type: 'reloaded', ...reloaded });
    return reloaded;
  } catch (error) {
    const { code, message } = toVpnrError(error);
    tell({
      type: 'notice',
      message: `the configuration is not read anew, nothing has changed: ${code}: ${message}`,
    });
    throw error;
  }
}
