import { Flags } from '@oclif/core';
import { VpnrCommand } from '../cli/base.js';
import { type CheckPoint, checkConnection } from '../client/check.js';
import { loadClientConfig } from '../config/load.js';
import { VpnrError } from '../errors.js';

export default class Check extends VpnrCommand {
  static override summary = 'Is this machine, with this configuration, able to connect?';

  static override description =
    'Looks at the configuration, the secrets, the rights, the device, the routes and each gateway, and says what to ' +
    'do about what is wrong. Changes nothing. The exit status is that of the first point that is wrong.';

  static override examples = ['<%= config.bin %> check -c client.yaml'];

  static override flags = {
    config: Flags.string({
      char: 'c',
      required: true,
      helpValue: 'FILE',
      description: 'configuration of the client (YAML)',
    }),
  };

  async run(): Promise<{ ok: boolean; points: CheckPoint[] }> {
    const { flags } = await this.parse(Check);
    const points: CheckPoint[] = [];
    await checkConnection(loadClientConfig(flags.config), point => {
      points.push(point);
      this.log(`${point.ok ? 'ok   ' : 'WRONG'}  ${point.point}: ${point.message}`);
      if (point.remedy !== undefined) this.log(`       ${point.remedy}`);
    });
    const wrong = points.find(point => !point.ok);
    if (wrong?.code !== undefined) process.exitCode = new VpnrError(wrong.code, wrong.message).exitStatus;
    return { ok: wrong === undefined, points };
  }
}
