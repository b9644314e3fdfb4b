import { Args } from '@oclif/core';
import { VpnrCommand } from '../cli/base.js';
import { onlyRunning } from '../cli/names.js';
import { count } from '../cli/text.js';
import { ask } from '../control/client.js';
import { VpnrError } from '../errors.js';
import type { Drained } from '../service/drained.js';

export default class Drain extends VpnrCommand {
  static override summary = 'Send the clients of a running gateway elsewhere, before maintenance.';

  static override description =
    'Its clients move to another gateway without loss; those that are other programs than vpnr are disconnected. Nobody ' +
    'new is taken from now on. Follow it by "vpnr disconnect".';

  static override examples = ['<%= config.bin %> drain tokyo'];

  static override args = {
    name: Args.string({ description: 'name of it; not needed when only one is running' }),
  };

  async run(): Promise<Drained> {
    const { args } = await this.parse(Drain);
    const name = onlyRunning(args.name);
    const drained = await ask<Drained>(name, { command: 'drain' });
    if (drained === undefined) throw new VpnrError('INTERNAL', `${name} did not say what it did`);
    const { moved, left } = drained;
    const rest = left === 0 ? '' : `, ${count(left, 'client has', 'clients have')} not`;
    this.log(`${name}: ${count(moved, 'client has', 'clients have')} left${rest}`);
    return drained;
  }
}
