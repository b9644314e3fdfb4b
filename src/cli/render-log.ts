/** What is logged as text for people. */
import type { ConnectionEvent } from '../client/events.js';
import type { LogEntry, LoggedEvent } from '../control/event-log.js';
import type { GatewayEvent } from '../gateway/server-api.js';
import type { RelayEvent } from '../relay/server-api.js';
import { describeEvent, describeRelayEvent } from './render.js';
import { describeGatewayEvent } from './render-gateway.js';
import { count, stamp } from './text.js';

/** One entry as one line. `day`: with the date. */
export function describeEntry(entry: LogEntry, day = false): string {
  if (!isEvent(entry)) return `(${count(entry.lost, 'event was', 'events were')} missed)`;
  const at = new Date(entry.time);
  return `${day ? `${dateOf(at)} ` : ''}${stamp(at)}  ${describeLogged(entry)}`;
}

function isEvent(entry: LogEntry): entry is LoggedEvent {
  return !('lost' in entry);
}

/** Without its time. */
export function describeLogged({ time, role, ...event }: LoggedEvent): string {
  if (event.event === 'error') return `error ${event.code}: ${event.message}`;
  if (role === 'client') return describeEvent(event as unknown as ConnectionEvent);
  const { event: type, ...fields } = event;
  return role === 'relay'
    ? describeRelayEvent({ type, ...fields } as RelayEvent)
    : describeGatewayEvent({ type, ...fields } as GatewayEvent);
}

/** In local time, as the time of day beside it. */
export function dateOf(at: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}
