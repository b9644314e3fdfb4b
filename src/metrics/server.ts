/** The figures over HTTP: GET /metrics, and nothing else. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { VpnrError } from '../errors.js';
import { CONTENT_TYPE, type Family, renderFamilies } from './text.js';

/** Whoever may ask is trusted little: few connections at a time, each for one short request. */
const MAX_CONNECTIONS = 16;
const MAX_HEADER_BYTES = 8192;
const TIMEOUT_MS = 5000;

export class MetricsServer {
  readonly #server: Server;

  private constructor(families: () => readonly Family[]) {
    const options = {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: TIMEOUT_MS,
      requestTimeout: TIMEOUT_MS,
    };
    this.#server = createServer(options, (request, response) => answer(request, response, families));
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.timeout = TIMEOUT_MS;
  }

  /** Listens on this address only. Throws ADDRESS_IN_USE or SYSTEM_CALL. */
  static async listen(
    { host, port }: { host: string; port: number },
    families: () => readonly Family[],
  ): Promise<MetricsServer> {
    const metrics = new MetricsServer(families);
    const server = metrics.#server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        const taken = error.code === 'EADDRINUSE';
        const message = `the metrics cannot be served: ${error.message}`;
        const remedy = taken
          ? 'choose another port in "metrics", or end the program that uses it (ss -ltnp shows it)'
          : 'give "metrics" an address of this machine';
        reject(new VpnrError(taken ? 'ADDRESS_IN_USE' : 'SYSTEM_CALL', message, { remedy, cause: error }));
      });
      server.listen({ host, port, exclusive: true }, () => {
        server.removeAllListeners('error');
        // Failing to accept one connection (out of descriptors) is that connection's end only.
        server.on('error', () => {});
        resolve();
      });
    });
    return metrics;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  close(): Promise<void> {
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    return closed;
  }
}

function answer(request: IncomingMessage, response: ServerResponse, families: () => readonly Family[]): void {
  response.setHeader('connection', 'close');
  const [path] = (request.url ?? '').split('?');
  if (path !== '/metrics') {
    response.writeHead(404).end('not found: ask for /metrics\n');
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end();
  } else {
    response.writeHead(200, { 'content-type': CONTENT_TYPE }).end(renderFamilies(families()));
  }
}
