import type { RunResult } from '../../../src/bench/failover/trial.js';

/** A run that went well, with a steady download of 48 Mbit/s that pauses for 100 ms. */
export function run(changes: Partial<RunResult> = {}): RunResult {
  return {
    survived: true,
    detectMs: 70,
    switchMs: 20,
    pauseMs: 110,
    usualPauseMs: null,
    lost: 0,
    duplicated: 0,
    reordered: 0,
    falseAlarms: 0,
    samples: [
      { ms: -500, bytes: 0 },
      { ms: 0, bytes: 3_000_000 },
      { ms: 100, bytes: 3_000_000 },
      { ms: 600, bytes: 6_000_000 },
    ],
    ...changes,
  };
}
