/** The laboratory without root: in a user namespace, where this process is root over namespaces of its own. */
import { spawn, spawnSync } from 'node:child_process';
import { findProgram } from './command.js';

/** Set for the process inside. */
const INSIDE = 'VPNR_PRIVATE';
const UNSHARE = ['--user', '--map-root-user', '--net', '--mount'];
/** `ip netns` and vpnr write to /run, which belongs to the real root. */
const SCRIPT = 'mount -t tmpfs tmpfs /run && exec "$@"';
const TRY_MS = 10_000;

/** Whether this process is to look for rights in a user namespace. */
export function needsUserNamespace(): boolean {
  return process.getuid?.() !== 0 && process.env[INSIDE] === undefined;
}

/** Why this user cannot have a user namespace with network namespaces in it, or undefined when they can. */
export function userNamespaceObstacle(): string | undefined {
  const unshare = findProgram('unshare');
  if (unshare === undefined) return 'not root, and the program unshare (util-linux) is not installed';
  const attempt = [...UNSHARE, 'sh', '-c', SCRIPT, 'sh', 'unshare', '--net', 'true'];
  const { status, stderr } = spawnSync(unshare, attempt, { encoding: 'utf8', timeout: TRY_MS });
  return status === 0 ? undefined : `not root, and this kernel gives users no namespaces: ${stderr.trim()}`;
}

/** Runs a command as root of a user namespace, with this process's terminal; resolves with its exit status. */
export function runInUserNamespace(command: readonly string[]): Promise<number> {
  const child = spawn(
    findProgram('unshare') ?? 'unshare',
    [...UNSHARE, 'sh', '-c', SCRIPT, 'sh', ...command],
    {
      stdio: 'inherit',
      env: { ...process.env, [INSIDE]: '1' },
    },
  );
  // A terminal sends Ctrl-C to both by itself; a second one would cut the tidying short.
  const pass = (signal: NodeJS.Signals) => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, pass);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', status => {
      for (const signal of signals) process.off(signal, pass);
      resolve(status ?? 1);
    });
  });
}
