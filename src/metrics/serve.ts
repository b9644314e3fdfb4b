import type { CleanUp } from '../control/clean-up.js';
import type { EventLog } from '../control/event-log.js';
import { MetricsServer } from './server.js';
import { Tally } from './tally.js';
import type { Family } from './text.js';

/** Serves the figures of what tells these events, until the clean-up; nothing where no address is configured. */
export async function serveMetrics(
  address: { host: string; port: number } | undefined,
  events: EventLog,
  cleanUp: CleanUp,
  families: (tally: Tally) => readonly Family[],
): Promise<void> {
  if (address === undefined) return;
  const tally = new Tally();
  cleanUp.add(events.follow(event => tally.take(event)));
  const server = await MetricsServer.listen(address, () => families(tally));
  cleanUp.add(() => server.close());
}
