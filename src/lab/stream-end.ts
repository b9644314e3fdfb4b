/**
 * One end of a stream of UDP datagrams at a steady pace in both directions, as a process of its own (`vpnr lab stream`):
 * what becomes of each single packet of an application. Tells what happens in JSON lines on standard output. On standard
 * input, "finish" ends the sending, and "expect N" the receiving, once N datagrams are there or no more come.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { createInterface } from 'node:readline';

export interface StreamEndOptions {
  role: 'connect' | 'serve';
  address: string;
  port: number;
  /** Datagrams a second. */
  rate: number;
  /** Of each datagram's payload; at least 16. */
  bytes: number;
}

/** What has come in, of what the other end has sent. */
export interface StreamReceived {
  received: number;
  doubled: number;
  /** Came after one that was sent later. */
  reordered: number;
  /** Longest time between two arrivals. */
  longestPauseMs: number;
  /** From sending to arrival; both ends have the same clock. */
  latencyMs: { median: number; max: number };
}

export type StreamEvent =
  | { event: 'listening' }
  | { event: 'connected' }
  | { event: 'stopped'; sent: number }
  | ({ event: 'done' } & StreamReceived)
  | { event: 'failed'; code: string; message: string };

/** The number in the header of what only says that somebody is there. */
const GREETING = 0xffff_ffff;
const GREETING_MS = 50;
const HEADER = 16;
/** After so long without an arrival nothing more comes. */
const QUIET_MS = 500;
/** Latencies are counted in classes of this width, up to LATENCY_CLASSES of them. */
const LATENCY_CLASS_MS = 0.1;
const LATENCY_CLASSES = 100_000;

export function runStreamEnd(options: StreamEndOptions): void {
  const socket = createSocket('udp4');
  socket.on('error', fail);
  const end = new StreamEnd(options, socket);
  createInterface({ input: process.stdin }).on('line', line => end.told(line));
  if (options.role === 'serve') {
    socket.bind(options.port, options.address, () => report({ event: 'listening' }));
  } else {
    socket.bind(() => end.greet());
  }
}

function report(event: StreamEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function fail(error: NodeJS.ErrnoException): void {
  report({ event: 'failed', code: error.code ?? error.name, message: error.message });
  process.exit(1);
}

function wallClockMs(): number {
  return performance.timeOrigin + performance.now();
}

class StreamEnd {
  readonly #options: StreamEndOptions;
  readonly #socket: Socket;
  readonly #arrivals = new Arrivals();
  readonly #payload: Buffer;
  #remote: { address: string; port: number } | undefined;
  #greeting: NodeJS.Timeout | undefined;
  #sending: NodeJS.Timeout | undefined;
  #sent = 0;
  #startedAt = 0;
  #expected = Number.POSITIVE_INFINITY;

  constructor(options: StreamEndOptions, socket: Socket) {
    this.#options = options;
    this.#socket = socket;
    this.#payload = Buffer.alloc(Math.max(HEADER, options.bytes));
    socket.on('message', (datagram, from) => this.#receive(datagram, from));
  }

  /** Says that we are there until there is an answer. */
  greet(): void {
    const { address, port } = this.#options;
    const say = () => this.#send({ address, port }, GREETING);
    this.#greeting = setInterval(say, GREETING_MS);
    say();
  }

  told(line: string): void {
    const [word, count] = line.split(' ');
    if (word === 'finish') {
      clearInterval(this.#sending);
      report({ event: 'stopped', sent: this.#sent });
    } else if (word === 'expect') {
      this.#expected = Number(count);
      this.#arrivals.whenQuiet(QUIET_MS, () => this.#end());
      this.#endIfComplete();
    }
  }

  #receive(datagram: Buffer, from: RemoteInfo): void {
    if (datagram.length < HEADER) return;
    if (this.#remote === undefined) this.#begin({ address: from.address, port: from.port });
    const sequence = datagram.readUInt32BE(0);
    if (sequence === GREETING) {
      if (this.#options.role === 'serve') this.#send(from, GREETING);
      return;
    }
    this.#arrivals.add(sequence, datagram.readDoubleBE(8));
    this.#endIfComplete();
  }

  #begin(remote: { address: string; port: number }): void {
    clearInterval(this.#greeting);
    this.#remote = remote;
    report({ event: 'connected' });
    this.#startedAt = performance.now();
    // Timers are late now and then; the pace is kept over all.
    this.#sending = setInterval(() => {
      const due = ((performance.now() - this.#startedAt) / 1000) * this.#options.rate;
      while (this.#sent < due) this.#send(remote, this.#sent++);
    }, 1);
  }

  #send({ address, port }: { address: string; port: number }, sequence: number): void {
    this.#payload.writeUInt32BE(sequence, 0);
    this.#payload.writeDoubleBE(wallClockMs(), 8);
    // A copy: the datagram leaves in a later turn. What the system refuses is lost like any other.
    this.#socket.send(Buffer.from(this.#payload), port, address, () => {});
  }

  #endIfComplete(): void {
    if (this.#arrivals.count >= this.#expected) this.#end();
  }

  #end(): void {
    report({ event: 'done', ...this.#arrivals.result() });
    process.exit(0);
  }
}

class Arrivals {
  /** One byte for each number: arrived or not. */
  #seen = new Uint8Array(1 << 16);
  readonly #latencies = new Uint32Array(LATENCY_CLASSES);
  #highest = -1;
  #doubled = 0;
  #reordered = 0;
  #longestPauseMs = 0;
  #maxLatencyMs = 0;
  #last: number | undefined;
  #quiet: NodeJS.Timeout | undefined;
  /** Different ones. */
  count = 0;

  add(sequence: number, sentAt: number): void {
    const now = wallClockMs();
    this.#longestPauseMs = Math.max(this.#longestPauseMs, now - (this.#last ?? now));
    this.#last = now;
    this.#quiet?.refresh();
    if (sequence >= this.#seen.length) this.#grow(sequence);
    if (this.#seen[sequence] === 1) {
      this.#doubled++;
      return;
    }
    this.#seen[sequence] = 1;
    this.count++;
    if (sequence < this.#highest) this.#reordered++;
    else this.#highest = sequence;
    const latency = Math.max(0, now - sentAt);
    this.#maxLatencyMs = Math.max(this.#maxLatencyMs, latency);
    const place = Math.min(LATENCY_CLASSES - 1, Math.floor(latency / LATENCY_CLASS_MS));
    this.#latencies[place] = (this.#latencies[place] as number) + 1;
  }

  whenQuiet(ms: number, then: () => void): void {
    this.#quiet = setTimeout(then, ms);
  }

  result(): StreamReceived {
    return {
      received: this.count,
      doubled: this.#doubled,
      reordered: this.#reordered,
      longestPauseMs: this.#longestPauseMs,
      latencyMs: { median: this.#medianLatency(), max: this.#maxLatencyMs },
    };
  }

  #medianLatency(): number {
    let below = 0;
    for (let place = 0; place < LATENCY_CLASSES; place++) {
      below += this.#latencies[place] as number;
      if (below * 2 >= this.count) return Number((place * LATENCY_CLASS_MS).toFixed(1));
    }
    return 0;
  }

  #grow(sequence: number): void {
    const seen = new Uint8Array(2 ** Math.ceil(Math.log2(sequence + 1)));
    seen.set(this.#seen);
    this.#seen = seen;
  }
}
