/** `vpnr bench failover`: what a failure costs, for each mode and fault, in a small Internet with the paper's round trips. */
import type { GatewayKind } from '../../demo/stage.js';
import { VpnrError } from '../../errors.js';
import type { FailoverMode } from '../../failover/actions.js';
import { labObstacle, strongSwanObstacle } from '../../lab/index.js';
import type { BenchContext } from '../context.js';
import { thisMachine } from '../machine.js';
import type { Outcome, Skipped } from '../model.js';
import { timeLeft } from '../progress.js';
import { measureCosts } from './costs.js';
import { type FaultName, planOf } from './faults.js';
import { measureLayers } from './layers.js';
import { describeFailover } from './report.js';
import { type Download, type FailoverJson, summary, typical } from './result.js';
import { Stage, type StageOptions } from './stage.js';
import type { RunResult } from './trial.js';

export interface FailoverBenchOptions extends StageOptions {
  modes: readonly FailoverMode[];
  faults: readonly FaultName[];
  gateways: readonly GatewayKind[];
  runs: number;
  /** Also what it costs while nothing fails. */
  costs: boolean;
  /** Also round trip and throughput with and without the layer. */
  figures: boolean;
}

/** Of a run, before the first has shown how long it takes here. */
const RUN_MS = 6000;

export async function benchFailover(
  context: BenchContext,
  options: FailoverBenchOptions,
): Promise<Outcome<FailoverJson>> {
  const machine = thisMachine();
  const found: Found = { results: [], costs: [], figures: [], skipped: [], downloads: [] };
  const obstacle = labObstacle(['ping', 'openssl', 'nft']);
  if (obstacle !== undefined) throw nothingMeasured(obstacle);
  for (const kind of options.gateways) {
    const missing = kind === 'strongswan' ? strongSwanObstacle() : undefined;
    if (missing !== undefined) found.skipped.push({ what: 'strongSwan gateways', why: missing });
    else await measureKind(context, options, kind, found);
  }
  const { downloads, ...json } = found;
  if ([json.results, json.costs, json.figures].every(part => part.length === 0)) {
    throw nothingMeasured(json.skipped.map(({ what, why }) => `${what} (${why})`).join(', '));
  }
  return { benchmark: describeFailover(json, downloads, machine, options), json };
}

function nothingMeasured(reasons: string): VpnrError {
  return new VpnrError('LAB_FAILED', `nothing can be measured here: ${reasons}`, {
    remedy: 'install or allow what is missing, or choose other modes and gateways',
  });
}

interface Found extends FailoverJson {
  downloads: Download[];
}

async function measureKind(
  context: BenchContext,
  options: FailoverBenchOptions,
  kind: GatewayKind,
  found: Found,
): Promise<void> {
  const modes = options.modes.filter(mode => isPossible(mode, options, found.skipped));
  const stage = new Stage(kind, options);
  try {
    await stage.city();
    await measureFaults(context, options, { kind, modes, stage }, found);
    for (const mode of options.costs ? modes : []) {
      found.costs.push(
        await measureCosts(context, await stage.city(), mode, await stage.configuration(mode)),
      );
    }
    if (options.figures) found.figures.push(...(await measureLayers(context, stage, kind, found.skipped)));
  } finally {
    stage.close();
  }
}

/** Runs of all modes and faults take turns, so that what disturbs the machine disturbs all of them alike. */
async function measureFaults(
  context: BenchContext,
  options: FailoverBenchOptions,
  { kind, modes, stage }: { kind: GatewayKind; modes: readonly FailoverMode[]; stage: Stage },
  { results, downloads, skipped }: Found,
): Promise<void> {
  const isPossible = (fault: FaultName) => kind === 'vpnr' || !planOf(fault).ownGatewaysOnly;
  const faults = options.faults.filter(isPossible);
  for (const fault of options.faults.filter(fault => !isPossible(fault)))
    skipped.push({ what: `${fault} of ${kind} gateways`, why: "only vpnr's own can do that" });
  const pairs = faults.flatMap(fault =>
    modes.map(mode => ({ mode, fault, gateways: kind, runs: [] as RunResult[] })),
  );
  const total = pairs.length * options.runs;
  const begun = performance.now();
  for (let turn = 0, done = 0; turn < options.runs; turn++) {
    for (const { mode, fault, runs } of pairs) {
      const left = timeLeft(
        done === 0 ? RUN_MS * total : ((performance.now() - begun) / done) * (total - done),
      );
      const what = `${kind}, ${mode}, ${fault}, run ${turn + 1} of ${options.runs}`;
      context.progress.step(`${left}: ${what}`, done++, total);
      runs.push(await stage.run(context, mode, fault));
    }
  }
  for (const { runs, ...what } of pairs) {
    results.push(summary({ ...what, relay: options.relayMode }, runs));
    downloads.push({ ...what, samples: typical(runs)?.samples ?? [] });
  }
}

/** replay and duplicate tell packets by their numbers, which IP in IP does not have. */
function isPossible(mode: FailoverMode, { relayMode }: FailoverBenchOptions, skipped: Skipped[]): boolean {
  const possible = relayMode !== 'ipip' || mode === 'cold' || mode === 'standby';
  if (!possible) skipped.push({ what: `mode ${mode}`, why: 'ipip numbers no packets' });
  return possible;
}
