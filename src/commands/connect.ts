import { Flags } from '@oclif/core';
import { untilStopped } from '../cli/base.js';
import { ServiceCommand } from '../cli/service.js';
import { runConnection } from '../client/connection.js';
import { loadClientConfig } from '../config/load.js';

export default class Connect extends ServiceCommand {
  static override summary = 'Connect, and stay connected whatever happens to a gateway.';

  static override description =
    'Creates the device, connects the first gateway that can be had, opens the relay session and sets the routes. ' +
    'When the gateway fails, the next one takes over; device and address stay. Ends on Ctrl-C, SIGTERM or ' +
    '"vpnr disconnect", and puts everything back.';

  static override examples = [
    '<%= config.bin %> connect -c client.yaml',
    '<%= config.bin %> connect -c client.yaml --json   # one JSON object a line',
  ];

  static override flags = {
    config: Flags.string({
      char: 'c',
      required: true,
      helpValue: 'FILE',
      description: 'configuration of the client (YAML)',
    }),
    persist: Flags.boolean({ description: 'go on for ever even if no gateway can be connected at first' }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Connect);
    const loaded = loadClientConfig(flags.config);
    await untilStopped(signal =>
      runConnection(loaded, signal, {
        persist: flags.persist,
        emit: event => this.showEvent('client', event),
      }),
    );
  }
}
