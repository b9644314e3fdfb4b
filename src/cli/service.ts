/** What the commands share that run a connection, a relay or a gateway. */
import { fstatSync } from 'node:fs';
import { loggedEvent, type Role, type ToldEvent } from '../control/event-log.js';
import { workersAnswer } from '../dataplane/host.js';
import { hangUpEnds, onHangUp } from '../service/hang-up.js';
import { untilStopped, VpnrCommand } from './base.js';
import { describeEntry, describeLogged } from './render-log.js';
import { ServiceManager } from './service-manager.js';

export abstract class ServiceCommand extends VpnrCommand {
  readonly #inJournal = isJournal(process.stdout.fd);

  /** Runs it until it is stopped, shows its events, and tells the service manager, where there is one, how it fares. */
  protected async serve<Event extends ToldEvent>(
    role: Role,
    run: (signal: AbortSignal, emit: (event: Event) => void) => Promise<void>,
  ): Promise<void> {
    const manager = ServiceManager.fromEnvironment(process.env, workersAnswer);
    // A server that starts is just reading its configuration.
    const starting = onHangUp(role, () => {});
    try {
      await untilStopped(signal => {
        signal.addEventListener('abort', () => manager?.stopping());
        return run(signal, event => {
          this.showEvent(role, event);
          manager?.take(loggedEvent(role, event));
        });
      }, hangUpEnds(role));
    } finally {
      starting();
      manager?.close();
    }
  }

  /** An event as a line of JSON, or of text; with the time, unless it goes where each line has one. */
  protected showEvent(role: Role, told: ToldEvent): void {
    const event = loggedEvent(role, told);
    if (!this.jsonEnabled()) {
      this.log(this.#inJournal ? describeLogged(event) : describeEntry(event));
      return;
    }
    const { role: _, ...fields } = event;
    this.logJson(fields);
  }
}

/** Whether it leads to systemd's journal: $JOURNAL_STREAM of systemd.exec(5). */
function isJournal(fd: number): boolean {
  const stream = process.env.JOURNAL_STREAM;
  if (stream === undefined) return false;
  const { dev, ino } = fstatSync(fd);
  return stream === `${dev}:${ino}`;
}
