import { Flags } from '@oclif/core';
import { FAULT_NAMES, MAIN_FAULTS } from '../../bench/failover/faults.js';
import type { FailoverJson } from '../../bench/failover/result.js';
import { benchFailover } from '../../bench/failover/run.js';
import { BenchCommand, chosen } from '../../cli/bench.js';
import { GATEWAY_KINDS } from '../../demo/stage.js';
import { FAILOVER_MODES } from '../../failover/actions.js';
import { ownProgram } from '../../lab/index.js';

const FULL_RUNS = 20;
const QUICK_RUNS = 1;

export default class BenchFailover extends BenchCommand {
  static override summary = 'What does a failure cost, in each mode?';

  static override description =
    'Builds a small Internet in network namespaces of this machine, with three gateways at the round trips of the 2012 paper, and lets ' +
    'things go wrong while a TCP connection and a stream of datagrams run: gateways die or freeze, lines are cut, lose or ' +
    'delay packets, the relay is restarted. A run takes about four seconds, and everything more than an hour. The whole, and what ' +
    'is written as a page, has what the modes cost while nothing fails, and what the layer and the relay cost, too.';

  static override examples = [
    '<%= config.bin %> bench failover --modes replay --faults kill,leased-line --runs 3',
    '<%= config.bin %> bench failover --gateways strongswan --quick --report failover.html',
  ];

  static override flags = {
    modes: Flags.string({ helpValue: 'A,B,...', description: `only these, of ${FAILOVER_MODES.join(', ')}` }),
    faults: Flags.string({
      helpValue: 'A,B,...',
      description: `only these, of ${FAULT_NAMES.join(', ')}; with --quick ${MAIN_FAULTS.join(', ')}`,
    }),
    gateways: Flags.string({
      helpValue: 'A,B',
      default: 'vpnr',
      description: `whose, of ${GATEWAY_KINDS.join(', ')}`,
    }),
    relay: Flags.option({ options: ['clear', 'sealed', 'ipip'] as const, description: 'mode of the relay' })({
      default: 'clear',
    }),
    runs: Flags.integer({
      helpValue: 'N',
      min: 1,
      max: 10_000,
      description: `of each; ${FULL_RUNS}, or ${QUICK_RUNS} with --quick`,
    }),
    costs: Flags.boolean({
      allowNo: true,
      description: 'also measure what the modes cost while nothing fails',
    }),
    figures: Flags.boolean({
      allowNo: true,
      description:
        'also measure round trip and throughput with and without vpnr and the relay, as the paper did',
    }),
  };

  async run(): Promise<FailoverJson | undefined> {
    const { flags } = await this.parse(BenchFailover);
    const whole = flags.modes === undefined && flags.faults === undefined && !flags.quick;
    const besides = whole || flags.report !== undefined;
    const options = {
      modes: chosen('mode', flags.modes, FAILOVER_MODES),
      faults:
        flags.quick && flags.faults === undefined ? MAIN_FAULTS : chosen('fault', flags.faults, FAULT_NAMES),
      gateways: chosen('kind of gateway', flags.gateways, GATEWAY_KINDS),
      relayMode: flags.relay,
      runs: flags.runs ?? (flags.quick ? QUICK_RUNS : FULL_RUNS),
      costs: flags.costs ?? besides,
      figures: flags.figures ?? besides,
      program: ownProgram(),
    };
    if (await this.ranInNamespace()) return undefined;
    return this.measure(flags, context => benchFailover(context, options));
  }
}
