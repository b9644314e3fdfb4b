/** vpnr's own programs in the laboratory's hosts. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { ConnectionEvent } from '../client/events.js';
import type { ConnectionStatus } from '../client/status.js';
import { VpnrError } from '../errors.js';
import type { GatewayServiceStatus } from '../gateway/run.js';
import type { Gateway, GatewaySite } from './gateway.js';
import type { Host } from './host.js';
import type { LabProcess } from './process.js';
import type { Program } from './self.js';
import { until } from './wait.js';

/** Long enough for a machine that has much else to do. */
const READY_TIMEOUT_MS = 60_000;
const IKE_PORT = 4500;
/** The state of a listening socket in /proc/net/tcp, of an unconnected one in /proc/net/udp. */
const OPEN_STATES = { tcp: '0A', udp: '07' };

type EventOf<Name extends ConnectionEvent['event']> = Extract<ConnectionEvent, { event: Name }>;

/** `vpnr connect --json` in a host. */
export class Connection {
  readonly process: LabProcess;
  readonly #host: Host;
  readonly #name: string;
  #taken = 0;

  /** `name` stands in the configuration file. */
  constructor(host: Host, program: Program, configuration: string, name: string) {
    this.#host = host;
    this.#name = name;
    this.process = host.spawn([...program, 'connect', '-c', configuration, '--json'], { name: 'connect' });
  }

  /** Everything that it has told so far. */
  get events(): ConnectionEvent[] {
    return this.process.lines
      .filter(line => line.startsWith('{'))
      .map(line => JSON.parse(line) as ConnectionEvent);
  }

  /** The next event of this name (and gateway) after the one that an earlier call returned. */
  async event<Name extends ConnectionEvent['event']>(
    name: Name,
    options: { gateway?: string; timeoutMs?: number } = {},
  ): Promise<EventOf<Name>> {
    const { gateway, timeoutMs = READY_TIMEOUT_MS } = options;
    const matches = (event: ConnectionEvent) =>
      event.event === name && (gateway === undefined || ('gateway' in event && event.gateway === gateway));
    const what = `connect tells ${name} ${gateway ?? ''}`;
    try {
      return await until(what, timeoutMs, () => {
        const events = this.events;
        const found = events.findIndex((event, index) => index >= this.#taken && matches(event));
        if (found >= 0) {
          this.#taken = found + 1;
          return events[found] as EventOf<Name>;
        }
        if (!this.process.running) throw new VpnrError('LAB_FAILED', 'connect has ended');
        return undefined;
      });
    } catch (error) {
      throw new VpnrError('LAB_FAILED', `${what}: ${(error as Error).message}\n${this.process.tail()}`);
    }
  }

  /** `event` looks only for what is told from now on. */
  skipEvents(): void {
    this.#taken = this.events.length;
  }

  /** What `vpnr status --json` says. */
  async status(): Promise<ConnectionStatus> {
    const status = await this.#host.ask<ConnectionStatus>(this.#name, { command: 'status' });
    if (status === undefined) throw new VpnrError('LAB_FAILED', `${this.#name} has no status`);
    return status;
  }

  /** Ends it with a signal and returns how it ended. */
  stop(signal: NodeJS.Signals = 'SIGTERM') {
    return this.process.stop(signal);
  }
}

/** Starts `vpnr relay` in a host and waits until it listens and can be asked for its status. */
export async function startRelay(
  host: Host,
  program: Program,
  configuration: string,
  port: number,
): Promise<LabProcess> {
  const relay = host.spawn([...program, 'relay', '-c', configuration], { name: 'relay' });
  await listening(relay, 'tcp', port);
  await answering(host, 'relay', relay);
  return relay;
}

export interface VpnrGatewayOptions extends GatewaySite {
  program: Program;
  /** What clients may reach. */
  networks: readonly string[];
  /** Beyond that, as gateway.yaml has it. */
  settings?: Record<string, unknown>;
}

/** `vpnr gateway` in a host. It can be killed and started again, as often as wanted. */
export class VpnrGateway implements Gateway {
  readonly host: Host;
  readonly #program: Program;
  readonly #configuration: string;
  #process: LabProcess | undefined;

  constructor(host: Host, options: VpnrGatewayOptions) {
    const { program, address, identity, pool, networks, clients, settings } = options;
    this.host = host;
    this.#program = program;
    this.#configuration = join(host.folder, 'gateway.yaml');
    const configuration = {
      listen: `${address}:${IKE_PORT}`,
      identity,
      pool,
      networks,
      clients: clients.map(client => ({
        identity: client.identity,
        psk: { file: `${client.identity}.psk` },
      })),
      ...settings,
    };
    writeFileSync(this.#configuration, stringify(configuration));
    for (const client of clients) {
      writeFileSync(join(host.folder, `${client.identity}.psk`), `${client.psk}\n`, { mode: 0o600 });
    }
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Of what it says. */
  get process(): LabProcess | undefined {
    return this.#process;
  }

  /** What `vpnr status --json` says. */
  async status(): Promise<GatewayServiceStatus> {
    const command = [...this.#program, 'status', 'gateway', '--json'];
    return JSON.parse(await this.host.run(command)) as GatewayServiceStatus;
  }

  async start(): Promise<void> {
    const command = [...this.#program, 'gateway', '-c', this.#configuration];
    this.#process = this.host.spawn(command, { name: 'gateway' });
    await listening(this.#process, 'udp', IKE_PORT);
    await answering(this.host, 'gateway', this.#process);
  }

  async stop(): Promise<void> {
    await this.#process?.stop('SIGTERM');
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  freeze(): void {
    this.#process?.signal('SIGSTOP');
  }

  thaw(): void {
    this.#process?.signal('SIGCONT');
  }
}

/** Waits until there is a listening socket in the process's namespace. */
async function listening(process: LabProcess, protocol: 'tcp' | 'udp', port: number): Promise<void> {
  const ending = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  await until(`${process.name} listens on ${protocol} port ${port}`, READY_TIMEOUT_MS, () => {
    if (!process.running) throw new VpnrError('LAB_FAILED', `${process.name} has ended\n${process.tail()}`);
    const sockets = readFileSync(`/proc/${process.pid}/net/${protocol}`, 'utf8').split('\n');
    const found = sockets.some(line => {
      const [, local = '', , state] = line.trim().split(/\s+/);
      return local.endsWith(ending) && state === OPEN_STATES[protocol];
    });
    return found || undefined;
  });
}

/** Waits until it tells its status. One that was killed has left its control socket behind. */
async function answering(host: Host, name: string, process: LabProcess): Promise<void> {
  await until(`${process.name} can be asked`, READY_TIMEOUT_MS, () => {
    if (!process.running) throw new VpnrError('LAB_FAILED', `${process.name} has ended\n${process.tail()}`);
    return host.ask<object>(name, { command: 'status' }).catch(() => undefined);
  });
}
