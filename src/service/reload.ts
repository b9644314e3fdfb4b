/** Reading a server's configuration anew while it serves. Its list of clients counts at once, all else from the next start on. */
import { isDeepStrictEqual } from 'node:util';
import type { Loaded } from '../config/load.js';
import { toVpnrError } from '../errors.js';
import type { Roster, RosterChange } from './roster.js';

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

/** What a server has to do for it. */
export interface Reloading<Config extends object> {
  /** As it was at the start. */
  config: Config;
  clients: Roster;
  /** The file's content now. Throws what is wrong with it. */
  load(): Loaded<Config>;
  readClients(loaded: Loaded<Config>): Roster;
  /** Disconnects those who are not to be served as before. */
  clientsChanged(change: RosterChange): void | Promise<void>;
  tell(event: ReloadEvent): void;
}

/** Reads it anew and tells what came of that, whoever has asked for it. Where it throws, nothing has changed. */
export async function reload<Config extends object>({
  config,
  clients,
  load,
  readClients,
  clientsChanged,
  tell,
}: Reloading<Config>): Promise<Reloaded> {
  try {
    const next = load();
    const change = clients.replace(readClients(next));
    await clientsChanged(change);
    const reloaded = { ...change, restart: otherChanges(config, next.config) };
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
