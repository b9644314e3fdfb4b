import { Args } from '@oclif/core';
import { VpnrCommand } from '../cli/base.js';
import { nameFlag } from '../cli/flags.js';
import { onlyRunning } from '../cli/names.js';
import { askFor } from '../control/client.js';

interface Switched {
  gateway: string;
  ms: number;
}

export default class Switch extends VpnrCommand {
  static override summary = 'Carry the traffic of a running connection through another gateway.';

  static override description =
    'In the modes standby, replay and duplicate the tunnel is there already, and nothing is lost on the way. The ' +
    'connection stays with this gateway until it fails or another one is chosen.';

  static override examples = ['<%= config.bin %> switch osaka', '<%= config.bin %> switch osaka --name work'];

  static override args = {
    gateway: Args.string({ required: true, description: 'name of the gateway, as in the configuration' }),
  };

  static override flags = {
    name: nameFlag({
      description: 'name of the connection; not needed when only one is running',
    }),
  };

  async run(): Promise<Switched> {
    const { args, flags } = await this.parse(Switch);
    const name = onlyRunning(flags.name);
    const switched = await askFor<Switched>(name, { command: 'switch', gateway: args.gateway });
    this.log(`${name}: ${switched.gateway} carries the traffic after ${switched.ms} ms`);
    return switched;
  }
}
