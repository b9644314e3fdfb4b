import { VpnrCommand } from '../cli/base.js';
import { nameArgument } from '../cli/flags.js';
import { onlyRunning } from '../cli/names.js';
import { count } from '../cli/text.js';
import { askFor } from '../control/client.js';
import type { Announced, Drained } from '../service/drained.js';

export default class Drain extends VpnrCommand {
  static override summary = 'Prepare a running gateway or relay for maintenance.';

  static override description =
    "A gateway's clients move to another gateway without loss; those that are other programs than vpnr are disconnected. A " +
    "relay's clients have no other one: they are told, and look for it at short intervals once it has stopped; their sessions are " +
    'on the disk. Nobody new is taken from now on. Follow it by "vpnr disconnect".';

  static override examples = ['<%= config.bin %> drain tokyo', '<%= config.bin %> drain relay'];

  static override args = {
    name: nameArgument({ description: 'name of it; not needed when only one is running' }),
  };

  async run(): Promise<Drained | Announced> {
    const { args } = await this.parse(Drain);
    const name = onlyRunning(args.name);
    const drained = await askFor<Drained | Announced>(name, { command: 'drain' });
    this.log(`${name}: ${describe(drained)}`);
    return drained;
  }
}

function describe(drained: Drained | Announced): string {
  if ('told' in drained)
    return `${count(drained.told, 'client knows', 'clients know')} that the relay is about to stop`;
  const { moved, left } = drained;
  const rest = left === 0 ? '' : `, ${count(left, 'client has', 'clients have')} not`;
  return `${count(moved, 'client has', 'clients have')} left${rest}`;
}
