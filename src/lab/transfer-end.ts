/**
 * One end of a TCP transfer, as a process of its own (`vpnr lab transfer`). Sends pseudo-random content and receives the
 * other end's at the same time; tells what happens in JSON lines on standard output.
 */
import { createCipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

export interface TransferEndOptions {
  role: 'connect' | 'serve';
  address: string;
  port: number;
  /** Whether it sends at all. */
  sends: boolean;
  /** To send, at least. */
  bytes: number;
  /** Bytes a second to send, at most. */
  rate?: number;
  /**
   * Goes on sending after `bytes`: the connecting end until the line "finish" comes on standard input, the
   * serving end until the other has finished.
   */
  untilTold: boolean;
  /** Milliseconds between two reports; each time another million bytes have come when absent. */
  reportEveryMs?: number;
}

export interface TransferDone {
  event: 'done';
  sent: number;
  sentSha256: string;
  received: number;
  receivedSha256: string;
  /** Longest time between two arrivals of data, in each part: a line "mark" on standard input ends one and begins the next. */
  pausesMs: number[];
  /** From the connection to the end of both directions. */
  ms: number;
}

export interface TransferProgress {
  event: 'progress';
  sent: number;
  received: number;
  /** Since the connection. */
  ms: number;
  /** Milliseconds since 1970, with a fraction. */
  time: number;
}

export type TransferEvent =
  | { event: 'listening' }
  | { event: 'connected' }
  | TransferProgress
  | TransferDone
  | { event: 'failed'; code: string; message: string };

const BLOCK = 65_536;
/** With a limit on the rate: small enough for an even flow. */
const PACED_BLOCK = 8192;
/** Received bytes between two reports, unless they are to come at fixed times. */
const REPORT_EVERY = 1_000_000;

/** Carries out one end; that which connects does so at the line "connect" on standard input. The process ends with it: status 0 if all that was sent and received has its end. */
export function runTransferEnd(options: TransferEndOptions): void {
  const end = new TransferEnd(options);
  createInterface({ input: process.stdin }).on('line', line => {
    if (line === 'connect') connectTo(options, end);
    else if (line === 'mark') end.mark();
    else if (line === 'finish') end.finish();
  });
  if (options.role === 'serve') {
    const server = createServer({ allowHalfOpen: true }, socket => {
      server.close();
      end.run(socket).catch(fail);
    });
    server.on('error', fail);
    server.listen(options.port, options.address, () => report({ event: 'listening' }));
  }
}

function connectTo({ address, port }: TransferEndOptions, end: TransferEnd): void {
  const socket = connect({ host: address, port, allowHalfOpen: true });
  socket.on('error', fail);
  socket.once('connect', () => end.run(socket).catch(fail));
}

function report(event: TransferEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function fail(error: NodeJS.ErrnoException): void {
  report({ event: 'failed', code: error.code ?? error.name, message: error.message });
  process.exit(1);
}

/** The content: the keystream of AES-128-CTR under a key that names the role, so the two directions differ. */
function contentOf(role: string, size: number): () => Buffer {
  const key = createHash('sha256').update(`transfer ${role}`).digest().subarray(0, 16);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(size);
  return () => cipher.update(zeros);
}

class TransferEnd {
  readonly #options: TransferEndOptions;
  readonly #told: Promise<void>;
  #tell: () => void = () => {};
  #isTold: boolean;
  #sent = 0;
  #received = 0;
  #started = 0;
  readonly #pausesMs = [0];

  constructor(options: TransferEndOptions) {
    this.#options = options;
    this.#isTold = !options.untilTold;
    this.#told = new Promise(resolve => {
      this.#tell = resolve;
    });
  }

  /** A part has ended: a pause counts for the one in which it ends. */
  mark(): void {
    this.#pausesMs.push(0);
  }

  finish(): void {
    this.#isTold = true;
    this.#tell();
  }

  async run(socket: Socket): Promise<void> {
    socket.on('error', fail);
    this.#started = performance.now();
    report({ event: 'connected' });
    const [sending, receiving] = await Promise.all([this.#send(socket), this.#receive(socket)]);
    report({ event: 'done', ...sending, ...receiving, ms: performance.now() - this.#started });
    process.exit(0);
  }

  /** Sends until `bytes` are out and it has been told to finish. */
  async #send(socket: Socket): Promise<{ sent: number; sentSha256: string }> {
    const { role, sends, bytes, rate } = this.#options;
    const next = contentOf(role, rate === undefined ? BLOCK : PACED_BLOCK);
    const digest = createHash('sha256');
    if (!sends && !this.#isTold) await this.#told;
    while (sends && (this.#sent < bytes || !this.#isTold)) {
      const block = next();
      digest.update(block);
      this.#sent += block.length;
      if (!socket.write(block)) await once(socket, 'drain');
      const early = rate === undefined ? 0 : (this.#sent / rate) * 1000 - (performance.now() - this.#started);
      // Also when there is no limit: lets the other direction and the line "finish" have their turn.
      await new Promise(resolve => (early >= 1 ? setTimeout(resolve, early) : setImmediate(resolve)));
    }
    socket.end();
    return { sent: this.#sent, sentSha256: digest.digest('hex') };
  }

  #receive(socket: Socket) {
    const { role, reportEveryMs } = this.#options;
    const digest = createHash('sha256');
    let last: number | undefined;
    const timer =
      reportEveryMs === undefined ? undefined : setInterval(() => this.#progress(), reportEveryMs);
    socket.on('data', chunk => {
      const now = performance.now();
      const part = this.#pausesMs.length - 1;
      this.#pausesMs[part] = Math.max(this.#pausesMs[part] as number, now - (last ?? now));
      last = now;
      digest.update(chunk);
      const before = this.#received;
      this.#received += chunk.length;
      const step = Math.floor(this.#received / REPORT_EVERY) !== Math.floor(before / REPORT_EVERY);
      if (timer === undefined && step) this.#progress();
    });
    return new Promise<Pick<TransferDone, 'received' | 'receivedSha256' | 'pausesMs'>>(resolve => {
      socket.once('end', () => {
        clearInterval(timer);
        if (role === 'serve') this.finish();
        resolve({
          received: this.#received,
          receivedSha256: digest.digest('hex'),
          pausesMs: this.#pausesMs,
        });
      });
    });
  }

  #progress(): void {
    const now = performance.now();
    report({
      event: 'progress',
      sent: this.#sent,
      received: this.#received,
      ms: now - this.#started,
      time: performance.timeOrigin + now,
    });
  }
}
