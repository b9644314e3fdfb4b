import { Args } from '@oclif/core';
import { VpnrCommand } from '../cli/base.js';
import { onlyToEnd } from '../cli/names.js';
import { putBack } from '../client/left-over.js';
import { ask } from '../control/client.js';
import { toVpnrError } from '../errors.js';

export default class Disconnect extends VpnrCommand {
  static override summary =
    'End a running connection, relay or gateway and wait until everything is put back.';

  static override description =
    'Also puts back what a connection has left that ended without doing so itself, such as its kill switch.';

  static override examples = ['<%= config.bin %> disconnect', '<%= config.bin %> disconnect work'];

  static override args = {
    name: Args.string({ description: 'name of it; not needed when only one is running' }),
  };

  async run(): Promise<{ disconnected: string }> {
    const { args } = await this.parse(Disconnect);
    const name = onlyToEnd(args.name);
    try {
      await ask(name, { command: 'disconnect' });
    } catch (error) {
      if (toVpnrError(error).code !== 'NOT_RUNNING' || !(await putBack(name))) throw error;
    }
    this.log(`${name}: disconnected`);
    return { disconnected: name };
  }
}
