/** What the commands share that run a connection, a relay or a gateway. */
import type { Role, ToldEvent } from '../control/event-log.js';
import { VpnrCommand } from './base.js';
import { runService, showEvent } from './serving.js';

export abstract class ServiceCommand extends VpnrCommand {
  /** As `runService`. */
  protected serve<Event extends ToldEvent>(
    role: Role,
    run: (signal: AbortSignal, emit: (event: Event) => void) => Promise<void>,
  ): Promise<void> {
    return runService(role, this.jsonEnabled(), run);
  }

  protected showEvent(role: Role, told: ToldEvent): void {
    showEvent(role, told, this.jsonEnabled());
  }
}
