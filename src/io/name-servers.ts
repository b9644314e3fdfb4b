/** The name servers that the system asks. */
import { readFileSync, realpathSync } from 'node:fs';
import { isIP } from 'node:net';

export const RESOLV_CONF = '/etc/resolv.conf';
const RESOLVED_FOLDER = '/run/systemd/resolve';
/** Where systemd-resolved lists the servers that it asks itself; /etc/resolv.conf often names its stub only. */
const UPSTREAM = `${RESOLVED_FOLDER}/resolv.conf`;

export interface NameServers {
  /** Addresses, in order. */
  servers: readonly string[];
  /** Domains that are tried behind a name. */
  search: readonly string[];
}

/** Whether systemd-resolved answers what programs ask. */
export function isResolvedUsed(path = RESOLV_CONF): boolean {
  try {
    if (realpathSync(path).startsWith(`${RESOLVED_FOLDER}/`)) return true;
  } catch {
    return false;
  }
  const servers = nameServersIn(readIfThere(path));
  return servers.length > 0 && servers.every(server => /^127\.0\.0\.5[34]$/.test(server));
}

/** Addresses of those that are asked in the end, according to the file `path`. */
export function systemNameServers(path = RESOLV_CONF): string[] {
  return nameServersIn(readIfThere(isResolvedUsed(path) ? UPSTREAM : path));
}

/** In the text of a resolv.conf(5). */
export function nameServersIn(text: string): string[] {
  return text.split('\n').flatMap(line => {
    const [, server = ''] = /^\s*nameserver\s+([^\s%]+)/.exec(line) ?? [];
    return isIP(server) === 0 ? [] : [server];
  });
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
