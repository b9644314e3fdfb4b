import { buildStage, type DemoCity, type GatewayKind } from '../../demo/stage.js';
import { VpnrError } from '../../errors.js';
import type { FailoverMode } from '../../failover/actions.js';
import type { Configuration, LabProcess, Program } from '../../lab/index.js';
import type { BenchContext } from '../context.js';
import type { FaultName } from './faults.js';
import { firstLine, type RunResult, runTrial } from './trial.js';

export type RelayMode = 'clear' | 'sealed' | 'ipip';

export interface StageOptions {
  relayMode: RelayMode;
  program: Program;
}

/** The city with its relay, from one run to the next. After a run that failed it is built anew, when it is needed. */
export class Stage {
  readonly #kind: GatewayKind;
  readonly #options: StageOptions;
  #city: DemoCity | undefined;
  #relay: LabProcess | undefined;

  constructor(kind: GatewayKind, options: StageOptions) {
    this.#kind = kind;
    this.#options = options;
  }

  async city(): Promise<DemoCity> {
    if (this.#city !== undefined) return this.#city;
    const city = await buildStage(this.#kind, this.#options.program);
    try {
      await this.#startRelay(city);
    } catch (error) {
      city.close();
      throw error;
    }
    this.#city = city;
    return city;
  }

  /** Of a client whose gateways are all of the city's, through the relay. */
  async configuration(mode: FailoverMode): Promise<Configuration> {
    const { relayMode } = this.#options;
    const configuration = (await this.city()).clientConfiguration();
    configuration.relay.mode = relayMode;
    if (relayMode === 'ipip') configuration.relay.trust_network = true;
    configuration.failover = { mode };
    return configuration;
  }

  /** A run that comes to nothing is one that was not survived, with its reason; throws only when it was aborted. */
  async run(context: BenchContext, mode: FailoverMode, fault: FaultName): Promise<RunResult> {
    try {
      const city = await this.city();
      const result = await runTrial(context, {
        city,
        configuration: await this.configuration(mode),
        standby: mode !== 'cold',
        fault,
        restartRelay: async () => {
          await this.#relay?.stop();
          await this.#startRelay(city);
        },
      });
      // What is left of it, such as one end of the transfer, is not to disturb the next.
      if (!result.survived) this.close();
      return result;
    } catch (error) {
      context.signal.throwIfAborted();
      if (!(error instanceof VpnrError)) throw error;
      this.close();
      return nothingMeasured(firstLine(error));
    }
  }

  close(): void {
    this.#city?.close();
    this.#city = undefined;
  }

  async #startRelay(city: DemoCity): Promise<void> {
    const trusting = this.#options.relayMode === 'ipip' ? { trust_network: true } : {};
    this.#relay = await city.startRelay({ ...city.relayConfiguration(), ...trusting });
  }
}

function nothingMeasured(problem: string): RunResult {
  return {
    survived: false,
    detectMs: null,
    switchMs: null,
    pauseMs: null,
    usualPauseMs: null,
    lost: null,
    duplicated: null,
    reordered: null,
    falseAlarms: 0,
    samples: [],
    problem,
  };
}
