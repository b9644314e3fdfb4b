import { resolve } from 'node:path';
import { Flags } from '@oclif/core';
import { BACKGROUND_FLAG, runInBackground, startInBackground } from '../cli/background.js';
import { nameFlag } from '../cli/flags.js';
import { ServiceCommand } from '../cli/service.js';
import { INTERRUPTED, untilStopped } from '../cli/until-stopped.js';
import { runConnection } from '../client/connection.js';
import type { ClientConfig } from '../config/client.js';
import { type Loaded, loadClientConfig } from '../config/load.js';

export default class Connect extends ServiceCommand {
  static override summary = 'Connect, and stay connected whatever happens to a gateway.';

  static override description =
    'Creates the device, connects the first gateway that can be had, opens the relay session and sets the routes. ' +
    'When the gateway fails, the next one takes over; device and address stay. Ends on Ctrl-C, SIGTERM or ' +
    '"vpnr disconnect", and puts everything back. With --detach it goes on in the background once it is connected, and ' +
    'writes what happens to a log: "vpnr logs".';

  static override examples = [
    '<%= config.bin %> connect -c client.yaml',
    '<%= config.bin %> connect -c client.yaml --detach',
    '<%= config.bin %> connect -c client.yaml --json   # one JSON object a line',
  ];

  static override flags = {
    config: Flags.string({
      char: 'c',
      required: true,
      helpValue: 'FILE',
      description: 'configuration of the client (YAML)',
    }),
    detach: Flags.boolean({ char: 'd', description: 'return when connected, and go on in the background' }),
    name: nameFlag({ description: "of this connection, in place of the configuration's" }),
    persist: Flags.boolean({ description: 'go on for ever even if no gateway can be connected at first' }),
    [BACKGROUND_FLAG]: Flags.boolean({ hidden: true }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Connect);
    const loaded = named(loadClientConfig(flags.config), flags.name);
    const { name } = loaded.config;
    const { persist = false } = flags;
    if (flags.detach) {
      const again = ['connect', '--config', resolve(flags.config), '--name', name];
      await this.#detach(name, persist ? [...again, '--persist'] : again);
      return;
    }
    if (flags[BACKGROUND_FLAG]) {
      await untilStopped(signal =>
        runInBackground(name, signal, (ended, emit) => runConnection(loaded, ended, { persist, emit })),
      );
      return;
    }
    await this.serve('client', (signal, emit) => runConnection(loaded, signal, { persist, emit }));
  }

  async #detach(name: string, args: readonly string[]): Promise<void> {
    await untilStopped(async signal => {
      const pid = await startInBackground(args, event => this.showEvent('client', event), signal);
      if (pid === undefined) {
        this.logToStderr('interrupted; everything is put back');
        process.exitCode = INTERRUPTED;
        return;
      }
      this.log(`${name} goes on in the background (process ${pid}); see vpnr status, logs and disconnect`);
    });
  }
}

function named(loaded: Loaded<ClientConfig>, name: string | undefined): Loaded<ClientConfig> {
  return name === undefined ? loaded : { ...loaded, config: { ...loaded.config, name } };
}
