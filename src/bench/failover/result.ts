/** What `vpnr bench failover` has found. */
import type { GatewayKind } from '../../demo/stage.js';
import type { FailoverMode } from '../../failover/actions.js';
import type { Sample } from '../../report/plot.js';
import type { Skipped } from '../model.js';
import { rounded, type Spread, spread } from '../statistics.js';
import type { FaultName } from './faults.js';
import type { LayerResult } from './layers.js';
import type { RunResult } from './trial.js';

/** All runs of one mode and fault. */
export interface FailoverResult {
  mode: FailoverMode;
  fault: FaultName;
  gateways: GatewayKind;
  relay: string;
  runs: number;
  /** Of them. */
  survived: number;
  detectMs: Spread | null;
  switchMs: Spread | null;
  pauseMs: Spread | null;
  /** Of planned moves: the longest pause in as long a time before. */
  usualPauseMs: Spread | null;
  /** Datagrams a run, of 1,000 a second in each direction. */
  lost: Spread | null;
  duplicated: Spread | null;
  reordered: Spread | null;
  falseAlarms: number;
  /** Why runs did not survive. */
  problems: string[];
}

/** The download of a run, by the time since the fault. */
export interface Download {
  mode: FailoverMode;
  fault: FaultName;
  gateways: GatewayKind;
  samples: readonly Sample[];
}

export interface CostResult {
  mode: FailoverMode;
  idleCpuPercent: number;
  idleProbesPerSecond: number;
  busyCpuPercent: number;
  busyProbesPerSecond: number;
  busyProbeKbits: number;
  peakMemoryMB: number;
  /** Of that, the packets that may be sent again. */
  ringMB: number;
}

/** What `vpnr bench failover --json` prints. */
export interface FailoverJson {
  results: FailoverResult[];
  costs: CostResult[];
  /** With and without the layer and the relay. */
  figures: LayerResult[];
  skipped: Skipped[];
}

export function summary(
  what: Pick<FailoverResult, 'mode' | 'fault' | 'gateways' | 'relay'>,
  runs: readonly RunResult[],
): FailoverResult {
  const of = (value: (run: RunResult) => number | null): Spread | null => {
    const values = runs.map(value).filter(each => each !== null);
    if (values.length === 0) return null;
    const { min, median, max } = spread(values);
    return { min: rounded(min, 1), median: rounded(median, 1), max: rounded(max, 1) };
  };
  return {
    ...what,
    runs: runs.length,
    survived: runs.filter(({ survived }) => survived).length,
    detectMs: of(run => run.detectMs),
    switchMs: of(run => run.switchMs),
    pauseMs: of(run => run.pauseMs),
    usualPauseMs: of(run => run.usualPauseMs),
    lost: of(run => run.lost),
    duplicated: of(run => run.duplicated),
    reordered: of(run => run.reordered),
    falseAlarms: runs.reduce((sum, run) => sum + run.falseAlarms, 0),
    problems: [...new Set(runs.flatMap(({ problem }) => problem ?? []))],
  };
}

/** The run that is drawn: the one whose pause is the median, or of two the shorter. Undefined when none has anything to draw. */
export function typical(runs: readonly RunResult[]): RunResult | undefined {
  const drawable = runs.filter(({ samples }) => samples.length > 0);
  const pause = ({ pauseMs }: RunResult) => pauseMs ?? Number.POSITIVE_INFINITY;
  return drawable.toSorted((a, b) => (pause(a) < pause(b) ? -1 : 1))[(drawable.length - 1) >> 1];
}
