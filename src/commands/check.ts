import { Flags } from '@oclif/core';
import type { CheckPoint, Report } from '../check/points.js';
import { VpnrCommand } from '../cli/base.js';
import { checkConnection } from '../client/check.js';
import { loadClientConfig, loadGatewayConfig, loadRelayConfig, roleOf } from '../config/load.js';
import { VpnrError } from '../errors.js';
import { checkGateway } from '../gateway/check.js';
import { checkRelay } from '../relay/check.js';

function checkFile(file: string, report: Report): Promise<void> {
  switch (roleOf(file)) {
    case 'client':
      return checkConnection(loadClientConfig(file), report);
    case 'relay':
      return checkRelay(loadRelayConfig(file), report);
    case 'gateway':
      return checkGateway(loadGatewayConfig(file), report);
  }
}

export default class Check extends VpnrCommand {
  static override summary = 'Will this client, relay or gateway work on this machine?';

  static override description =
    'Looks at the configuration, the secrets, the certificates, the rights, the device, routes and ports, and (of a client) ' +
    'at each gateway and the relay, and says what to do about what is wrong. A relay that is reached through the tunnel ' +
    'only is looked at when connecting. Changes nothing. The exit status is that of the first point that is wrong.';

  static override examples = [
    '<%= config.bin %> check -c client.yaml',
    '<%= config.bin %> check -c relay.yaml --json',
  ];

  static override flags = {
    config: Flags.string({
      char: 'c',
      required: true,
      helpValue: 'FILE',
      description: 'configuration of the client, relay or gateway (YAML)',
    }),
  };

  async run(): Promise<{ ok: boolean; points: CheckPoint[] }> {
    const { flags } = await this.parse(Check);
    const points: CheckPoint[] = [];
    await checkFile(flags.config, point => {
      points.push(point);
      this.log(`${point.ok ? 'ok   ' : 'WRONG'}  ${point.point}: ${point.message}`);
      if (point.remedy !== undefined) this.log(`       ${point.remedy}`);
    });
    const wrong = points.find(point => !point.ok);
    if (wrong?.code !== undefined) process.exitCode = new VpnrError(wrong.code, wrong.message).exitStatus;
    return { ok: wrong === undefined, points };
  }
}
