import { VpnrError } from '../errors.js';
import type { Host } from './host.js';
import type { LabProcess } from './process.js';
import { ownProgram } from './self.js';
import type { TransferDone, TransferEndOptions, TransferEvent, TransferProgress } from './transfer-end.js';

const PORT = 7800;
const START_TIMEOUT_MS = 60_000;

export interface TransferOptions {
  client: Host;
  server: Host;
  /** The server's, as the client sees it. */
  address: string;
  port?: number;
  /** In each direction, at least. */
  bytes: number;
  /** Bytes a second in each direction, at most. */
  rate?: number;
  /** Goes on after `bytes` until `finish` is called. */
  untilTold?: boolean;
  /** Only the server sends: a download. */
  downOnly?: boolean;
  /** Called with what the client has received, every so many milliseconds. */
  watch?: { everyMs: number; progress(progress: TransferProgress): void };
}

export interface DirectionResult {
  bytes: number;
  sha256: string;
  /** Since the last `mark`, if there was one. */
  longestPauseMs: number;
  /** The longest pause before the first `mark`, between each and the next, and after the last. */
  pausesMs: readonly number[];
}

export interface TransferResult {
  /** Client to server. */
  up: DirectionResult;
  down: DirectionResult;
  ms: number;
}

/** One TCP connection between two hosts that carries pseudo-random content, usually in both directions at once. */
export class Transfer {
  readonly #client: LabProcess;
  readonly #server: LabProcess;
  #watchers: (() => void)[] = [];
  #up = 0;
  #down = 0;

  private constructor(client: LabProcess, server: LabProcess) {
    this.#client = client;
    this.#server = server;
    this.#watch(client, bytes => {
      this.#down = bytes;
    });
    this.#watch(server, bytes => {
      this.#up = bytes;
    });
  }

  /** Resolves once the connection is established. */
  static async start(options: TransferOptions): Promise<Transfer> {
    const { address, bytes, rate, port = PORT, untilTold = false, downOnly = false, watch } = options;
    const end = (host: Host, role: TransferEndOptions['role'], to: string) => {
      const ends: TransferEndOptions = {
        role,
        address: to,
        port,
        sends: role === 'serve' || !downOnly,
        bytes,
        untilTold,
        ...(rate === undefined ? {} : { rate }),
        ...(watch === undefined ? {} : { reportEveryMs: watch.everyMs }),
      };
      const command = [...ownProgram(), 'lab', 'transfer', JSON.stringify(ends)];
      return host.spawn(command, { name: `transfer-${role}` });
    };
    // Both at once: to start takes a while.
    const server = end(options.server, 'serve', '0.0.0.0');
    const client = end(options.client, 'connect', address);
    await server.line(isEvent('listening'), START_TIMEOUT_MS);
    client.write('connect\n');
    client.onLine(line => {
      const event = parse(line);
      if (event?.event === 'progress') watch?.progress(event);
    });
    await client.line(isEvent('connected'), START_TIMEOUT_MS);
    return new Transfer(client, server);
  }

  /** Bytes that have arrived so far; reported in steps of a million. */
  get arrived(): { up: number; down: number } {
    return { up: this.#up, down: this.#down };
  }

  /** Why the connection broke, as in "ECONNRESET"; undefined while it has not. */
  get broken(): string | undefined {
    const failures = [this.#client, this.#server].map(end => parse(end.lines.at(-1) ?? ''));
    return failures.flatMap(event => (event?.event === 'failed' ? event.code : [])).at(0);
  }

  /** Resolves once `bytes` have arrived in each direction. */
  async reached(bytes: number, timeoutMs: number): Promise<void> {
    const arrived = () => Math.min(this.#up, this.#down) >= bytes;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>(resolve => {
      timer = setTimeout(() => resolve(`not within ${timeoutMs} ms`), timeoutMs);
    });
    const ended = Promise.race([this.#client.exited, this.#server.exited]).then(
      () => 'the connection has ended',
    );
    const reached = new Promise<undefined>(resolve => {
      const look = () => {
        if (arrived()) resolve(undefined);
        else this.#watchers.push(look);
      };
      look();
    });
    const problem = await Promise.race([reached, late, ended]);
    clearTimeout(timer);
    if (problem !== undefined && !arrived()) {
      throw this.#failed(`${bytes} bytes have not arrived in each direction: ${problem}`);
    }
  }

  /** Ends a part for which pauses are counted, and begins the next. */
  mark(): void {
    for (const end of [this.#client, this.#server]) end.write('mark\n');
  }

  /** Ends a transfer that goes on until told. */
  finish(): void {
    this.#client.write('finish\n');
  }

  /** Waits for the end. Throws LAB_FAILED when the connection broke or what arrived is not what was sent. */
  async result(timeoutMs: number): Promise<TransferResult> {
    const [client, server] = [
      await this.#done(this.#client, timeoutMs),
      await this.#done(this.#server, timeoutMs),
    ];
    const intact =
      client.sent === server.received &&
      client.sentSha256 === server.receivedSha256 &&
      server.sent === client.received &&
      server.sentSha256 === client.receivedSha256;
    if (!intact) throw this.#failed('what arrived is not what was sent');
    return {
      up: receivedBy(server),
      down: receivedBy(client),
      ms: client.ms,
    };
  }

  async #done(end: LabProcess, timeoutMs: number): Promise<TransferDone> {
    const { status } = await end.ended(timeoutMs);
    const last = parse(end.lines.at(-1) ?? '');
    if (status !== 0 || last?.event !== 'done') throw this.#failed(`${end.name} failed`);
    return last;
  }

  #failed(message: string): VpnrError {
    const { up, down } = this.arrived;
    const tails = [this.#client.tail(3), this.#server.tail(3)].join('\n');
    return new VpnrError('LAB_FAILED', `transfer: ${message} (${up} up, ${down} down)\n${tails}`);
  }

  #watch(end: LabProcess, take: (bytes: number) => void): void {
    const look = (line: string) => {
      const event = parse(line);
      if (event?.event === 'done' || event?.event === 'progress') take(event.received);
      const watchers = this.#watchers;
      this.#watchers = [];
      for (const watcher of watchers) watcher();
    };
    end.lines.forEach(look);
    end.onLine(look);
  }
}

function receivedBy({ received, receivedSha256, pausesMs }: TransferDone): DirectionResult {
  return { bytes: received, sha256: receivedSha256, pausesMs, longestPauseMs: pausesMs.at(-1) ?? 0 };
}

function parse(line: string): TransferEvent | undefined {
  return line.startsWith('{') ? (JSON.parse(line) as TransferEvent) : undefined;
}

function isEvent(name: TransferEvent['event']): (line: string) => boolean {
  return line => parse(line)?.event === name;
}
