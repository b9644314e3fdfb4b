/**
 * A connection, relay or gateway that was started with more rights than it needs, as by root, starts anew without them, in the same
 * process, before it has opened anything. What systemd runs has no more from the start. None leaves a core dump.
 */
import { dirname, resolve } from 'node:path';
import type { Role } from '../control/event-log.js';
import { runtimeFolder, stateFolder } from '../control/folders.js';
import { ownProgram } from '../lab/self.js';
import { neededCapabilities } from '../service/capabilities.js';

const ROLES: Partial<Record<string, Role>> = { connect: 'client', relay: 'relay', gateway: 'gateway' };
/** With these, nothing begins. */
const HELP = ['--help', '-h'];

/** `args`: of the command line. Says so when it cannot be done, and lets it go on with what it has. */
export async function confine(args: readonly string[]): Promise<void> {
  const [command = ''] = args;
  // What has a channel to the process that started it would lose it, and was started by one that is confined.
  const role = ROLES[command];
  if (role === undefined || process.channel !== undefined) return;
  if (args.some(argument => HELP.includes(argument))) return;
  // A relay may keep its state beside its configuration.
  const beside = role === 'relay' ? configurationFolders(args) : [];
  const needed = neededCapabilities(role, [runtimeFolder(), stateFolder(), ...beside]);
  // Other commands do without system calls of their own, and start sooner.
  const { becomeProgram, holdsOthersThan, keepOnly } = await import('../io/capabilities.js');
  const { forbidCoreDumps } = await import('../io/core-dumps.js');
  forbidCoreDumps();
  try {
    if (!holdsOthersThan(needed)) return;
    keepOnly(needed);
    const [program = '', ...script] = ownProgram();
    const options = script.length === 0 ? [] : process.execArgv;
    becomeProgram(program, [...options, ...script, ...args]);
  } catch (error) {
    process.stderr.write(`warning: rights that are not needed are kept: ${(error as Error).message}\n`);
  }
}

/** Folders of the files that -c or --config names, in any of the ways that oclif takes. */
function configurationFolders(args: readonly string[]): string[] {
  return args.flatMap((argument, index) => {
    const [, inline] = /^(?:--config=|-c=?)(.+)$/.exec(argument) ?? [];
    const file = inline ?? (argument === '-c' || argument === '--config' ? args[index + 1] : undefined);
    return file === undefined ? [] : [dirname(resolve(file))];
  });
}
