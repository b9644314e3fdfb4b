import { Flags } from '@oclif/core';
import { SYSTEMS, type System } from '../../bench/peers/index.js';
import type { TunnelJson } from '../../bench/tunnel/result.js';
import { benchTunnel } from '../../bench/tunnel/run.js';
import { TESTS, type TestName } from '../../bench/tunnel/tests.js';
import { BenchCommand, chosen } from '../../cli/bench.js';
import { ownProgram } from '../../lab/index.js';

const FULL = { rounds: 5, seconds: 2 };
const QUICK = { rounds: 1, seconds: 1 };
const MOST_ROUNDS = 1000;
const MOST_SECONDS = 600;

export default class BenchTunnel extends BenchCommand {
  static override summary = 'How fast is the tunnel, beside OpenVPN, wireguard-go and strongSwan?';

  static override description =
    'Starts vpnr and each of the others that is installed between network namespaces of this machine, and measures them in turn: TCP ' +
    'and UDP with iperf3, round trips with ping, and what processor time and memory it costs. Says what it skipped. With all of ' +
    'them it takes about ten minutes. wireguard-go is the one that comes first in PATH.';

  static override examples = [
    '<%= config.bin %> bench tunnel --report tunnel.html',
    '<%= config.bin %> bench tunnel --systems vpnr,wireguard-go,veth --tests tcp-up,ping',
    'PATH=$HOME/go/bin:$PATH <%= config.bin %> bench tunnel --quick --json',
  ];

  static override flags = {
    systems: Flags.string({
      helpValue: 'A,B,...',
      description: `only these, of ${SYSTEMS.join(', ')}`,
    }),
    tests: Flags.string({
      helpValue: 'A,B,...',
      description: `only these, of ${TESTS.join(', ')}`,
    }),
    rounds: Flags.integer({
      helpValue: 'N',
      min: 1,
      max: MOST_ROUNDS,
      description: `of which the median counts; ${FULL.rounds}, or ${QUICK.rounds} with --quick`,
    }),
    seconds: Flags.integer({
      helpValue: 'N',
      min: 1,
      max: MOST_SECONDS,
      description: `of each stream; ${FULL.seconds}, or ${QUICK.seconds} with --quick`,
    }),
  };

  async run(): Promise<TunnelJson | undefined> {
    const { flags } = await this.parse(BenchTunnel);
    const usual = flags.quick ? QUICK : FULL;
    const options = {
      systems: chosen<System>('system', flags.systems, SYSTEMS),
      tests: chosen<TestName>('test', flags.tests, TESTS),
      rounds: flags.rounds ?? usual.rounds,
      seconds: flags.seconds ?? usual.seconds,
      program: ownProgram(),
    };
    if (await this.ranInNamespace()) return undefined;
    return this.measure(flags, context => benchTunnel(context, options));
  }
}
