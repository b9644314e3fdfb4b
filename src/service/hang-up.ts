/** SIGHUP: at a terminal it tells of its end, and ends what runs there; elsewhere it asks a server to read its configuration anew. */
import { isatty } from 'node:tty';
import type { Role } from '../control/event-log.js';

export function hangUpEnds(role: Role): boolean {
  return role === 'client' || [0, 1, 2].some(descriptor => isatty(descriptor));
}

/** Calls `heard` at each, where it does not end the server, until the function that is returned is called. */
export function onHangUp(role: Role, heard: () => void): () => void {
  if (hangUpEnds(role)) return () => {};
  process.on('SIGHUP', heard);
  return () => process.off('SIGHUP', heard);
}
