/** vpnr's own programs in the laboratory's hosts. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConnectionEvent } from '../client/events.js';
import type { ConnectionStatus } from '../client/status.js';
import { VpnrError } from '../errors.js';
import type { Host } from './host.js';
import type { LabProcess } from './process.js';
import { until } from './wait.js';

/** A command line that runs `vpnr`, as in ["node", "dist/cli.js"]. */
export type Program = readonly string[];

const READY_TIMEOUT_MS = 20_000;
/** State of a listening socket in /proc/net/tcp. */
const TCP_LISTEN = '0A';

type EventOf<Name extends ConnectionEvent['event']> = Extract<ConnectionEvent, { event: Name }>;

/** `vpnr connect --json` in a host. */
export class Connection {
  readonly process: LabProcess;
  readonly #host: Host;
  readonly #program: Program;
  readonly #name: string;
  #taken = 0;

  /** `name` stands in the configuration file. */
  constructor(host: Host, program: Program, configuration: string, name: string) {
    this.#host = host;
    this.#program = program;
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

  /** What `vpnr status --json` says. */
  async status(): Promise<ConnectionStatus> {
    return JSON.parse(
      await this.#host.run([...this.#program, 'status', this.#name, '--json']),
    ) as ConnectionStatus;
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
  await until('the relay listens', READY_TIMEOUT_MS, () => {
    if (!relay.running) throw new VpnrError('LAB_FAILED', `the relay ended\n${relay.tail()}`);
    return (listens(relay, port) && existsSync(join(host.runFolder, 'vpnr', 'relay.sock'))) || undefined;
  });
  return relay;
}

/** Whether anything in the process's namespace listens on the TCP port. */
function listens(process: LabProcess, port: number): boolean {
  const ending = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const sockets = readFileSync(`/proc/${process.pid}/net/tcp`, 'utf8').split('\n');
  return sockets.some(line => {
    const [, local = '', , state] = line.trim().split(/\s+/);
    return local.endsWith(ending) && state === TCP_LISTEN;
  });
}
