/**
 * One end of a TCP transfer, as a program: `node transfer-end.js OPTIONS`, OPTIONS in JSON. Sends pseudo-random
 * content and receives the other end's at the same time; tells what happens in JSON lines on standard output.
 */
import { createCipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface TransferEndOptions {
  role: 'connect' | 'serve';
  address: string;
  port: number;
  /** To send, at least. */
  bytes: number;
  /** Bytes a second to send, at most. */
  rate?: number;
  /**
   * Goes on sending after `bytes`: the connecting end until the line "finish" comes on standard input, the
   * serving end until the other has finished.
   */
  untilTold: boolean;
}

export interface TransferDone {
  event: 'done';
  sent: number;
  sentSha256: string;
  received: number;
  receivedSha256: string;
  /** Longest time between two arrivals of data. */
  longestPauseMs: number;
  /** From the connection to the end of both directions. */
  ms: number;
}

export type TransferEvent =
  | { event: 'listening' }
  | { event: 'connected' }
  | { event: 'progress'; sent: number; received: number; ms: number }
  | TransferDone
  | { event: 'failed'; code: string; message: string };

const BLOCK = 65_536;
/** Received bytes between two reports. */
const REPORT_EVERY = 1_000_000;

const progress = { sent: 0 };
const options = JSON.parse(process.argv[2] ?? '{}') as TransferEndOptions;
let told = !options.untilTold;

function report(event: TransferEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function fail(error: NodeJS.ErrnoException): void {
  report({ event: 'failed', code: error.code ?? error.name, message: error.message });
  process.exit(1);
}

/** The content: the keystream of AES-128-CTR under a key that names the role, so the two directions differ. */
function contentOf(role: string): () => Buffer {
  const key = createHash('sha256').update(`transfer ${role}`).digest().subarray(0, 16);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(BLOCK);
  return () => cipher.update(zeros);
}

/** Sends until `bytes` are out and it has been told to finish. */
async function send(socket: Socket): Promise<{ sent: number; sentSha256: string }> {
  const next = contentOf(options.role);
  const digest = createHash('sha256');
  const started = performance.now();
  let sent = 0;
  while (sent < options.bytes || !told) {
    const block = next();
    digest.update(block);
    sent += block.length;
    progress.sent = sent;
    if (!socket.write(block)) await once(socket, 'drain');
    const early =
      options.rate === undefined ? 0 : (sent / options.rate) * 1000 - (performance.now() - started);
    // Also when there is no limit: lets the other direction and the line "finish" have their turn.
    await new Promise(resolve => (early > 1 ? setTimeout(resolve, early) : setImmediate(resolve)));
  }
  socket.end();
  return { sent, sentSha256: digest.digest('hex') };
}

function receive(socket: Socket, started: number) {
  const digest = createHash('sha256');
  let received = 0;
  let longestPauseMs = 0;
  let last: number | undefined;
  socket.on('data', chunk => {
    const now = performance.now();
    longestPauseMs = Math.max(longestPauseMs, now - (last ?? now));
    last = now;
    digest.update(chunk);
    const before = received;
    received += chunk.length;
    if (Math.floor(received / REPORT_EVERY) !== Math.floor(before / REPORT_EVERY)) {
      report({ event: 'progress', sent: progress.sent, received, ms: now - started });
    }
  });
  return new Promise<Pick<TransferDone, 'received' | 'receivedSha256' | 'longestPauseMs'>>(resolve => {
    socket.once('end', () => {
      if (options.role === 'serve') told = true;
      resolve({ received, receivedSha256: digest.digest('hex'), longestPauseMs });
    });
  });
}

async function run(socket: Socket): Promise<void> {
  socket.on('error', fail);
  const started = performance.now();
  report({ event: 'connected' });
  const [sending, receiving] = await Promise.all([send(socket), receive(socket, started)]);
  report({ event: 'done', ...sending, ...receiving, ms: performance.now() - started });
  process.exit(0);
}

process.stdin.on('data', () => {
  told = true;
});
if (options.role === 'serve') {
  const server = createServer({ allowHalfOpen: true }, socket => {
    server.close();
    run(socket).catch(fail);
  });
  server.on('error', fail);
  server.listen(options.port, options.address, () => report({ event: 'listening' }));
} else {
  const socket = connect({ host: options.address, port: options.port, allowHalfOpen: true });
  socket.on('error', fail);
  socket.once('connect', () => run(socket).catch(fail));
}
