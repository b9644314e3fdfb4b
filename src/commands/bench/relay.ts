import type { RelayJson } from '../../bench/relay/report.js';
import { benchRelay } from '../../bench/relay/run.js';
import { BenchCommand } from '../../cli/bench.js';

export default class BenchRelay extends BenchCommand {
  static override summary = 'What does the relay cost, with one session and with 100,000?';

  static override description =
    "Measures what a packet costs in the relay's part of the packet core with 1, 1,000 and 100,000 sessions; then, in network " +
    'namespaces of this machine, the same with the system calls, and throughput and round trip of a connection with and without ' +
    'the relay. The second part needs root or user namespaces, iperf3 and ping; what is missing is named. Takes about two minutes.';

  static override examples = [
    '<%= config.bin %> bench relay --report relay.html',
    '<%= config.bin %> bench relay --quick --json',
  ];

  async run(): Promise<RelayJson | undefined> {
    const { flags } = await this.parse(BenchRelay);
    if (await this.ranInNamespace()) return undefined;
    return this.measure(flags, benchRelay);
  }
}
