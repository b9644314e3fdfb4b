/** The name servers that the system asks. */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';

export const RESOLV_CONF = '/etc/resolv.conf';
/** Where systemd-resolved lists the servers that it asks itself; /etc/resolv.conf then names its stub only. */
const UPSTREAM = '/run/systemd/resolve/resolv.conf';

/** Their addresses, in order: those of systemd-resolved where its stub is asked. */
export function systemNameServers(path = RESOLV_CONF, upstream = UPSTREAM): string[] {
  const servers = nameServersIn(readIfThere(path));
  const isStub = servers.length > 0 && servers.every(server => /^127\.0\.0\.5[34]$/.test(server));
  return isStub ? nameServersIn(readIfThere(upstream)) : servers;
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
