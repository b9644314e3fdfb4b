/** Looking again and again at what is running. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, eventsOf } from '../../control/client.js';
import type { LoggedEvent } from '../../control/event-log.js';
import { monotonicMs } from '../../io/clock.js';
import { namesOrAll } from '../names.js';
import type { AnyStatus } from '../render.js';
import { History, type Look } from './history.js';

/** As many as a tall screen shows. */
const EVENTS = 50;

export interface WatchOptions {
  /** All that is running, if undefined. */
  name: string | undefined;
  intervalMs: number;
  show(looks: readonly Look[]): void | Promise<void>;
}

/** Shows what is running, until `signal` is aborted; what has ended is shown no more, what is started is. */
export async function watch({ name, intervalMs, show }: WatchOptions, signal: AbortSignal): Promise<void> {
  const histories = new Map<string, History>();
  const historyOf = (of: string) => {
    const history = histories.get(of) ?? new History();
    histories.set(of, history);
    return history;
  };
  let next = monotonicMs();
  while (!signal.aborted) {
    const looks = await Promise.all(namesOrAll(name).map(of => lookAt(of, historyOf(of))));
    if (signal.aborted) return;
    await show(looks.filter(look => look !== undefined));
    // Not later and later by what the look itself takes.
    next = Math.max(next + intervalMs, monotonicMs());
    await sleep(next - monotonicMs(), undefined, { signal }).catch(() => {});
  }
}

/** Undefined when it is not running any more. */
async function lookAt(name: string, history: History): Promise<Look | undefined> {
  try {
    const status = await ask<AnyStatus>(name, { command: 'status' });
    if (status === undefined) return undefined;
    const at = monotonicMs();
    const events: LoggedEvent[] = [];
    for await (const entry of eventsOf(name, { lines: EVENTS, follow: false })) {
      if (!('lost' in entry)) events.push(entry);
    }
    return history.look(status, events, at);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'NOT_RUNNING') return undefined;
    throw error;
  }
}
