/**
 * `vpnr bench relay`: what a packet costs the relay's core with few and with many sessions, and what the relay adds to a
 * connection.
 */
import { type BenchContext, breathe } from '../context.js';
import { thisMachine } from '../machine.js';
import type { Outcome, Skipped } from '../model.js';
import { median, rounded } from '../statistics.js';
import { addedObstacle, measureAdded } from './added.js';
import { DIRECTIONS, RelayCore, type RelayDirection } from './core.js';
import { type CostResult, describeRelay, PAPER, type RelayJson } from './report.js';
import { CLIENTS, WholeRelay } from './whole.js';

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
  const effort = context.quick ? QUICK : FULL;
  const core = await measureCore(context, SESSIONS, effort);
  const obstacle = addedObstacle();
  if (obstacle !== undefined) {
    for (const what of ['system calls of the relay', 'what the relay adds to a connection']) {
      skipped.push({ what, why: obstacle });
    }
  }
  const whole = obstacle === undefined ? await measureWhole(context, SESSIONS, effort) : [];
  const added = obstacle === undefined ? await measureAdded(context, skipped) : [];
  const json: RelayJson = {
    core,
    whole,
    added: added.map(({ test, relay, median, min, max }) => {
      const unit = test === 'ping' ? 'ms' : 'Mbit/s';
      return { test, relay, median: rounded(median), min: rounded(min), max: rounded(max), unit };
    }),
    paper: PAPER,
    skipped,
  };
  return { benchmark: describeRelay(json, machine), json };
}

/** The packet core alone. */
export async function measureCore(
  context: BenchContext,
  sessions: readonly number[],
  effort: Effort,
): Promise<CostResult[]> {
  const results: CostResult[] = [];
  for (const bytes of SIZES) {
    const cores = sessions.map(count => new RelayCore(count, bytes));
    results.push(
      ...(await inTurn(context, { name: "the relay's core", cores, bytes, effort }, (core, direction) =>
        core.batch(direction),
      )),
    );
  }
  return results;
}

/** With system calls, between a socket and a device. Needs a laboratory. */
async function measureWhole(
  context: BenchContext,
  sessions: readonly number[],
  effort: Effort,
): Promise<CostResult[]> {
  const results: CostResult[] = [];
  for (const bytes of SIZES) {
    const cores = sessions.map(count => new RelayCore(count, bytes, CLIENTS));
    const whole = await WholeRelay.create(bytes);
    try {
      results.push(
        ...(await inTurn(context, { name: 'the whole relay', cores, bytes, effort }, (core, direction) =>
          whole.batch(core, direction),
        )),
      );
    } finally {
      whole.close();
    }
  }
  return results;
}

/** The cores, of different numbers of sessions, take turns. */
async function inTurn(
  context: BenchContext,
  what: { name: string; cores: readonly RelayCore[]; bytes: number; effort: Effort },
  batch: (core: RelayCore, direction: RelayDirection) => number,
): Promise<CostResult[]> {
  const { name, cores, bytes, effort } = what;
  const results: CostResult[] = [];
  for (const direction of DIRECTIONS) {
    const times = cores.map((): number[] => []);
    for (let turn = 0; turn < effort.turns; turn++) {
      const done = turn + (direction === DIRECTIONS[0] ? 0 : effort.turns);
      context.progress.step(`${name}, ${direction}, ${bytes} bytes`, done, 2 * effort.turns);
      await breathe(context);
      for (const [index, core] of cores.entries()) {
        for (let i = 0; i < effort.batches; i++) times[index]?.push(batch(core, direction));
      }
    }
    for (const [index, { sessions }] of cores.entries()) {
      results.push({ direction, bytes, sessions, nanoseconds: rounded(median(times[index] ?? []), 1) });
    }
  }
  return results;
}
