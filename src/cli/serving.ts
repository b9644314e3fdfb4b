/** A connection, a relay or a gateway at work: its life, and what is shown of it. */
import { fstatSync } from 'node:fs';
import { loggedEvent, type Role, type ToldEvent } from '../control/event-log.js';
import { workersAnswer } from '../dataplane/host.js';
import { hangUpEnds, onHangUp } from '../service/hang-up.js';
import { dateOf, describeEntry, describeLogged } from './render-log.js';
import { ServiceManager } from './service-manager.js';
import { writeJson } from './tell.js';
import { untilStopped } from './until-stopped.js';

/** Runs it until it is stopped, shows its events, and tells the service manager, where there is one, how it fares. */
export async function runService<Event extends ToldEvent>(
  role: Role,
  json: boolean,
  run: (signal: AbortSignal, emit: (event: Event) => void) => Promise<void>,
): Promise<void> {
  const manager = ServiceManager.fromEnvironment(process.env, workersAnswer);
  // A server that starts is just reading its configuration.
  const starting = onHangUp(role, () => {});
  try {
    await untilStopped(signal => {
      signal.addEventListener('abort', () => manager?.stopping());
      return run(signal, event => {
        showEvent(role, event, json);
        manager?.take(loggedEvent(role, event));
      });
    }, hangUpEnds(role));
  } finally {
    starting();
    manager?.close();
  }
}

/** Of the event shown last. */
let shownDay = dateOf(new Date());

/**
 * An event as a line of JSON, or of text; with the time, unless it goes where each line has one, and with the date once that is
 * another than before.
 */
export function showEvent(role: Role, told: ToldEvent, json: boolean): void {
  const event = loggedEvent(role, told);
  if (!json) {
    const day = dateOf(new Date(event.time));
    const line = isJournal(process.stdout.fd)
      ? describeLogged(event)
      : describeEntry(event, day !== shownDay);
    shownDay = day;
    process.stdout.write(`${line}\n`);
    return;
  }
  const { role: _, ...fields } = event;
  writeJson(fields);
}

/** Whether it leads to systemd's journal: $JOURNAL_STREAM of systemd.exec(5). */
function isJournal(fd: number): boolean {
  const stream = process.env.JOURNAL_STREAM;
  if (stream === undefined) return false;
  const { dev, ino } = fstatSync(fd);
  return stream === `${dev}:${ino}`;
}
