import { resolve } from 'node:path';
import { Flags } from '@oclif/core';
import { VpnrCommand } from '../../cli/base.js';
import { nameFlag } from '../../cli/flags.js';
import { inspectService, installService, type ServiceRole } from '../../cli/systemd.js';
import { roleOf } from '../../config/load.js';
import { UNIT_FOLDER } from '../../service/unit.js';

export default class ServiceInstall extends VpnrCommand {
  static override summary = 'Have systemd run a connection, relay or gateway.';

  static override description =
    'Writes a unit that is started when the connection is up, restarted when it fails or hangs, and has few rights. ' +
    'Start it with "systemctl enable --now vpnr-NAME".';

  static override examples = [
    '<%= config.bin %> service install -c /etc/vpnr/work.yaml',
    '<%= config.bin %> service install -c /etc/vpnr/relay.yaml',
  ];

  static override flags = {
    config: Flags.string({
      char: 'c',
      required: true,
      helpValue: 'FILE',
      description: 'configuration (YAML)',
    }),
    role: Flags.option({
      options: ['connect', 'relay', 'gateway'] as const,
      description: 'what the configuration is for; as it says itself unless given',
    })(),
    name: nameFlag({ description: "of a connection, in place of the configuration's" }),
    directory: Flags.string({ default: UNIT_FOLDER, helpValue: 'DIR', description: 'where units are' }),
  };

  async run(): Promise<{ unit: string; file: string }> {
    const { flags } = await this.parse(ServiceInstall);
    const config = resolve(flags.config);
    const plan = inspectService(flags.role ?? roleIn(config), config, flags.name);
    const { unit, file } = await installService(plan, flags.directory);
    this.log(`${file} is written; start it, now and at every boot, with: systemctl enable --now ${unit}`);
    return { unit, file };
  }
}

/** What a configuration is for, by what stands in it. */
function roleIn(file: string): ServiceRole {
  const role = roleOf(file);
  return role === 'client' ? 'connect' : role;
}
