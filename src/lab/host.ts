import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from '../control/client.js';
import type { ControlRequest } from '../control/protocol.js';
import { VpnrError } from '../errors.js';
import { type CommandOptions, type CommandResult, commandFailed, runCommand } from './command.js';
import type { Link } from './link.js';
import { LabProcess } from './process.js';

/** What a host's kernel knows of its network, in a form in which two moments can be compared. */
export interface NetworkSnapshot {
  links: string[];
  addresses: string[];
  routes: string[];
  rules: string[];
  /** Of IPv4 and IPv6, as "path:value". */
  sysctls: string[];
}

export interface SpawnOptions {
  /** For messages and the log file; the program's name when absent. */
  name?: string;
  env?: Record<string, string>;
  cwd?: string;
}

/** One machine of the laboratory: a network namespace and a `/run` folder. */
export class Host {
  readonly name: string;
  readonly namespace: string;
  readonly links: ReadonlyMap<string, Link>;
  /** Where its files may be kept; removed with the laboratory. */
  readonly folder: string;
  readonly #logs: string;
  /** Mounted over /run for all that runs in the host. */
  readonly runFolder: string;
  readonly #processes: LabProcess[] = [];

  /** Hosts may share one `run`. */
  constructor(
    name: string,
    options: {
      namespace: string;
      folder: string;
      logs: string;
      run: string;
      links: ReadonlyMap<string, Link>;
    },
  ) {
    this.name = name;
    this.namespace = options.namespace;
    this.folder = options.folder;
    this.#logs = options.logs;
    this.runFolder = options.run;
    this.links = options.links;
    for (const folder of [this.folder, this.#logs, this.runFolder])
      mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** The link to a network. */
  link(network: string): Link {
    const link = this.links.get(network);
    if (link === undefined) throw new VpnrError('LAB_FAILED', `host ${this.name} has no link ${network}`);
    return link;
  }

  /** The processes started with `spawn`, also those that have ended. */
  get processes(): readonly LabProcess[] {
    return this.#processes;
  }

  /** The command line that runs `command` in the host. */
  command(command: readonly string[]): string[] {
    // `ip netns exec` gives the process a mount namespace of its own, so the mount over /run is seen by it alone.
    const script = 'mount --bind "$1" /run && export VPNR_STATE_DIR="$2" && shift 2 && exec "$@"';
    const state = join(this.folder, 'state');
    return [
      'ip',
      'netns',
      'exec',
      this.namespace,
      'sh',
      '-c',
      script,
      'sh',
      this.runFolder,
      state,
      ...command,
    ];
  }

  /** Starts a process beside the laboratory. Throws LAB_FAILED when that has been closed. */
  spawn(command: readonly string[], options: SpawnOptions = {}): LabProcess {
    if (!existsSync(this.folder)) throw new VpnrError('LAB_FAILED', `host ${this.name} is no more`);
    const name = options.name ?? command[0]?.split('/').at(-1) ?? 'process';
    const child = new LabProcess(this.command(command), {
      ...options,
      name: `${this.name}/${name}`,
      logFile: join(this.#logs, `${this.name}-${name}.log`),
    });
    this.#processes.push(child);
    return child;
  }

  /** Asks a vpnr that runs in the host, as its commands do, without the time that the start of a command takes. */
  ask<Result>(name: string, request: ControlRequest): Promise<Result | undefined> {
    return ask(name, request, join(this.runFolder, 'vpnr'));
  }

  /** Runs a command to its end and returns what it said, whatever its exit status. */
  try(command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return runCommand(this.command(command), options);
  }

  /** Runs a command that must succeed (else LAB_FAILED) and returns its standard output. */
  async run(command: readonly string[], options: CommandOptions = {}): Promise<string> {
    const result = await this.try(command, options);
    if (result.status !== 0) throw commandFailed([`${this.name}:`, ...command], result);
    return result.stdout;
  }

  /** Links, addresses, routes of all tables, policy rules and sysctls as they are now, without counters and timers. */
  async network(): Promise<NetworkSnapshot> {
    const dump = async (...args: string[]) => {
      const list = JSON.parse((await this.run(['ip', '-j', ...args])) || '[]') as Record<string, unknown>[];
      return list.map(entry => JSON.stringify(entry)).sort();
    };
    const rules = async (family: string) => (await dump(family, 'rule')).map(rule => `${family} ${rule}`);
    const routes = async (family: string) =>
      (await dump(family, 'route', 'show', 'table', 'all')).map(route => `${family} ${route}`);
    // Some of the files can only be written, which grep says with its exit status.
    const sysctls = await this.try(['grep', '-rs', '.', '/proc/sys/net/ipv4', '/proc/sys/net/ipv6']);
    return {
      sysctls: sysctls.stdout.split('\n').sort(),
      links: await dump('link'),
      addresses: await dump('address'),
      routes: [...(await routes('-4')), ...(await routes('-6'))],
      rules: [...(await rules('-4')), ...(await rules('-6'))],
    };
  }
}
