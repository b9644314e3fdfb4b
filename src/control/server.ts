/** The socket on which a running vpnr answers its operator's commands. */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { toVpnrError, VpnrError } from '../errors.js';
import { fileError } from '../file-error.js';
import type { Announced, Drained } from '../service/drained.js';
import type { Reloaded } from '../service/reload.js';
import type { EventLog } from './event-log.js';
import { ensureFolder, runtimeFolder, socketPath } from './folders.js';
import { Follower } from './follower.js';
import { type ControlRequest, type ControlResponse, type LogRequest, MAX_REQUEST_BYTES } from './protocol.js';

const MAX_CONNECTIONS = 16;
/** So that there is always room for other commands. */
const MAX_FOLLOWERS = 8;
const REQUEST_TIMEOUT_MS = 5000;
/** At the end, those who follow have this long to read what is left. */
const FAREWELL_MS = 500;

const NOT_RELOADED = 'a connection reads its configuration when it starts';
const RESTART = '"vpnr disconnect" it and connect it again, or restart its service';

export interface ControlHandlers<Status> {
  status(): Status;
  events: EventLog;
  disconnect(): void;
  /** Resolves when the gateway carries the traffic. Only clients have gateways. */
  switchTo?(gateway: string): Promise<{ gateway: string; ms: number }>;
  /** Only servers have clients. */
  drain?(): Promise<Drained | Announced>;
  /** Reads the configuration anew. Only servers do. */
  reload?(): Promise<Reloaded>;
}

export class ControlServer<Status> {
  readonly #path: string;
  readonly #server: Server;
  readonly #handlers: ControlHandlers<Status>;
  /** Those that asked to disconnect: their answer is the end of the connection, when all is put back. */
  readonly #leaving = new Set<Socket>();
  readonly #following = new Set<Socket>();

  private constructor(name: string, handlers: ControlHandlers<Status>) {
    this.#path = socketPath(name);
    this.#handlers = handlers;
    this.#server = createServer(socket => this.#serve(socket));
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** Only one process may hold `name`: the caller has made sure of it, so an old socket file is a dead one. */
  static async listen<Status>(
    name: string,
    handlers: ControlHandlers<Status>,
  ): Promise<ControlServer<Status>> {
    ensureFolder(runtimeFolder());
    const control = new ControlServer(name, handlers);
    rmSync(control.#path, { force: true });
    await new Promise<void>((resolve, reject) => {
      control.#server.once('error', error =>
        reject(
          fileError(`cannot listen on ${control.#path}`, error, {
            place: runtimeFolder(),
            otherwise: 'set VPNR_RUNTIME_DIR to a folder with a short name, where sockets can be made',
          }),
        ),
      );
      control.#server.listen(control.#path, () => {
        control.#server.removeAllListeners('error');
        // Failing to accept one connection (out of descriptors) is that connection's end only.
        control.#server.on('error', () => {});
        resolve();
      });
    });
    chmodSync(control.#path, 0o600);
    return control;
  }

  /** Answers those who wait for the end, and removes the socket. */
  async close(): Promise<void> {
    for (const socket of this.#leaving) reply(socket, { ok: true });
    for (const socket of this.#following) socket.end();
    const impatience = setTimeout(() => {
      for (const socket of this.#following) socket.destroy();
    }, FAREWELL_MS);
    await new Promise<void>(resolve => this.#server.close(() => resolve()));
    clearTimeout(impatience);
    rmSync(this.#path, { force: true });
  }

  #serve(socket: Socket): void {
    let text = '';
    socket.setEncoding('utf8');
    socket.setTimeout(REQUEST_TIMEOUT_MS, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#leaving.delete(socket));
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (text.length > MAX_REQUEST_BYTES) socket.destroy();
      else if (text.includes('\n')) {
        socket.removeAllListeners('data');
        this.#answer(socket, text.slice(0, text.indexOf('\n')));
      }
    });
  }

  #answer(socket: Socket, line: string): void {
    const request = parseRequest(line);
    // The work that was asked for has a time limit of its own.
    socket.setTimeout(0);
    if (request?.command === 'disconnect') {
      this.#leaving.add(socket);
      this.#handlers.disconnect();
      return;
    }
    if (request?.command === 'logs') {
      this.#tellEvents(socket, request);
      return;
    }
    this.#carryOut(request).then(
      result => reply(socket, { ok: true, result }),
      (error: unknown) => refuse(socket, toVpnrError(error)),
    );
  }

  #tellEvents(socket: Socket, { lines, follow }: LogRequest): void {
    const { events } = this.#handlers;
    if (follow && this.#following.size >= MAX_FOLLOWERS) {
      refuse(
        socket,
        new VpnrError('SYSTEM_CALL', `${MAX_FOLLOWERS} others follow the events already`, {
          remedy: 'end one of those `vpnr logs --follow`',
        }),
      );
      return;
    }
    const accept: ControlResponse<never> = { ok: true };
    socket.write([accept, ...events.recent(lines)].map(line => `${JSON.stringify(line)}\n`).join(''));
    if (!follow) {
      socket.end();
      return;
    }
    const follower = new Follower(socket);
    const leave = events.follow(event => follower.take(event));
    this.#following.add(socket);
    socket.on('drain', () => follower.tellLoss());
    // Nothing more is expected from it but its end.
    socket.resume();
    socket.on('close', () => {
      leave();
      this.#following.delete(socket);
    });
  }

  async #carryOut(request: Exclude<ControlRequest, { command: 'disconnect' }> | undefined): Promise<unknown> {
    const handlers = this.#handlers;
    switch (request?.command) {
      case 'status':
        return handlers.status();
      case 'switch':
        if (handlers.switchTo === undefined)
          throw new VpnrError('USAGE', 'only a client has gateways to switch to', {
            remedy: 'name a connection; vpnr status shows them',
          });
        return handlers.switchTo(request.gateway);
      case 'drain':
        if (handlers.drain === undefined)
          throw new VpnrError('USAGE', 'only a gateway or a relay has clients', {
            remedy: 'name one of them; vpnr status shows them',
          });
        return handlers.drain();
      case 'reload':
        if (handlers.reload === undefined) throw new VpnrError('USAGE', NOT_RELOADED, { remedy: RESTART });
        return handlers.reload();
      case undefined:
        throw new VpnrError('USAGE', 'unknown command', {
          remedy: 'use the same release of vpnr as the one that runs: vpnr --version',
        });
    }
  }
}

function reply(socket: Socket, response: ControlResponse<unknown>): void {
  socket.end(`${JSON.stringify(response)}\n`);
}

function refuse(socket: Socket, { code, message, remedy }: VpnrError): void {
  reply(socket, { ok: false, code, message, ...(remedy === undefined ? {} : { remedy }) });
}

function parseRequest(line: string): ControlRequest | LogRequest | undefined {
  try {
    const { command, gateway, lines, follow } = JSON.parse(line) as Record<string, unknown>;
    if (command === 'status' || command === 'disconnect' || command === 'drain' || command === 'reload')
      return { command };
    if (command === 'logs') {
      const valid = Number.isInteger(lines) && (lines as number) >= 0 && typeof follow === 'boolean';
      return valid ? { command, lines: lines as number, follow } : undefined;
    }
    return command === 'switch' && typeof gateway === 'string' ? { command, gateway } : undefined;
  } catch {
    return undefined;
  }
}
