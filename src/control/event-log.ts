/** What happened lately, for those who ask later, and what happens from now on, for those who follow. */
import type { VpnrError } from '../errors.js';

export type Role = 'client' | 'relay' | 'gateway';

/** An event as it is kept and sent: plain data, ready for JSON. */
export interface LoggedEvent {
  /** ISO 8601, UTC. */
  time: string;
  role: Role;
  event: string;
  [field: string]: unknown;
}

/** In place of events that a slow reader, or a full disk, has missed. */
export interface LostEvents {
  lost: number;
}

export type LogEntry = LoggedEvent | LostEvents;

/** As connections tell events, and as servers do. */
export type ToldEvent = { event: string } | { type: string; error?: VpnrError };

const EVENTS_KEPT = 1000;

export class EventLog {
  readonly #role: Role;
  readonly #capacity: number;
  readonly #kept: LoggedEvent[] = [];
  readonly #followers = new Set<(event: LoggedEvent) => void>();

  constructor(role: Role, capacity = EVENTS_KEPT) {
    this.#role = role;
    this.#capacity = capacity;
  }

  record(told: ToldEvent): void {
    const event = loggedEvent(this.#role, told);
    this.#kept.push(event);
    if (this.#kept.length > this.#capacity) this.#kept.shift();
    for (const follower of this.#followers) follower(event);
  }

  /** The last `count` events at most, in the order of time. */
  recent(count: number): LoggedEvent[] {
    return count === 0 ? [] : this.#kept.slice(-count);
  }

  /** Calls `follower` with every event from now on, until the function that is returned is called. */
  follow(follower: (event: LoggedEvent) => void): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }
}

/** The event with time and role. Of an error, code and message remain. */
export function loggedEvent(role: Role, told: ToldEvent, now = new Date()): LoggedEvent {
  const time = now.toISOString();
  if ('event' in told) return { time, role, ...told };
  const { type, error, ...fields } = told;
  const reason = error && { error: { code: error.code, message: error.message } };
  return { time, role, event: type, ...fields, ...reason };
}
