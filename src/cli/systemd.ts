/** Installing vpnr as a service of systemd. */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { loadClientConfig, loadGatewayConfig, loadRelayConfig } from '../config/load.js';
import { VpnrError } from '../errors.js';
import { fileError } from '../file-error.js';
import { writeFileAtomic } from '../io/atomic-file.js';
import { ownProgram } from '../lab/index.js';
import { type UnitPlan, unitName, unitText } from '../service/unit.js';

export type ServiceRole = 'connect' | 'relay' | 'gateway';

/** There while systemd runs (sd_booted(3)). */
const SYSTEMD = '/run/systemd/system';

/** What the unit is to do. Throws what is wrong with the configuration. `config`: an absolute path. */
export function inspectService(role: ServiceRole, config: string, name: string | undefined): UnitPlan {
  const command = [...ownProgram(), role, '--config', config];
  const reload = [...ownProgram(), 'reload', '--config', config];
  const afterwards = (name: string) => [...ownProgram(), 'disconnect', name, '--left-over'];
  switch (role) {
    case 'connect': {
      const own = name ?? loadClientConfig(config).config.name;
      const named = name === undefined ? [] : ['--name', name];
      const persistent = [...command, ...named, '--persist'];
      return { role: 'client', name: own, command: persistent, afterwards: afterwards(own), writes: [] };
    }
    case 'relay': {
      const { config: relay, folder } = loadRelayConfig(config);
      refuseName(name);
      // The folder that its state folder is made in, at the first start.
      const writes = relay.state === undefined ? [] : [dirname(resolve(folder, relay.state))];
      return { role, name: relay.name, command, reload, afterwards: afterwards(relay.name), writes };
    }
    case 'gateway': {
      refuseName(name);
      const own = loadGatewayConfig(config).config.name;
      return { role, name: own, command, reload, afterwards: afterwards(own), writes: [] };
    }
  }
}

export async function installService(
  plan: UnitPlan,
  directory: string,
): Promise<{ unit: string; file: string }> {
  const unit = unitName(plan.name);
  const file = join(directory, unit);
  try {
    await writeFileAtomic(file, unitText(plan), 0o644);
  } catch (error) {
    throw explain(error, `cannot write ${file}`, directory);
  }
  systemctl('daemon-reload');
  return { unit, file };
}

/** Returns the file that was removed. Throws NOT_RUNNING when there is none. */
export function removeService(name: string, directory: string): string {
  const unit = unitName(name);
  const file = join(directory, unit);
  if (!existsSync(file)) {
    throw new VpnrError('NOT_RUNNING', `there is no service ${name}: no ${file}`, {
      remedy: 'name one that "vpnr service install" has installed',
    });
  }
  systemctl('disable', '--now', unit);
  try {
    rmSync(file);
  } catch (error) {
    throw explain(error, `cannot remove ${file}`, directory);
  }
  systemctl('daemon-reload');
  return file;
}

/** Where systemd does not run (in a container that is being built), there is nothing to tell it. */
function systemctl(...args: string[]): void {
  if (!existsSync(SYSTEMD)) return;
  const { status, stderr, error } = spawnSync('systemctl', args, { encoding: 'utf8' });
  if (status === 0) return;
  const what = `systemctl ${args.join(' ')}`;
  throw new VpnrError('SYSTEM_CALL', `${what}: ${error?.message ?? stderr.trim()}`, {
    remedy: `see why: systemctl status; then run it by hand: ${what}`,
  });
}

function refuseName(name: string | undefined): void {
  if (name === undefined) return;
  throw new VpnrError('USAGE', '--name is for connections', {
    remedy: 'a relay or gateway has its name from its configuration',
  });
}

function explain(error: unknown, what: string, directory: string): VpnrError {
  return fileError(what, error, { place: directory, otherwise: 'name another folder with --directory' });
}
