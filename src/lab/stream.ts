import { VpnrError } from '../errors.js';
import type { Host } from './host.js';
import type { LabProcess } from './process.js';
import { ownProgram } from './self.js';
import type { StreamEndOptions, StreamEvent, StreamReceived } from './stream-end.js';

const PORT = 7900;
const START_TIMEOUT_MS = 60_000;
const END_TIMEOUT_MS = 30_000;

export interface StreamOptions {
  client: Host;
  server: Host;
  /** The server's, as the client sees it. */
  address: string;
  port?: number;
  /** Datagrams a second in each direction; 1,000 when absent. */
  rate?: number;
  /** Bytes of payload; 64 when absent. */
  bytes?: number;
}

export interface StreamDirection extends StreamReceived {
  sent: number;
  lost: number;
}

/** A steady stream of UDP datagrams between two hosts, each with a number, in both directions at once. */
export class Stream {
  readonly #client: LabProcess;
  readonly #server: LabProcess;

  private constructor(client: LabProcess, server: LabProcess) {
    this.#client = client;
    this.#server = server;
  }

  /** Resolves once each end has heard the other. */
  static async start(options: StreamOptions): Promise<Stream> {
    const { address, port = PORT, rate = 1000, bytes = 64 } = options;
    const end = (host: Host, role: StreamEndOptions['role'], to: string) => {
      const ends: StreamEndOptions = { role, address: to, port, rate, bytes };
      const command = [...ownProgram(), 'lab', 'stream', JSON.stringify(ends)];
      return host.spawn(command, { name: `stream-${role}` });
    };
    // Both at once: to start takes a while. Who connects calls until there is an answer.
    const server = end(options.server, 'serve', '0.0.0.0');
    const client = end(options.client, 'connect', address);
    await Promise.all([client, server].map(each => eventOf(each, 'connected', START_TIMEOUT_MS)));
    return new Stream(client, server);
  }

  /** Ends the stream and waits for what is on its way. */
  async finish(): Promise<{ up: StreamDirection; down: StreamDirection }> {
    const ends = [this.#client, this.#server] as const;
    for (const end of ends) end.write('finish\n');
    const [fromClient, fromServer] = (await Promise.all(
      ends.map(async end => (await eventOf(end, 'stopped', END_TIMEOUT_MS)).sent),
    )) as [number, number];
    this.#client.write(`expect ${fromServer}\n`);
    this.#server.write(`expect ${fromClient}\n`);
    const [client, server] = await Promise.all([
      eventOf(this.#client, 'done', END_TIMEOUT_MS),
      eventOf(this.#server, 'done', END_TIMEOUT_MS),
    ]);
    return { up: direction(server, fromClient), down: direction(client, fromServer) };
  }
}

function direction(
  { event: _, ...received }: StreamEvent & { event: 'done' },
  sent: number,
): StreamDirection {
  return { sent, lost: sent - received.received, ...received };
}

async function eventOf<Name extends StreamEvent['event']>(
  end: LabProcess,
  name: Name,
  timeoutMs: number,
): Promise<Extract<StreamEvent, { event: Name }>> {
  const line = await end.line(text => ['failed', name].includes(parse(text)?.event ?? ''), timeoutMs);
  const event = parse(line) as StreamEvent;
  if (event.event === name) return event as Extract<StreamEvent, { event: Name }>;
  throw new VpnrError('LAB_FAILED', `${end.name}: ${line}`);
}

function parse(line: string): StreamEvent | undefined {
  return line.startsWith('{') ? (JSON.parse(line) as StreamEvent) : undefined;
}
