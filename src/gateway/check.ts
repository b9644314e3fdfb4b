/** Looking at a machine and a gateway's configuration before it is started. */
import {
  checkClock,
  checkDevice,
  checkForwarding,
  checkMetrics,
  checkName,
  checkRights,
  checkSecret,
  checkUdpPort,
} from '../check/machine.js';
import { looking, type Report } from '../check/points.js';
import { checkPrograms } from '../check/programs.js';
import type { GatewayConfig } from '../config/gateway.js';
import type { Loaded } from '../config/load.js';
import { checkPool } from '../service/host.js';

export async function checkGateway(
  { config, folder, file }: Loaded<GatewayConfig>,
  report: Report,
): Promise<void> {
  const look = looking(report);
  await look('configuration', () => `${file} is well-formed`);
  for (const { identity, psk } of config.clients)
    await look(`pre-shared key of ${identity}`, () => checkSecret(psk, folder));
  await look('clock', checkClock);
  await look('rights', checkRights);
  await look('programs', () => checkPrograms(['ip']));
  await look('other instances', () => checkName(config.name));
  await look('TUN device', () => checkDevice(config.device, 'device'));
  await look('UDP port', () => checkUdpPort({ address: config.listen.host, port: config.listen.port }));
  const { metrics } = config;
  if (metrics !== undefined) await look('metrics', () => checkMetrics(metrics));
  await look('pool', () => checkPool(config.pool, config.device));
  await look('forwarding', checkForwarding);
}
