import { Flags } from '@oclif/core';
import { ServiceCommand } from '../cli/service.js';
import { loadGatewayConfig } from '../config/load.js';
import { runGateway } from '../gateway/run.js';

export default class Gateway extends ServiceCommand {
  static override summary = 'Serve clients as their VPN gateway: IKEv2 with pre-shared keys, ESP in UDP.';

  static override description =
    'Listens for IKE and ESP on one UDP port, gives each client a virtual address from its pool and forwards between ' +
    'the clients and its networks. Ends on Ctrl-C, SIGTERM or "vpnr disconnect": deletes its tunnels, so that clients ' +
    'move at once, and puts everything back.';

  static override examples = [
    '<%= config.bin %> gateway -c gateway.yaml',
    '<%= config.bin %> gateway -c gateway.yaml --json   # one JSON object a line',
  ];

  static override flags = {
    config: Flags.string({
      char: 'c',
      required: true,
      helpValue: 'FILE',
      description: 'configuration of the gateway (YAML)',
    }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Gateway);
    const loaded = loadGatewayConfig(flags.config);
    await this.serve('gateway', (signal, emit) => runGateway(loaded, signal, emit));
  }
}
