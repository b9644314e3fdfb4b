/**
 * The laboratory: hosts and networks on one machine. A host is a network namespace; a network is a bridge in a
 * namespace of its own, the core. Nothing outside of the laboratory's namespaces is changed or talked to.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { VpnrError } from '../errors.js';
import { findProgram, mustRun, runCommandSync } from './command.js';
import { Host } from './host.js';
import { type LineStart, Lines } from './line/line.js';
import type { LinePlan } from './line/settings.js';
import { Link } from './link.js';
import { removeLab, removeStaleLabs, startTime, writeRecord } from './registry.js';

export interface LinkPlan {
  /** Addresses with their prefix lengths, as in "192.0.2.2/24". */
  addresses?: readonly string[];
  /** Delay, jitter, loss, rate; without it frames pass as fast as the kernel carries them. */
  line?: LinePlan;
}

export interface HostPlan {
  /** By the network's name, which is also the interface's name in the host. */
  links: Record<string, LinkPlan>;
  /** As `ip route add` takes them, as in "default via 192.0.2.1". */
  routes?: readonly string[];
  /** As in { "net.ipv4.ip_forward": "1" }. */
  sysctls?: Record<string, string>;
  /** Give it a /run of its own: for a program whose files there cannot be named, like charon's pid file. */
  privateRun?: boolean;
}

export interface LabPlan {
  networks: readonly string[];
  hosts: Record<string, HostPlan>;
}

/** Longest name of an interface (IFNAMSIZ less its end). */
const INTERFACE_NAME_MAX = 15;

/** Frames that wait for a line's thread: at 1 Gbit/s, 45 ms. */
const LINE_QUEUE = 4000;

const open = new Set<Lab>();

/** Why this machine cannot hold a laboratory that also uses these programs, or undefined when it can. */
export function labObstacle(programs: readonly string[] = []): string | undefined {
  if (process.getuid?.() !== 0) return 'not root';
  if (!existsSync('/dev/net/tun')) return 'no /dev/net/tun';
  const missing = ['ip', 'mount', ...programs].filter(program => findProgram(program) === undefined);
  if (missing.length > 0) return `not installed: ${missing.join(', ')}`;
  const probe = `vpnr-probe-${process.pid}`;
  runCommandSync(['ip', 'netns', 'add', probe]);
  const made = runCommandSync(['ip', 'netns', 'list']).includes(probe);
  runCommandSync(['ip', 'netns', 'del', probe]);
  return made ? undefined : 'network namespaces cannot be made';
}

export class Lab {
  /** Names of its namespaces begin with this. */
  readonly prefix: string;
  /** Configuration, secrets, sockets and logs; removed by `close`. */
  readonly folder: string;
  readonly #hosts = new Map<string, Host>();
  #lines: Lines | undefined;

  private constructor() {
    this.folder = makeFolder();
    this.prefix = `vpnr-${basename(this.folder).slice('vpnr-lab-'.length)}-`;
    try {
      const started = startTime(process.pid) ?? '';
      writeRecord({ prefix: this.prefix, folder: this.folder, pid: process.pid, started });
    } catch (error) {
      rmSync(this.folder, { recursive: true });
      throw error;
    }
    open.add(this);
    watchForTheEnd();
  }

  /** Makes the networks and hosts of the plan. Removes what ended processes have left of theirs. */
  static async create(plan: LabPlan): Promise<Lab> {
    const obstacle = labObstacle();
    if (obstacle !== undefined) {
      throw new VpnrError(obstacle === 'not root' ? 'NOT_ROOT' : 'LAB_FAILED', `no laboratory: ${obstacle}`);
    }
    removeStaleLabs();
    const lab = new Lab();
    try {
      await lab.#build(plan);
    } catch (error) {
      lab.close();
      throw error;
    }
    return lab;
  }

  host(name: string): Host {
    const host = this.#hosts.get(name);
    if (host === undefined) throw new VpnrError('LAB_FAILED', `no host ${name}`);
    return host;
  }

  get hosts(): Iterable<Host> {
    return this.#hosts.values();
  }

  /** The last lines that every process has written, for a report of a failure. */
  tails(count = 15): string {
    return [...this.hosts]
      .flatMap(host => host.processes)
      .map(child => child.tail(count))
      .filter(text => text !== '')
      .join('\n');
  }

  /** Ends all processes in the hosts and removes everything. Does not wait, so it also serves an exit handler. */
  close(): void {
    if (!open.delete(this)) return;
    this.#lines?.close();
    removeLab(this);
  }

