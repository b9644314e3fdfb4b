/** Looking at a machine and a relay's configuration before it is started. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { accessSync, constants, existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { describeLife } from '../check/certificate.js';
import {
  checkClock,
  checkDevice,
  checkForwarding,
  checkMetrics,
  checkName,
  checkRights,
  checkSecret,
  checkTcpPort,
  checkUdpPort,
} from '../check/machine.js';
import { looking, type Report } from '../check/points.js';
import { checkPrograms } from '../check/programs.js';
import type { Loaded } from '../config/load.js';
import type { RelayConfig } from '../config/relay.js';
import { readPrivateFile } from '../config/secrets.js';
import { stateFolder } from '../control/folders.js';
import { VpnrError } from '../errors.js';
import { checkPool } from '../service/host.js';
import { readCertificate } from './run.js';

export async function checkRelay(loaded: Loaded<RelayConfig>, report: Report): Promise<void> {
  const { config, folder, file } = loaded;
  const look = looking(report);
  const listen = { address: config.listen.host, port: config.listen.port };
  await look('configuration', () => `${file} is well-formed`);
  await look('certificate', () => checkCertificate(loaded));
  for (const { identity, token } of config.clients)
    await look(`token of ${identity}`, () => checkSecret(token, folder));
  await look('clock', checkClock);
  await look('rights', checkRights);
  await look('programs', () => checkPrograms(['ip']));
  await look('other instances', () => checkName(config.name));
  await look('TUN device', () => checkDevice(config.device, 'device'));
  await look('UDP port', () => checkUdpPort(listen));
  await look('TCP port', () => checkTcpPort(listen));
  const { metrics } = config;
  if (metrics !== undefined) await look('metrics', () => checkMetrics(metrics));
  await look('pool', () => checkPool(config.pool, config.device));
  await look('forwarding', checkForwarding);
  await look('state', () => checkState(resolve(folder, config.state ?? resolve(stateFolder(), config.name))));
}

function checkCertificate({ config, folder }: Loaded<RelayConfig>): string {
  const certificate = new X509Certificate(readCertificate(resolve(folder, config.certificate)));
  const key = readPrivateFile(resolve(folder, config.key), "the relay's key");
  let fits: boolean;
  try {
    fits = certificate.checkPrivateKey(
      createPrivateKey(Buffer.from(key.buffer, key.byteOffset, key.byteLength)),
    );
  } catch (error) {
    throw new VpnrError('CERTIFICATE_INVALID', `${config.key} is not a private key`, {
      remedy: 'give the key of the certificate, in PEM form and without a passphrase',
      cause: error,
    });
  } finally {
    key.fill(0);
  }
  if (!fits) {
    throw new VpnrError('CERTIFICATE_INVALID', `${config.key} is not the key of ${config.certificate}`, {
      remedy: 'give a certificate and its own key',
    });
  }
  const life = describeLife(
    certificate,
    config.certificate,
    'make another one (vpnr init relay), or set the clock',
  );
  return `fits its key, ${life}`;
}

/** The folder is made when it is first written to. */
function checkState(folder: string): string {
  let present = folder;
  while (!existsSync(present)) present = dirname(present);
  try {
    accessSync(present, constants.W_OK);
  } catch (error) {
    throw new VpnrError('SYSTEM_CALL', `${folder} cannot be written`, {
      remedy: 'name a folder in "state" that can be written',
      cause: error,
    });
  }
  return `${folder} can be written`;
}
