/**
 * A host of the laboratory with a system of its own: systemd as process 1 of new namespaces, over a copy of this machine's files
 * that is thrown away. It is kept from what the kernel has only one of: settings outside of the network, modules, the clock.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  type CommandOptions,
  type CommandResult,
  commandFailed,
  findProgram,
  runCommand,
  runCommandSync,
} from '../../src/lab/command.js';
import { type Host, type LabProcess, until } from '../../src/lab/index.js';

const SYSTEMD = ['/usr/lib/systemd/systemd', '/lib/systemd/systemd'].find(path => existsSync(path));
const BOOT_MS = 20_000;
/** Where a machine finds this project, and the program that runs it: its /tmp and /home are not those of this one. */
export const PROJECT = '/opt/vpnr';
const NODE = '/opt/node';
const ENVIRONMENT = [
  'env',
  '-i',
  'LC_ALL=C.UTF-8',
  'SYSTEMD_PAGER=',
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
];

/** `vpnr`, as a machine runs it. */
export const MACHINE_PROGRAM = [NODE, `${PROJECT}/dist/cli.js`];

/** $1: a folder, $2: the cgroup's name. Mounted anew, the whole tree is seen, wherever and however it is mounted here. */
const IN_CGROUP = `set -e
mount -t cgroup2 cgroup2 "$1"
mkdir -p "$1/$2"
echo $$ > "$1/$2/cgroup.procs"
umount "$1"
shift 2
exec "$@"`;

/** $1: a folder, $2: the cgroup's name. Fails while its processes are ending. */
const REMOVE_CGROUP = `set -e
mount -t cgroup2 cgroup2 "$1"
find "$1/$2" -depth -type d -exec rmdir {} +`;

/** $1: the name of a cgroup, which is printed when it could be made. */
const PROBE_CGROUP = `mount -t cgroup2 cgroup2 /mnt && mkdir "/mnt/$1" && rmdir "/mnt/$1" && echo "$1"`;

/** $1: the folder, $2: this project, $3: Node.js, $4: systemd. */
const BOOT = `set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" overlay "$1/root"
cd "$1/root"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount --bind proc/sys/net proc/sys/net
mount -o remount,bind,ro proc/sys
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -o remount,bind,ro sys
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/net dev/shm dev/pts
node() { mknod -m 666 "dev/$1" c "$2" "$3"; }
node null 1 3
node zero 1 5
node full 1 7
node random 1 8
node urandom 1 9
node tty 5 0
node net/tun 10 200
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir -p opt/vpnr
: > opt/node
mount --bind "$2" opt/vpnr
mount -o remount,bind,ro opt/vpnr
mount --bind "$3" opt/node

# Of what is started by itself, no more than the journal, users and temporary files.
rm -rf etc/systemd/system etc/fstab var/log/journal
mkdir -p etc/systemd/system
for wants in usr/lib/systemd/system/*.wants; do
  for unit in "$wants"/*; do
    case "\${unit##*/}" in
      systemd-journald*.socket | systemd-journald.service | systemd-sysusers.service | systemd-tmpfiles-setup.service | dbus.socket) ;;
      *) rm -f "$unit" ;;
    esac
  done
done
printf '[Unit]\\nRequires=basic.target\\nAfter=basic.target\\nAllowIsolate=yes\\n' > etc/systemd/system/machine.target

mkdir -p mnt
pivot_root . mnt
umount -l mnt
exec setpriv --bounding-set=-sys_module,-sys_time,-sys_rawio,-sys_boot,-syslog,-mac_admin,-mac_override,-audit_control \\
  env -i container=laboratory "$4" --system --unit=machine.target --log-target=journal`;

/** Why no machine can be booted here, or undefined when one can. */
export function machineObstacle(): string | undefined {
  if (SYSTEMD === undefined) return 'not installed: systemd';
  const missing = [
    'unshare',
    'nsenter',
    'pivot_root',
    'setpriv',
    'systemctl',
    'journalctl',
    'dbus-daemon',
  ].filter(program => findProgram(program) === undefined);
  if (missing.length > 0) return `not installed: ${missing.join(', ')}`;
  const kernel = readFileSync('/proc/filesystems', 'utf8');
  const lacking = ['overlay', 'cgroup2'].filter(name => !kernel.includes(`\t${name}\n`));
  if (lacking.length > 0) return `not in this kernel: ${lacking.join(', ')}`;
  const probe = `vpnr-probe-${process.pid}`;
  const made = runCommandSync(['unshare', '--mount', 'sh', '-c', PROBE_CGROUP, 'sh', probe]).includes(probe);
  return made ? undefined : 'no cgroup can be made';
}

/** Where scripts/prepare.mjs keeps the package that is not to be installed on this machine. */
const PACKAGES = resolve('.build', 'debian');
const RESOLVED = '/usr/lib/systemd/systemd-resolved';

/** Why no machine can have systemd-resolved, or undefined when one can. */
export function resolvedObstacle(): string | undefined {
  const isThere = existsSync(RESOLVED) || resolvedPackage() !== undefined;
  return machineObstacle() ?? (isThere ? undefined : 'not there: systemd-resolved');
}

