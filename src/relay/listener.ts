/** Where clients knock: TCP, then TLS 1.3, with a bound on everything before the client is known. */
import { X509Certificate } from 'node:crypto';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import {
  createSecureContext,
  createServer as createTlsServer,
  type TLSSocket,
  type Server as TlsServer,
} from 'node:tls';
import { VpnrError } from '../errors.js';
import type { Endpoint } from '../ike/api.js';
import type { Secret } from '../secret.js';
import type { Admitted, ConnectionGate } from './admission.js';
import { fingerprintOf, formatFingerprint } from './keys.js';
import { ALPN } from './protocol.js';

export interface ListenerOptions {
  /** PEM. */
  certificate: string;
  key: Secret;
  handshakeTimeoutMs: number;
  gate: ConnectionGate;
  /** A connection whose handshake is complete. */
  secured(socket: TLSSocket, admitted: Admitted): void;
}

export class RelayListener {
  /** The certificate's, as clients pin it. */
  readonly fingerprint: string;
  readonly #gate: ConnectionGate;
  readonly #tcp: Server;
  readonly #tls: TlsServer;
  /** By the other end's address and port. */
  readonly #admitted = new Map<string, Admitted>();
  readonly #sockets = new Set<Socket>();
  #state: 'starting' | 'open' | 'closed' = 'starting';
  /** Those that came while it was starting. */
  #early: Socket[] = [];

  /** Throws CERTIFICATE_INVALID. */
  constructor(options: ListenerOptions) {
    this.#gate = options.gate;
    const identity = checkedIdentity(options);
    this.fingerprint = formatFingerprint(fingerprintOf(new X509Certificate(options.certificate).raw));
    this.#tcp = createServer(socket => this.#accept(socket));
    this.#tls = createTlsServer({
      ...identity,
      minVersion: 'TLSv1.3',
      ALPNProtocols: [ALPN],
      handshakeTimeout: options.handshakeTimeoutMs,
    });
    this.#tls.on('tlsClientError', (_error, socket) => socket.destroy());
    this.#tls.on('secureConnection', socket => {
      const admitted = this.#admitted.get(otherEnd(socket));
      if (admitted === undefined) socket.destroy();
      else options.secured(socket, admitted);
    });
  }

  /** The port listened on. */
  get port(): number {
    return (this.#tcp.address() as AddressInfo).port;
  }

  /** Takes the address; connections wait until `open`. Throws ADDRESS_IN_USE or SYSTEM_CALL. */
  listen({ address, port }: Endpoint): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#tcp.once('error', error => reject(listenError(error, address, port)));
      this.#tcp.listen({ host: address, port, exclusive: true }, () => {
        this.#tcp.removeAllListeners('error');
        // Failing to accept one connection (out of descriptors) is that connection's end only.
        this.#tcp.on('error', () => {});
        resolve();
      });
    });
  }

  open(): void {
    this.#state = 'open';
    for (const socket of this.#early.splice(0)) this.#tls.emit('connection', socket);
  }

  /** Turns new connections away. */
  stopAccepting(): void {
    this.#state = 'closed';
  }

  /** Ends everything. */
  async close(): Promise<void> {
    this.#state = 'closed';
    const closed = new Promise(resolve => this.#tcp.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Whether there is room is decided before any work is done for a connection. */
  #accept(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    const admitted =
      this.#state === 'closed' ? undefined : this.#gate.admit(socket.remoteAddress ?? 'unknown');
    if (admitted === undefined) {
      socket.destroy();
      return;
    }
    const key = otherEnd(socket);
    this.#sockets.add(socket);
    this.#admitted.set(key, admitted);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#admitted.delete(key);
      admitted.left();
      this.#early = this.#early.filter(early => early !== socket);
    });
    if (this.#state === 'starting') this.#early.push(socket);
    else this.#tls.emit('connection', socket);
  }
}

function otherEnd(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}

function checkedIdentity({ certificate, key }: ListenerOptions): { cert: string; key: Buffer } {
  const pem = key.reveal();
  // The same memory, so that it is wiped with the secret.
  const identity = { cert: certificate, key: Buffer.from(pem.buffer, pem.byteOffset, pem.byteLength) };
  try {
    createSecureContext(identity);
    return identity;
  } catch (error) {
    throw new VpnrError(
      'CERTIFICATE_INVALID',
      `the relay's certificate and key: ${(error as Error).message}`,
      {
        remedy: 'give a certificate and its own key, both in PEM form',
        cause: error,
      },
    );
  }
}

function listenError(error: NodeJS.ErrnoException, address: string, port: number): VpnrError {
  if (error.code === 'EADDRINUSE') {
    return new VpnrError('ADDRESS_IN_USE', `${address}:${port} is in use by another program`, {
      remedy: 'end that program, or listen on another port',
      cause: error,
    });
  }
  const remedy =
    error.code === 'EADDRNOTAVAIL'
      ? { remedy: `give "listen" an address of this machine; ${address} is none` }
      : {};
  return new VpnrError('SYSTEM_CALL', `listening on ${address}:${port}: ${error.message}`, {
    ...remedy,
    cause: error,
  });
}
