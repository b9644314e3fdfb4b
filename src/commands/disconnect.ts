import { Args } from '@oclif/core';
import { VpnrCommand } from '../cli/base.js';
import { onlyRunning } from '../cli/names.js';
import { ask } from '../control/client.js';

export default class Disconnect extends VpnrCommand {
  static override summary =
    'End a running connection, relay or gateway and wait until everything is put back.';

  static override examples = ['<%= config.bin %> disconnect', '<%= config.bin %> disconnect work'];

  static override args = {
    name: Args.string({ description: 'name of it; not needed when only one is running' }),
  };

  async run(): Promise<{ disconnected: string }> {
    const { args } = await this.parse(Disconnect);
    const name = onlyRunning(args.name);
    await ask(name, { command: 'disconnect' });
    this.log(`${name}: disconnected`);
    return { disconnected: name };
  }
}
