import { Flags } from '@oclif/core';
import { ServiceCommand } from '../cli/service.js';
import { loadRelayConfig } from '../config/load.js';
import { runRelay } from '../relay/run.js';

export default class Relay extends ServiceCommand {
  static override summary = 'Serve clients as their relay: leased addresses that outlast gateways.';

  static override description =
    'Listens for control connections (TLS 1.3) and data (UDP) on the same port, leases addresses from its pool and ' +
    'forwards between the clients and its own networks. Ends on Ctrl-C, SIGTERM or "vpnr disconnect", and puts ' +
    'everything back.';

  static override examples = [
    '<%= config.bin %> relay -c relay.yaml',
    '<%= config.bin %> relay -c relay.yaml --json   # one JSON object a line',
  ];

  static override flags = {
    config: Flags.string({
      char: 'c',
      required: true,
      helpValue: 'FILE',
      description: 'configuration of the relay (YAML)',
    }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Relay);
    const loaded = loadRelayConfig(flags.config);
    await this.serve('relay', (signal, emit) => runRelay(loaded, signal, emit));
  }
}