  async #build(plan: LabPlan): Promise<void> {
    const namespace = (host: string) => this.prefix + host;
    const core = namespace('core');
    const names = Object.keys(plan.hosts);
    await batch(
      [],
      ['core', ...names].map(name => `netns add ${namespace(name)}`),
    );
    const bridges = new Map(plan.networks.map((network, index) => [network, `net${index}`]));
    const wiring = [...bridges.values()].flatMap(bridge => [
      `link add ${bridge} type bridge forward_delay 0 mcast_snooping 0`,
      `link set ${bridge} up`,
    ]);
    const attachments = attachmentsOf(plan);
    const shaped = attachments.filter(({ line }) => line !== undefined);
    if (shaped.length > 0) this.#lines = new Lines(namespaceFile(core), shaped.map(lineStart));
    const lines = new Map(shaped.map(({ port }, index) => [port, this.#lines?.lines[index]]));
    for (const { host, network, port, line } of attachments) {
      const bridge = bridges.get(network);
      if (bridge === undefined || network.length > INTERFACE_NAME_MAX) {
        throw new VpnrError('LAB_FAILED', `host ${host} cannot be linked to the network ${network}`);
      }
      wiring.push(
        line === undefined
          ? `link add ${port} type veth peer name ${network} netns ${namespace(host)}`
          : `link set ${far(port)} netns ${namespace(host)} name ${network} txqueuelen ${LINE_QUEUE}`,
        `link set ${port} master ${bridge}${line === undefined ? '' : ` txqueuelen ${LINE_QUEUE}`} up`,
      );
    }
    for (const name of names) {
      const folder = join(this.folder, name);
      const run = plan.hosts[name]?.privateRun ? join(folder, 'run') : join(this.folder, 'run');
      const logs = join(this.folder, 'logs');
      const links = new Map(
        attachments
          .filter(({ host }) => host === name)
          .map(({ network, port, addresses }) => {
            return [network, new Link({ core, port, name: network, addresses, line: lines.get(port) })];
          }),
      );
      this.#hosts.set(name, new Host(name, { namespace: namespace(name), folder, logs, run, links }));
    }
    await batch(['-n', core], wiring);
    for (const [name, host] of Object.entries(plan.hosts)) await configure(this.host(name), host);
  }
}

interface Attachment {
  host: string;
  network: string;
  /** The name of its port in the core namespace. */
  port: string;
  addresses: readonly string[];
  line: LinePlan | undefined;
}

function makeFolder(): string {
  try {
    return mkdtempSync(join(tmpdir(), 'vpnr-lab-'));
  } catch (error) {
    throw new VpnrError('LAB_FAILED', `no laboratory: ${(error as Error).message}`, {
      remedy: 'name a folder with room, that you may write to, in $TMPDIR',
      cause: error,
    });
  }
}

function attachmentsOf(plan: LabPlan): Attachment[] {
  return Object.entries(plan.hosts)
    .flatMap(([host, { links }]) => Object.entries(links).map(([network, link]) => ({ host, network, link })))
    .map(({ host, network, link }, index) => {
      return { host, network, port: `port${index}`, addresses: link.addresses ?? [], line: link.line };
    });
}

/** The name that the host's end of a line has until it is in the host. */
const far = (port: string) => `far-${port}`;

const lineStart = ({ port, line = {} }: Attachment): LineStart => ({ host: far(port), port, plan: line });

/** Where `ip netns` keeps the namespace of this name. */
const namespaceFile = (name: string) => `/run/netns/${name}`;

/** Addresses without duplicate detection, so that a host is ready when this returns. */
async function configure(host: Host, plan: HostPlan): Promise<void> {
  const sysctls = Object.entries({
    'net.ipv6.conf.all.accept_dad': '0',
    'net.ipv6.conf.default.accept_dad': '0',
    ...Object.fromEntries([...host.links.keys()].map(link => [`net.ipv6.conf.${link}.accept_dad`, '0'])),
    ...plan.sysctls,
  });
  const settings = sysctls.flatMap(([key, value]) => [`/proc/sys/${key.replaceAll('.', '/')}`, value]);
  const script = 'while [ $# -gt 0 ]; do echo "$2" > "$1" || exit 1; shift 2; done';
  await host.run(['sh', '-c', script, 'sh', ...settings]);
  await batch(
    ['-n', host.namespace],
    [
      'link set lo up',
      ...[...host.links.values()].flatMap(link => [
        ...link.addresses.map(address => `address add ${address} dev ${link.name}`),
        `link set ${link.name} up`,
      ]),
      ...(plan.routes ?? []).map(route => `route add ${route}`),
    ],
  );
}

async function batch(options: readonly string[], commands: readonly string[]): Promise<void> {
  await mustRun(['ip', ...options, '-batch', '-'], { input: `${commands.join('\n')}\n` });
}

let watching = false;

/** However the process ends, except by SIGKILL, what is open is closed; after SIGKILL the next to start does it. */
function watchForTheEnd(): void {
  if (watching) return;
  watching = true;
  const closeAll = () => {
    for (const lab of open) lab.close();
  };
  process.on('exit', closeAll);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    const onSignal = () => {
      // Others who listen decide what the signal means; they end in an exit.
      if (process.listenerCount(signal) > 1) return;
      closeAll();
      process.off(signal, onSignal);
      process.kill(process.pid, signal);
    };
    process.on(signal, onSignal);
  }
}
