import { resolve } from 'node:path';
import { Flags } from '@oclif/core';
import { VpnrCommand } from '../../cli/base.js';
import { nameFlag } from '../../cli/flags.js';
import { inspectService, installService } from '../../cli/systemd.js';
import { UNIT_FOLDER } from '../../service/unit.js';

export default class ServiceInstall extends VpnrCommand {
  static override summary = 'Have systemd run a connection, relay or gateway.';

  static override description =
    'Writes a unit that is started when the connection is up, restarted when it fails or hangs, and has few rights. ' +
    'Start it with "systemctl enable --now vpnr-NAME".';

  static override examples = [
    '<%= config.bin %> service install -c /etc/vpnr/work.yaml',
    '<%= config.bin %> service install -c /etc/vpnr/relay.yaml --role relay',
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
      default: 'connect' as const,
      description: 'what the configuration is for',
    })(),
    name: nameFlag({ description: "of a connection, in place of the configuration's" }),
    directory: Flags.string({ default: UNIT_FOLDER, helpValue: 'DIR', description: 'where units are' }),
  };

  async run(): Promise<{ unit: string; file: string }> {
    const { flags } = await this.parse(ServiceInstall);
    const plan = inspectService(flags.role, resolve(flags.config), flags.name);
    const { unit, file } = await installService(plan, flags.directory);
    this.log(`${file} is written; start it, now and at every boot, with: systemctl enable --now ${unit}`);
    return { unit, file };
  }
}
