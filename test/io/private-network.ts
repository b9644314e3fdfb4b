/**
 * Runs a test file in a network namespace of its own. The namespace has no name and goes with the process, so
 * nothing can be left behind, nor can two runs meet.
 */
import { execFileSync, spawnSync } from 'node:child_process';

const INSIDE = 'VPNR_TEST_PRIVATE_NETWORK';

/**
 * True inside the namespace: go on. False outside: the file has been run inside by the call (or, without the
 * rights, its `tests` tests have been reported as skipped), and there is nothing left to do.
 */
export function inPrivateNetwork(tests: number): boolean {
  if (process.env[INSIDE] === '1') {
    execFileSync('ip', ['link', 'set', 'lo', 'up']);
    return true;
  }
  const lacking = process.getuid?.() !== 0 ? 'not root' : cannotUnshare();
  if (lacking !== undefined) {
    console.log(`# skipped ${tests}: ${lacking}`);
    return false;
  }
  const command = ['--net', process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const { status } = spawnSync('unshare', command, {
    stdio: 'inherit',
    env: { ...process.env, [INSIDE]: '1' },
  });
  process.exitCode = status ?? 1;
  return false;
}

function cannotUnshare(): string | undefined {
  const probe = spawnSync('unshare', ['--net', 'ip', 'tuntap', 'add', 'dev', 'probe', 'mode', 'tun']);
  if (probe.error !== undefined) return 'the program unshare is missing';
  return probe.status === 0 ? undefined : 'no network namespaces, TUN devices or iproute2 here';
}

/** Runs `ip` and returns what it prints. */
export function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8' });
}

/** A device that is up, with addresses. It is a TUN device that nobody reads. */
export function makeDevice(name: string, ...addresses: string[]): void {
  ip('tuntap', 'add', 'dev', name, 'mode', 'tun');
  ip('link', 'set', name, 'up');
  for (const address of addresses) {
    ip('address', 'add', address, 'dev', name, ...(address.includes(':') ? ['nodad'] : []));
  }
}

export function deleteDevice(name: string): void {
  ip('link', 'delete', name);
}

/** All routes and addresses, to be compared before and after; not what the kernel adds to them by itself. */
export function snapshot(): string {
  const sections = [
    ['address'],
    ['-4', 'route', 'show', 'table', 'all'],
    ['-6', 'route', 'show', 'table', 'all'],
  ];
  return sections
    .map(args => ip(...args).replaceAll(/valid_lft.*|^\d+: |^multicast.*/gm, ''))
    .map(text =>
      text
        .split('\n')
        .map(line => line.trim())
        .filter(line => line !== '')
        .sort()
        .join('\n'),
    )
    .join('\n');
}
