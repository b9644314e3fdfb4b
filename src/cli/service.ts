/** What the commands share that run a connection, a relay or a gateway. */
import { loggedEvent, type Role, type ToldEvent } from '../control/event-log.js';
import { VpnrCommand } from './base.js';
import { describeEntry } from './render-log.js';

export abstract class ServiceCommand extends VpnrCommand {
  /** An event as a line of JSON, or of text with the time. */
  protected showEvent(role: Role, told: ToldEvent): void {
    const event = loggedEvent(role, told);
    if (!this.jsonEnabled()) {
      this.log(describeEntry(event));
      return;
    }
    const { role: _, ...fields } = event;
    this.logJson(fields);
  }
}
