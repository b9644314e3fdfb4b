import { Flags } from '@oclif/core';
import { VpnrCommand } from '../../cli/base.js';
import { nameArgument } from '../../cli/flags.js';
import { removeService } from '../../cli/systemd.js';
import { UNIT_FOLDER } from '../../service/unit.js';

export default class ServiceRemove extends VpnrCommand {
  static override summary = 'Stop what "vpnr service install" has installed, and remove its unit.';

  static override examples = ['<%= config.bin %> service remove work'];

  static override args = {
    name: nameArgument({ required: true, description: 'name of the connection, relay or gateway' }),
  };

  static override flags = {
    directory: Flags.string({ default: UNIT_FOLDER, helpValue: 'DIR', description: 'where units are' }),
  };

  async run(): Promise<{ removed: string }> {
    const { args, flags } = await this.parse(ServiceRemove);
    const file = removeService(args.name, flags.directory);
    this.log(`${file} is removed`);
    return { removed: file };
  }
}
