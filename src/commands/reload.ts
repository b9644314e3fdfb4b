import { Flags } from '@oclif/core';
import { VpnrCommand } from '../cli/base.js';
import { nameArgument } from '../cli/flags.js';
import { onlyRunning } from '../cli/names.js';
import { describeReloaded } from '../cli/text.js';
import { nameIn } from '../config/load.js';
import { askFor } from '../control/client.js';
import { VpnrError } from '../errors.js';
import type { Reloaded } from '../service/reload.js';

export default class Reload extends VpnrCommand {
  static override summary = 'Have a running gateway or relay read its list of clients anew.';

  static override description =
    'New clients can connect from then on. Those that are not in the configuration any more are disconnected; those whose secret is ' +
    'another one have to connect anew with that. The others notice nothing. Other changes in the configuration count from the next ' +
    'start on, and are named. A configuration that is wrong changes nothing. SIGHUP does the same, unless it was started at a terminal.';

  static override examples = ['<%= config.bin %> reload relay', '<%= config.bin %> reload -c gateway.yaml'];

  static override args = {
    name: nameArgument({ description: 'name of it; not needed when only one is running' }),
  };

  static override flags = {
    config: Flags.string({
      char: 'c',
      helpValue: 'FILE',
      description: 'the one with the name in this configuration',
    }),
  };

  async run(): Promise<Reloaded> {
    const { args, flags } = await this.parse(Reload);
    if (args.name !== undefined && flags.config !== undefined)
      throw new VpnrError('USAGE', 'it is named twice', { remedy: 'give its name or its configuration' });
    const name = flags.config === undefined ? onlyRunning(args.name) : nameIn(flags.config);
    const reloaded = await askFor<Reloaded>(name, { command: 'reload' });
    this.log(`${name}: ${describeReloaded(reloaded)}`);
    return reloaded;
  }
}
