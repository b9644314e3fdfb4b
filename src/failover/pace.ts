/** How often a path is probed. */
import type { ProbeTiming } from './timing.js';

/** A path idle for so many intervals is probed at a longer one. */
const IDLE_GROWTH = 8;
/** A path silent for so many intervals likewise. */
const SILENT_GROWTH = 10;

export interface Attention {
  /**
   * `urgent`: it may have to replace the active path in a moment. `close`: it carries traffic, or is compared with the one
   * that does.
   */
  need: 'urgent' | 'close' | 'standby';
  /** Since the last packet of traffic. */
  idleMs: number;
  /** Since the last answer, if the path has failed. */
  silentMs?: number;
}

/** The interval between probes, in milliseconds. */
export function probeInterval(timing: ProbeTiming, { need, idleMs, silentMs }: Attention): number {
  const { intervalMs, standbyIntervalMs, idleIntervalMs, idleMaxMs, idleAfterMs } = timing;
  const idle = Math.min(Math.max(idleMs / IDLE_GROWTH, idleIntervalMs), idleMaxMs);
  const quiet = idleMs >= idleAfterMs ? idle : need === 'close' ? intervalMs : standbyIntervalMs;
  const wanted = need === 'urgent' ? intervalMs : quiet;
  return silentMs === undefined ? wanted : Math.min(Math.max(wanted, silentMs / SILENT_GROWTH), idleMaxMs);
}
