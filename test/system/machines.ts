/** Hosts of the standard topology with systems of their own, and vpnr as a service on them. */
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { stringify } from 'yaml';
import type { Configuration } from '../../src/lab/city.js';
import { City, type GatewayName, type Host, SERVER_ADDRESS, type VpnrGateway } from '../../src/lab/index.js';
import { Machine } from './machine.js';
import { PROGRAM, reporting } from './support.js';

export type VpnrCity = City<GatewayName, VpnrGateway>;

/** `settings`: of the gateways, by their names; `hosts`: those that become machines. */
export async function withMachines(
  settings: Partial<Record<GatewayName, Record<string, unknown>>>,
  hosts: (city: VpnrCity) => Host[],
  body: (city: VpnrCity, machines: Machine[]) => Promise<void>,
): Promise<void> {
  const city = await City.createOwn({ program: PROGRAM, networks: ['0.0.0.0/0'], settings });
  await reporting(city.lab, async () => {
    const machines = await Promise.all(hosts(city).map(host => Machine.boot(host)));
    try {
      await body(city, machines);
    } catch (error) {
      for (const machine of machines) console.log(await machine.journal());
      throw error;
    } finally {
      await Promise.all(machines.map(machine => machine.close()));
    }
  });
}

/** Puts a configuration, with the secrets that stand beside it, to /etc/vpnr/NAME.yaml; returns that path. */
export function configure(machine: Machine, name: string, configuration: Configuration): string {
  const { folder } = machine.host;
  mkdirSync(machine.path('/etc/vpnr'), { recursive: true, mode: 0o700 });
  for (const file of readdirSync(folder).filter(name => /\.(psk|token|crt|key)$/.test(name))) {
    copyFileSync(join(folder, file), machine.path(`/etc/vpnr/${file}`));
  }
  const file = `/etc/vpnr/${name}.yaml`;
  writeFileSync(machine.path(file), stringify(configuration), { mode: 0o600 });
  return file;
}

export async function property(machine: Machine, unit: string, name: string): Promise<string> {
  return (await machine.run(['systemctl', 'show', unit, '--property', name, '--value'])).trim();
}

/** Fails unless systemd takes every line of the unit as it is. */
export async function verifyUnit(machine: Machine, unit: string): Promise<void> {
  const { status, stderr } = await machine.try([
    'systemd-analyze',
    'verify',
    '--man=no',
    '--recursive-errors=no',
    `${unit}.service`,
  ]);
  assert.is(stderr, '', unit);
  assert.is(status, 0, unit);
}

export const reachesServer = (city: VpnrCity) =>
  city.client.run(['ping', '-c', '1', '-W', '2', SERVER_ADDRESS]);
