/** Telling systemd-resolved, by the program `resolvectl`, which name servers a device has. */
import { VpnrError } from '../errors.js';
import type { NameServers } from './name-servers.js';
import { runProgram } from './program.js';

/** One that hangs is not to keep the connection from being told, nor from its other changes. */
const PATIENCE_MS = 5000;

/**
 * `isDefault`: these are asked for all names. Otherwise for those below the search domains only, and nobody else is asked for
 * them.
 */
export async function tellResolved(
  device: string,
  { servers, search }: NameServers,
  isDefault: boolean,
): Promise<void> {
  const everything = isDefault ? ['~.'] : [];
  const domains = [...search, ...everything];
  // The servers last: none is asked before it is known for what.
  await resolvectl('default-route', device, isDefault ? 'yes' : 'no');
  await resolvectl('domain', device, ...(domains.length === 0 ? [''] : domains));
  await resolvectl('dns', device, ...servers);
}

export function forgetInResolved(device: string): Promise<void> {
  return resolvectl('revert', device);
}

async function resolvectl(...args: string[]): Promise<void> {
  const options = { package: 'systemd-resolved', timeoutMs: PATIENCE_MS };
  const { code, stderr } = await runProgram('resolvectl', args, options);
  if (code !== 0)
    throw new VpnrError('SYSTEM_CALL', `\`resolvectl ${args.join(' ')}\` failed: ${stderr.trim()}`);
}
