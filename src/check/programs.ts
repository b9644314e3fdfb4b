/** Points about the programs of the system that vpnr runs. */
import { VpnrError } from '../errors.js';
import { isInstalled } from '../io/program.js';

/** Programs, and the Debian packages that have them. */
const PACKAGES = {
  ip: 'iproute2',
  nft: 'nftables',
  resolvectl: 'systemd-resolved',
  unshare: 'util-linux',
} as const;

export type Program = keyof typeof PACKAGES;

/** What `vpnr exec` runs. */
const EXEC: readonly Program[] = ['ip', 'nft', 'unshare'];

/** Throws MISSING_PROGRAM. */
export function checkPrograms(needed: readonly Program[]): string {
  const missing = needed.filter(program => !isInstalled(program));
  if (missing.length > 0) {
    throw new VpnrError('MISSING_PROGRAM', `${list(missing)} not installed`, { remedy: remedyFor(missing) });
  }
  return `${list(needed)} there`;
}

/** Whether `vpnr exec` could be used, which nothing in a configuration asks for: so it is no fault if not. */
export function checkExec(): string {
  const missing = EXEC.filter(program => !isInstalled(program));
  return missing.length === 0
    ? `can be used: ${list(EXEC)} there`
    : `cannot be used: ${list(missing)} not installed (${remedyFor(missing)})`;
}

function list(programs: readonly Program[]): string {
  return `${programs.map(program => `\`${program}\``).join(', ')} ${programs.length === 1 ? 'is' : 'are'}`;
}

function remedyFor(missing: readonly Program[]): string {
  return `apt-get install ${missing.map(program => PACKAGES[program]).join(' ')}`;
}
