/**
 * `vpnr bench relay`: what a packet costs the relay's core with few and with many sessions, and what the relay adds to a
 * connection.
 */
import { type BenchContext, breathe } from '../context.js';
import { thisMachine } from '../machine.js';
import type { Outcome, Skipped } from '../model.js';
import { median, rounded } from '../statistics.js';
import { addedObstacle, measureAdded } from './added.js';
import { DIRECTIONS, RelayCore } from './core.js';
import { type CoreResult, describeRelay, PAPER, type RelayJson } from './report.js';

const SESSIONS = [1, 1000, 100_000];
const SIZES = [64, 1400];

interface Effort {
  turns: number;
  /** In each turn, one after the other with the same number of sessions. */
  batches: number;
}

const FULL: Effort = { turns: 20, batches: 250 };
const QUICK: Effort = { turns: 5, batches: 100 };

export async function benchRelay(context: BenchContext): Promise<Outcome<RelayJson>> {
  const machine = thisMachine();
  const skipped: Skipped[] = [];
  const core = await measureCore(context, SESSIONS, context.quick ? QUICK : FULL);
  const obstacle = addedObstacle();
  if (obstacle !== undefined) skipped.push({ what: 'what the relay adds to a connection', why: obstacle });
  const added = obstacle === undefined ? await measureAdded(context, skipped) : [];
  const json: RelayJson = {
    core,
    added: added.map(({ test, relay, median, min, max }) => {
      const unit = test === 'ping' ? 'ms' : 'Mbit/s';
      return { test, relay, median: rounded(median), min: rounded(min), max: rounded(max), unit };
    }),
    paper: PAPER,
    skipped,
  };
  return { benchmark: describeRelay(json, machine), json };
}

/** The numbers of sessions take turns. */
export async function measureCore(
  context: BenchContext,
  sessions: readonly number[],
  { turns, batches }: Effort,
): Promise<CoreResult[]> {
  const results: CoreResult[] = [];
  for (const bytes of SIZES) {
    const cores = sessions.map(count => new RelayCore(count, bytes));
    for (const direction of DIRECTIONS) {
      const times = sessions.map((): number[] => []);
      for (let turn = 0; turn < turns; turn++) {
        const done = results.length / sessions.length + turn / turns;
        context.progress.step(`the relay's core, ${direction}, ${bytes} bytes`, done, 4);
        await breathe(context);
        for (const [index, core] of cores.entries()) {
          for (let batch = 0; batch < batches; batch++) times[index]?.push(core.batch(direction));
        }
      }
      for (const [index, count] of sessions.entries()) {
        const nanoseconds = rounded(median(times[index] ?? []), 1);
        results.push({ direction, bytes, sessions: count, nanoseconds });
      }
    }
  }
  return results;
}
