import { Flags } from '@oclif/core';
import { VpnrCommand } from '../cli/base.js';
import { nameArgument } from '../cli/flags.js';
import { onlyToEnd } from '../cli/names.js';
import { leftOver, putBack } from '../client/left-over.js';
import { ask } from '../control/client.js';
import { toVpnrError } from '../errors.js';

export default class Disconnect extends VpnrCommand {
  static override summary = 'End a connection, relay or gateway, and wait until everything is put back.';

  static override description =
    'Also puts back what a connection has left that ended without doing so itself, such as its kill switch. With ' +
    '--left-over it only puts back what was left, of all unless one is named, and leaves kill switches on: services do so when ' +
    'they were killed.';

  static override examples = [
    '<%= config.bin %> disconnect',
    '<%= config.bin %> disconnect work',
    '<%= config.bin %> disconnect --left-over   # after a crash',
  ];

  static override args = {
    name: nameArgument({ description: 'name of it; not needed when only one is running' }),
  };

  static override flags = {
    'left-over': Flags.boolean({
      description: 'end nothing; put back what killed ones left, but their kill switches',
    }),
  };

  async run(): Promise<{ disconnected: string } | { putBack: string[] }> {
    const { args, flags } = await this.parse(Disconnect);
    if (flags['left-over']) return this.#putBackLeftOver(args.name === undefined ? leftOver() : [args.name]);
    const name = onlyToEnd(args.name);
    try {
      await ask(name, { command: 'disconnect' });
    } catch (error) {
      if (toVpnrError(error).code !== 'NOT_RUNNING' || !(await putBack(name))) throw error;
    }
    this.log(`${name}: disconnected`);
    return { disconnected: name };
  }

  async #putBackLeftOver(names: readonly string[]): Promise<{ putBack: string[] }> {
    const done: string[] = [];
    for (const name of names) {
      if (!(await putBack(name, { keepKillSwitch: true }))) continue;
      done.push(name);
      this.log(`${name}: what it had left is put back`);
    }
    return { putBack: done };
  }
}
