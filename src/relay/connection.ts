/** One client's control connection, as the relay sees it: messages in and out, and their limits. */
import type { TLSSocket } from 'node:tls';
import { toVpnrError, type VpnrError } from '../errors.js';
import {
  encodeMessage,
  type Hello,
  isRefusal,
  MessageReader,
  parseClientMessage,
  type RelayMessage,
} from './protocol.js';

/** Bytes that may wait to be sent: a client that does not read its answers is not served. */
const WRITE_QUEUE_MAX = 65536;
/** Messages that a client may send within a minute, far above what keepalives need. */
const MESSAGES_PER_MINUTE = 120;
const MINUTE_MS = 60_000;

export interface ConnectionTiming {
  /** From the end of the handshake to a complete hello. */
  helloTimeoutMs: number;
  /** A connection on which nothing comes for that long is closed. */
  silenceMs: number;
}

export interface ConnectionHandler {
  /** The first message. Resolves when the client is accepted; refusing it is the handler's task. */
  hello(connection: ControlConnection, hello: Hello): Promise<boolean>;
  bye(connection: ControlConnection): void;
  /** After `hello` was called: the connection is gone. */
  closed(connection: ControlConnection): void;
}

export class ControlConnection {
  readonly socket: TLSSocket;
  /** The client's address inside the tunnel. */
  readonly address: string;
  readonly #handler: ConnectionHandler;
  readonly #timing: ConnectionTiming;
  readonly #now: () => number;
  readonly #reader = new MessageReader();
  readonly #helloTimer: NodeJS.Timeout;
  #state: 'new' | 'admitting' | 'open' | 'closed' = 'new';
  #windowStart = 0;
  #messages = 0;

  constructor(socket: TLSSocket, handler: ConnectionHandler, timing: ConnectionTiming, now: () => number) {
    this.socket = socket;
    this.address = socket.remoteAddress ?? 'unknown';
    this.#handler = handler;
    this.#timing = timing;
    this.#now = now;
    this.#helloTimer = setTimeout(() => this.#end(), timing.helloTimeoutMs).unref();
    socket.setNoDelay(true);
    socket.on('data', chunk => this.#receive(chunk));
    socket.on('error', () => this.#end());
    socket.on('close', () => this.#end());
    socket.on('timeout', () => this.#end());
  }

  get open(): boolean {
    return this.#state === 'open' || this.#state === 'admitting';
  }

  send(message: RelayMessage): void {
    if (this.#state === 'closed') return;
    this.socket.write(encodeMessage(message));
    if (this.socket.writableLength > WRITE_QUEUE_MAX) this.#end();
  }

  refuse(error: VpnrError): void {
    const { code, message } = error;
    if (isRefusal(code)) {
      this.send({ type: 'refused', code, message });
    } else {
      // What went wrong inside the relay is no business of its clients.
      this.send({ type: 'refused', code: 'RELAY_PROTOCOL', message: 'the relay cannot serve this request' });
    }
    this.close();
  }

  /** Closes once what was sent is out, or the other end has had as long as for its hello. */
  close(): void {
    if (this.#state === 'closed') return;
    this.#leave();
    this.socket.end();
    setTimeout(() => this.socket.destroy(), this.#timing.helloTimeoutMs).unref();
  }

  #end(): void {
    this.#leave();
    this.socket.destroy();
  }

  #leave(): void {
    if (this.#state === 'closed') return;
    const greeted = this.#state !== 'new';
    this.#state = 'closed';
    clearTimeout(this.#helloTimer);
    if (greeted) this.#handler.closed(this);
  }

  #receive(chunk: Uint8Array): void {
    if (this.#state === 'closed') return;
    try {
      for (const body of this.#reader.push(chunk)) this.#handle(body);
    } catch (error) {
      this.refuse(toVpnrError(error));
    }
  }

  #handle(body: Uint8Array): void {
    if (this.#state === 'closed') return;
    if (!this.#withinRate()) {
      this.#end();
      return;
    }
    const message = parseClientMessage(body);
    if (this.#state === 'new' && message.type === 'hello') {
      void this.#greet(message);
    } else if (this.#state === 'open' && message.type === 'ping') {
      this.send({ type: 'pong', id: message.id });
    } else if (this.#state === 'open' && message.type === 'bye') {
      this.#handler.bye(this);
      this.send({ type: 'bye' });
      this.close();
    } else {
      // Strangers and those who do not wait for their answer get none.
      this.#end();
    }
  }

  async #greet(hello: Hello): Promise<void> {
    this.#state = 'admitting';
    clearTimeout(this.#helloTimer);
    const accepted = await this.#handler.hello(this, hello);
    if (this.#state !== 'admitting') return;
    if (!accepted) {
      this.#end();
      return;
    }
    this.#state = 'open';
    this.socket.setTimeout(this.#timing.silenceMs);
  }

  #withinRate(): boolean {
    const now = this.#now();
    if (now - this.#windowStart >= MINUTE_MS) {
      this.#windowStart = now;
      this.#messages = 0;
    }
    this.#messages += 1;
    return this.#messages <= MESSAGES_PER_MINUTE;
  }
}