function resolvedPackage(): string | undefined {
  const files = existsSync(PACKAGES) ? readdirSync(PACKAGES) : [];
  const file = files.find(name => /^systemd-resolved_.*\.deb$/.test(name));
  return file === undefined ? undefined : join(PACKAGES, file);
}

export class Machine {
  readonly host: Host;
  readonly #manager: LabProcess;
  readonly #init: number;

  private constructor(host: Host, manager: LabProcess, init: number) {
    this.host = host;
    this.#manager = manager;
    this.#init = init;
  }

  /** Resolves when all that is started by itself has been. The laboratory's end is the machine's, too. */
  static async boot(host: Host): Promise<Machine> {
    const folder = join(host.folder, 'machine');
    mkdirSync(folder, { recursive: true });
    const unshare = ['unshare', '--mount', '--pid', '--cgroup', '--ipc', '--uts', '--fork', '--kill-child'];
    const boot = ['sh', '-c', BOOT, 'sh', folder, process.cwd(), process.execPath, SYSTEMD ?? ''];
    const manager = host.spawn(['sh', '-c', IN_CGROUP, 'sh', folder, host.namespace, ...unshare, ...boot], {
      name: 'systemd',
    });
    try {
      const init = await until(`${host.name} boots`, BOOT_MS, () => {
        if (!manager.running) throw new Error(`systemd has ended\n${manager.tail()}`);
        return initOf(manager.pid);
      });
      const machine = new Machine(host, manager, init);
      const isUp = async () => (await machine.try(['systemctl', 'is-system-running'])).stdout;
      await until(`${host.name} is up`, BOOT_MS, async () =>
        ['running\n', 'degraded\n'].includes(await isUp()) ? true : undefined,
      );
      return machine;
    } catch (error) {
      await manager.kill();
      throw error;
    }
  }

  /** Runs a command to its end and returns what it said, whatever its exit status. */
  try(command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const root = `/proc/${this.#init}/root`;
    return runCommand(
      [
        'nsenter',
        '--target',
        `${this.#init}`,
        '--all',
        `--root=${root}`,
        `--wd=${root}`,
        ...ENVIRONMENT,
        ...command,
      ],
      options,
    );
  }

  /** Runs a command that must succeed (else LAB_FAILED) and returns its standard output. */
  async run(command: readonly string[], options: CommandOptions = {}): Promise<string> {
    const result = await this.try(command, options);
    if (result.status !== 0) throw commandFailed([`${this.host.name}:`, ...command], result);
    return result.stdout;
  }

  /** Starts systemd-resolved, which asks this name server unless it is told of others; all programs ask systemd-resolved. */
  async startResolved(server: string): Promise<void> {
    const file = resolvedPackage();
    if (!existsSync(RESOLVED) && file !== undefined) {
      copyFileSync(file, this.path('/root/resolved.deb'));
      const unpack =
        'dpkg-deb --fsys-tarfile /root/resolved.deb | tar --extract --keep-directory-symlink --directory /';
      await this.run(['sh', '-c', `${unpack} && systemd-sysusers`]);
    }
    mkdirSync(this.path('/etc/systemd/resolved.conf.d'), { recursive: true });
    writeFileSync(
      this.path('/etc/systemd/resolved.conf.d/laboratory.conf'),
      `[Resolve]\nDNS=${server}\nFallbackDNS=\nDNSSEC=no\nLLMNR=no\nMulticastDNS=no\nCache=no\n`,
    );
    await this.run(['ln', '-sf', '/run/systemd/resolve/stub-resolv.conf', '/etc/resolv.conf']);
    await this.run(['sed', '-i', 's/^hosts:.*/hosts: files dns/', '/etc/nsswitch.conf']);
    await this.run(['systemctl', 'daemon-reload']);
    await this.run(['systemctl', 'start', 'systemd-resolved']);
  }

  /** The path, outside, of one of its files. */
  path(file: string): string {
    return join(`/proc/${this.#init}/root`, file);
  }

  /** The last lines of its journal, for a report of a failure. */
  async journal(count = 40): Promise<string> {
    return (await this.try(['journalctl', '--no-pager', '--lines', `${count}`])).stdout;
  }

  /** Ends it, as by a power cut. */
  async close(): Promise<void> {
    await this.#manager.kill();
    const folder = join(this.host.folder, 'machine');
    const { namespace } = this.host;
    const leaveCgroup = ['unshare', '--mount', 'sh', '-c', REMOVE_CGROUP, 'sh', folder, namespace];
    await until(`the cgroup of ${this.host.name} is gone`, BOOT_MS, async () =>
      (await runCommand(leaveCgroup)).status === 0 ? true : undefined,
    );
  }
}

/** The child of `unshare`: process 1 of the machine. */
function initOf(pid: number | undefined): number | undefined {
  try {
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
    if (!child) return undefined;
    return readFileSync(`/proc/${child}/comm`, 'utf8') === 'systemd\n' ? Number(child) : undefined;
  } catch {
    return undefined;
  }
}
