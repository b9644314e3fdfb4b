/** `vpnr bench failover`: what a failure costs, for each mode and fault, in a small Internet with the paper's round trips. */
import { buildStage, type DemoCity, type GatewayKind } from '../../demo/stage.js';
import type { FailoverMode } from '../../failover/actions.js';
import type { LabProcess } from '../../lab/index.js';
import { labObstacle, type Program, strongSwanObstacle } from '../../lab/index.js';
import type { BenchContext } from '../context.js';
import { thisMachine } from '../machine.js';
import type { Outcome, Skipped } from '../model.js';
import { rounded, type Spread, spread } from '../statistics.js';
import { measureCosts } from './costs.js';
import { type FaultName, planOf } from './faults.js';
import { type CostResult, describeFailover, type FailoverJson, type FailoverResult } from './report.js';
import { type RunResult, runTrial } from './trial.js';

export interface FailoverBenchOptions {
  modes: readonly FailoverMode[];
  faults: readonly FaultName[];
  gateways: readonly GatewayKind[];
  relayMode: 'clear' | 'sealed' | 'ipip';
  runs: number;
  /** Also what it costs while nothing fails. */
  costs: boolean;
  program: Program;
}

export async function benchFailover(
  context: BenchContext,
  options: FailoverBenchOptions,
): Promise<Outcome<FailoverJson>> {
  const machine = thisMachine();
  const skipped: Skipped[] = [];
  const results: FailoverResult[] = [];
  const costs: CostResult[] = [];
  const obstacle = labObstacle(['ping', 'openssl', 'nft']);
  if (obstacle !== undefined) skipped.push({ what: 'everything', why: obstacle });
  else {
    for (const kind of options.gateways) {
      const missing = kind === 'strongswan' ? strongSwanObstacle() : undefined;
      if (missing !== undefined) skipped.push({ what: 'strongSwan gateways', why: missing });
      else await measureKind(context, options, kind, { results, costs, skipped });
    }
  }
  const json = { results, costs, skipped };
  return { benchmark: describeFailover(json, machine, options), json };
}

interface Found {
  results: FailoverResult[];
  costs: CostResult[];
  skipped: Skipped[];
}

async function measureKind(
  context: BenchContext,
  options: FailoverBenchOptions,
  kind: GatewayKind,
  { results, costs, skipped }: Found,
): Promise<void> {
  const modes = options.modes.filter(mode => isPossible(mode, options, skipped));
  const faults = options.faults.filter(fault => kind === 'vpnr' || !planOf(fault).ownGatewaysOnly);
  const total = modes.length * faults.length * options.runs;
  const stage = await Stage.build(kind, options);
  try {
    const runs = new Map<string, RunResult[]>();
    // Runs of all modes and faults take turns, so that what disturbs the machine disturbs all of them alike.
    for (let turn = 0, done = 0; turn < options.runs; turn++) {
      for (const fault of faults) {
        for (const mode of modes) {
          context.progress.step(
            `${kind}, ${mode}, ${fault}, run ${turn + 1} of ${options.runs}`,
            done++,
            total,
          );
          const key = `${mode} ${fault}`;
          runs.set(key, [...(runs.get(key) ?? []), await stage.run(context, mode, fault)]);
        }
      }
    }
    for (const mode of modes) {
      for (const fault of faults) {
        results.push(
          summary(
            { mode, fault, gateways: kind, relay: options.relayMode },
            runs.get(`${mode} ${fault}`) ?? [],
          ),
        );
      }
    }
    if (options.costs) {
      for (const mode of modes)
        costs.push(await measureCosts(context, stage.city, mode, stage.configuration(mode)));
    }
  } finally {
    stage.close();
  }
}

/** replay and duplicate tell packets by their numbers, which IP in IP does not have. */
function isPossible(mode: FailoverMode, { relayMode }: FailoverBenchOptions, skipped: Skipped[]): boolean {
  const possible = relayMode !== 'ipip' || mode === 'cold' || mode === 'standby';
  if (!possible) skipped.push({ what: `mode ${mode}`, why: 'ipip numbers no packets' });
  return possible;
}

/** The city with its relay, from one run to the next. */
class Stage {
  readonly city: DemoCity;
  readonly #options: FailoverBenchOptions;
  #relay: LabProcess | undefined;

  private constructor(city: DemoCity, options: FailoverBenchOptions) {
    this.city = city;
    this.#options = options;
  }

  static async build(kind: GatewayKind, options: FailoverBenchOptions): Promise<Stage> {
    const stage = new Stage(await buildStage(kind, options.program), options);
    try {
      await stage.#startRelay();
      return stage;
    } catch (error) {
      stage.close();
      throw error;
    }
  }

  configuration(mode: FailoverMode) {
    const { relayMode } = this.#options;
    const configuration = this.city.clientConfiguration();
    configuration.relay.mode = relayMode;
    if (relayMode === 'ipip') configuration.relay.trust_network = true;
    // Runs have nothing to do with each other: no failure of one is to be held against a gateway in the next.
    configuration.failover = { mode };
    return configuration;
  }

  async run(context: BenchContext, mode: FailoverMode, fault: FaultName): Promise<RunResult> {
    const { city } = this;
    const { program } = this.#options;
    return runTrial(context, {
      city,
      program,
      configuration: this.configuration(mode),
      standby: mode !== 'cold',
      fault,
      restartRelay: async () => {
        await this.#relay?.stop();
        await this.#startRelay();
      },
    });
  }

  close(): void {
    this.city.close();
  }

  async #startRelay(): Promise<void> {
    const trusting = this.#options.relayMode === 'ipip' ? { trust_network: true } : {};
    this.#relay = await this.city.startRelay({ ...this.city.relayConfiguration(), ...trusting });
  }
}

function summary(
  what: Pick<FailoverResult, 'mode' | 'fault' | 'gateways' | 'relay'>,
  runs: readonly RunResult[],
): FailoverResult {
  const of = (value: (run: RunResult) => number | null): Spread | null => {
    const values = runs.map(value).filter(each => each !== null);
    if (values.length === 0) return null;
    const { min, median, max } = spread(values);
    return { min: rounded(min, 1), median: rounded(median, 1), max: rounded(max, 1) };
  };
  const problems = runs.flatMap(({ problem }) => problem ?? []);
  return {
    ...what,
    runs: runs.length,
    survived: runs.filter(({ survived }) => survived).length,
    detectMs: of(run => run.detectMs),
    switchMs: of(run => run.switchMs),
    pauseMs: of(run => run.pauseMs),
    lost: of(run => run.lost),
    duplicated: of(run => run.duplicated),
    reordered: of(run => run.reordered),
    falseAlarms: runs.reduce((sum, run) => sum + run.falseAlarms, 0),
    problems: [...new Set(problems)],
    samples: runs[0]?.samples ?? [],
  };
}
