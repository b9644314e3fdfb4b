/** strongSwan's charon in a host, as a gateway or as a client. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { VpnrError } from '../errors.js';
import { type CommandResult, commandFailed, findProgram, runCommand } from './command.js';
import type { Gateway } from './gateway.js';
import type { Host } from './host.js';
import type { LabProcess } from './process.js';
import { type Block, formatConfiguration } from './strongswan-config.js';
import { until } from './wait.js';

/** Debian's place, then that of other distributions. */
const CHARON = ['/usr/lib/ipsec/charon', '/usr/libexec/ipsec/charon', '/usr/libexec/strongswan/charon'];
const START_TIMEOUT_MS = 60_000;
/** kernel-libipsec stands before kernel-netlink: this kernel's own ESP is not wanted, or not there. */
const PLUGINS =
  'random nonce aes sha1 sha2 hmac kdf gcm chapoly openssl curve25519 pem pkcs1 pkcs8 x509 pubkey revocation ' +
  'kernel-libipsec kernel-netlink socket-default vici updown eap-identity eap-mschapv2 eap-md5';

export interface StrongSwanOptions {
  /** Connections, pools and secrets, as in swanctl.conf. */
  swanctl: Block;
  /** Added to the section `charon` of strongswan.conf. */
  charon?: Block;
}

/** Why this machine cannot run strongSwan in a host, or undefined when it can. */
export function strongSwanObstacle(): string | undefined {
  if (CHARON.every(path => !existsSync(path))) return 'not installed: charon (strongSwan)';
  return findProgram('swanctl') === undefined ? 'not installed: swanctl (strongSwan)' : undefined;
}

/** One charon. It can be killed and started again, as often as wanted. */
export class StrongSwan implements Gateway {
  readonly host: Host;
  readonly #options: StrongSwanOptions;
  readonly #folder: string;
  #charon: LabProcess | undefined;

  /** The host needs a /run of its own (`privateRun`): the place of charon's pid file is fixed. */
  constructor(host: Host, options: StrongSwanOptions) {
    this.host = host;
    this.#options = options;
    this.#folder = join(host.folder, 'strongswan');
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  get running(): boolean {
    return this.#charon?.running ?? false;
  }

  get pid(): number | undefined {
    return this.#charon?.pid;
  }

  /** Where charon writes what it does. */
  get logFile(): string {
    return join(this.#folder, 'charon.log');
  }

  /** Starts charon, waits until it answers and loads its configuration. */
  async start(): Promise<void> {
    if (this.running) throw new VpnrError('LAB_FAILED', `charon runs already in ${this.host.name}`);
    const charon = CHARON.find(path => existsSync(path));
    if (charon === undefined) throw new VpnrError('MISSING_PROGRAM', 'charon (strongSwan) is not installed');
    // A killed charon leaves them, and its process id may belong to another by now.
    rmSync(join(this.host.folder, 'run', 'charon.pid'), { force: true });
    rmSync(this.#socket, { force: true });
    const settings = join(this.#folder, 'strongswan.conf');
    this.#write('strongswan.conf', this.#daemonConfiguration());
    this.#charon = this.host.spawn([charon], { name: 'charon', env: { STRONGSWAN_CONF: settings } });
    await until(`charon in ${this.host.name} answers`, START_TIMEOUT_MS, async () => {
      if (!this.running) {
        throw new VpnrError('LAB_FAILED', `charon in ${this.host.name} ended\n${this.#charon?.tail()}`);
      }
      if (!existsSync(this.#socket)) return undefined;
      return (await this.swanctl('--stats')).status === 0 || undefined;
    });
    await this.load(this.#options.swanctl);
  }

  /** Replaces connections, pools and secrets; what is established stays. */
  async load(swanctl: Block): Promise<void> {
    const file = this.#write('swanctl.conf', formatConfiguration(swanctl));
    const command = ['--load-all', '--noprompt', '--file', file];
    const result = await this.swanctl(...command);
    if (result.status !== 0) throw commandFailed(['swanctl', ...command], result);
  }

  /** SIGKILL: no DELETE, no goodbye. */
  async kill(): Promise<void> {
    await this.#charon?.kill();
  }

  /** SIGTERM: charon deletes its associations, telling its peers. */
  async stop(): Promise<void> {
    await this.#charon?.stop('SIGTERM');
  }

  /** SIGSTOP: the process stays, its sockets stay, nothing is answered. */
  freeze(): void {
    this.#charon?.signal('SIGSTOP');
  }

  thaw(): void {
    this.#charon?.signal('SIGCONT');
  }

  /** Runs `swanctl ARGS` against this charon. */
  swanctl(...args: string[]): Promise<CommandResult> {
    const [command = '', ...rest] = args;
    return runCommand(['swanctl', command, '--uri', `unix://${this.#socket}`, ...rest], {
      env: { STRONGSWAN_CONF: join(this.#folder, 'strongswan.conf') },
    });
  }

  /** Its established security associations, as `swanctl --list-sas` prints them. */
  async associations(): Promise<string> {
    return (await this.swanctl('--list-sas')).stdout;
  }

  get #socket(): string {
    return join(this.#folder, 'charon.vici');
  }

  #write(name: string, text: string): string {
    const path = join(this.#folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  #daemonConfiguration(): string {
    return formatConfiguration({
      charon: {
        load_modular: 'no',
        load: PLUGINS,
        plugins: {
          vici: { socket: `unix://${this.#socket}` },
          'kernel-libipsec': { allow_peer_ts: 'yes' },
        },
        filelog: { log: { path: this.logFile, default: '1', flush_line: 'yes', time_format: '%H:%M:%S' } },
        ...this.#options.charon,
      },
    });
  }
}
