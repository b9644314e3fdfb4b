/** How a client gets a session: the connection, the relay's certificate, hello, welcome. */
import type { TLSSocket } from 'node:tls';
import type { RelayMode } from '../dataplane/api.js';
import { toVpnrError, VpnrError } from '../errors.js';
import type { Endpoint } from '../ike/api.js';
import { Secret } from '../secret.js';
import { exportTrafficKeys, type TrafficKeys, tokenProof } from './keys.js';
import {
  ALPN,
  encodeMessage,
  type Hello,
  MessageReader,
  PROTOCOL_VERSION,
  parseRelayMessage,
  type RelayMessage,
  type Welcome,
} from './protocol.js';
import { checkPin, dial, type RelayTrust, relayCertificateError } from './trust.js';

/** What a client keeps of a session in order to take it up again. */
export interface ResumeState {
  id: string;
  secret: Secret;
}

export interface RelayControlOptions {
  relay: Endpoint;
  /** Our address for the connection; absent: the system chooses. */
  controlAddress?: string;
  trust: RelayTrust;
  /** The client's identity. */
  name: string;
  token: Secret;
  mode: RelayMode;
  /** `keys`: the id of those that the data plane holds, with their sequence numbers; undefined if it holds none. */
  resume?: ResumeState & { keys: string | undefined };
  /** From the first packet to the welcome. */
  connectTimeoutMs?: number;
  /** A ping is sent that often; one not answered by the time of the next means that the connection is lost. */
  keepaliveMs?: number;
  signal?: AbortSignal;
  /**
   * Called once at most, never before `connect` has resolved, nor after `leave` or `drop`. `byRelay`: the relay
   * ended the connection, so the way to it is in order; otherwise nothing is heard of it.
   */
  onLost(error: VpnrError, byRelay: boolean): void;
  /** The relay is about to stop. */
  onDrain(): void;
}

export interface RelayGrant {
  index: number;
  /** The session's stable IPv4 address. */
  lease: string;
  /** UDP port of the data. */
  dataPort: number;
  mtu: number | undefined;
  resume: ResumeState;
  /** The session is the one asked for: its lease is the same as before. */
  resumed: boolean;
  /** Keys to install; undefined when those that the data plane holds go on. */
  keys: TrafficKeys | undefined;
  /** What the relay, before it was started anew, had received under the keys that the data plane holds, if it knows. */
  received: Uint8Array | undefined;
}

const CONNECT_TIMEOUT_MS = 10_000;

interface Receiver {
  message(message: RelayMessage): void;
  /** Once: nothing comes after it. */
  ended(error: VpnrError): void;
}

/** Hands the relay's messages to whoever is to have them now, and keeps what comes in between. */
class Messages {
  readonly #reader = new MessageReader();
  readonly #waiting: RelayMessage[] = [];
  #receiver: Receiver | undefined;
  #end: VpnrError | undefined;

  receive(chunk: Uint8Array): void {
    try {
      for (const body of this.#reader.push(chunk)) this.#waiting.push(parseRelayMessage(body));
    } catch (error) {
      this.end(toVpnrError(error));
    }
    this.#pump();
  }

  end(error: VpnrError): void {
    this.#end ??= error;
    this.#pump();
  }

  deliver(receiver: Receiver | undefined): void {
    this.#receiver = receiver;
    this.#pump();
  }

  #pump(): void {
    while (this.#receiver !== undefined) {
      const message = this.#waiting.shift();
      if (message !== undefined) {
        this.#receiver.message(message);
      } else if (this.#end !== undefined) {
        const { ended } = this.#receiver;
        this.#receiver = undefined;
        ended(this.#end);
      } else {
        return;
      }
    }
  }
}

/** From the first packet to the welcome. */
export class Attempt {
  readonly socket: TLSSocket;
  readonly messages = new Messages();
  readonly result: Promise<RelayGrant>;
  readonly #options: RelayControlOptions;
  #greeted = false;

  constructor(options: RelayControlOptions) {
    const { relay, controlAddress, trust, signal, connectTimeoutMs = CONNECT_TIMEOUT_MS } = options;
    signal?.throwIfAborted();
    this.#options = options;
    this.socket = dial(relay, trust, controlAddress);
    this.socket.setNoDelay(true);
    const timer = setTimeout(() => this.socket.destroy(this.#timeout()), connectTimeoutMs);
    const aborted = () => this.socket.destroy();
    signal?.addEventListener('abort', aborted, { once: true });
    this.result = this.#negotiate()
      .catch(error => {
        this.socket.destroy();
        signal?.throwIfAborted();
        throw error;
      })
      .finally(() => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', aborted);
      });
  }

  #negotiate(): Promise<RelayGrant> {
    return new Promise((resolve, reject) => {
      const { socket, messages } = this;
      messages.deliver({
        message: message => {
          // What follows the welcome is for the session.
          messages.deliver(undefined);
          try {
            if (!this.#greeted) throw this.#notARelay('it speaks first');
            resolve(this.#granted(message));
          } catch (error) {
            reject(error);
          }
        },
        ended: reject,
      });
      socket.on('data', chunk => messages.receive(chunk));
      socket.on('error', error => messages.end(this.#connectionError(error)));
      socket.on('close', () => messages.end(this.#unreachable('the connection was closed')));
      socket.once('secureConnect', () => {
        try {
          this.#hello();
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #hello(): void {
    const { name, token, mode, resume, trust } = this.#options;
    checkPin(this.socket.getPeerX509Certificate(), trust);
    if (this.socket.alpnProtocol !== ALPN) throw this.#notARelay('it does not speak the relay protocol');
    this.socket.write(
      encodeMessage({
        type: 'hello',
        version: PROTOCOL_VERSION,
        name,
        proof: tokenProof(this.socket, token, name).toString('hex'),
        mode,
        ...(resume && { resume: resumption(resume) }),
      }),
    );
    this.#greeted = true;
  }

  #granted(message: RelayMessage): RelayGrant {
    if (message.type === 'refused')
      throw new VpnrError(
        message.code,
        `the relay refused: ${message.message}`,
        remedyFor(message.code, this.#options.mode),
      );
    if (message.type !== 'welcome') throw this.#notARelay(`it answered with "${message.type}"`);
    const { resume, mode } = this.#options;
    if (message.mode !== mode)
      throw new VpnrError('RELAY_PROTOCOL', `the relay gave a session in ${message.mode} mode, not ${mode}`);
    const { index, lease, dataPort, mtu, id, received } = message;
    const resumed = resume?.id === id;
    return {
      ...{ index, lease, dataPort, mtu, resumed },
      resume: { id, secret: this.#sessionSecret(message, resumed) },
      keys:
        message.keys === 'kept'
          ? this.#noNewKeys(resumed)
          : exportTrafficKeys(this.socket, id, mode, 'client'),
      received: received === undefined ? undefined : Uint8Array.from(Buffer.from(received, 'hex')),
    };
  }

  #sessionSecret({ secret }: Welcome, resumed: boolean): Secret {
    if (secret !== undefined) return new Secret(Uint8Array.from(Buffer.from(secret, 'hex')));
    if (resumed && this.#options.resume !== undefined) return this.#options.resume.secret;
    throw new VpnrError('RELAY_PROTOCOL', 'the relay gave a new session without its secret');
  }

  #noNewKeys(resumed: boolean): undefined {
    if (resumed && this.#options.resume?.keys !== undefined) return undefined;
    throw new VpnrError('RELAY_PROTOCOL', 'the relay keeps keys that this client does not have');
  }

  #connectionError(error: NodeJS.ErrnoException): VpnrError {
    const { code = '' } = error;
    if (error instanceof VpnrError) return error;
    const distrusted = relayCertificateError(this.socket, error);
    if (distrusted !== undefined) return distrusted;
    if (code === 'EPROTO' || code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS'))
      return this.#notARelay(error.message, error);
    return this.#unreachable(error.message, error);
  }

  #timeout(): VpnrError {
    const stage = this.socket.connecting
      ? 'it does not answer'
      : 'it accepted the connection, and then fell silent';
    return this.#unreachable(stage);
  }

  #unreachable(reason: string, cause?: unknown): VpnrError {
    return new VpnrError('RELAY_UNREACHABLE', `no session with the relay at ${this.#where()}: ${reason}`, {
      remedy: 'is the relay running, and reachable from the networks behind the gateways?',
      cause,
    });
  }

  #notARelay(reason: string, cause?: unknown): VpnrError {
    return new VpnrError(
      'RELAY_PROTOCOL',
      `what answers at ${this.#where()} is not a usable relay: ${reason}`,
      {
        remedy: 'check relay.address and its port',
        cause,
      },
    );
  }

  #where(): string {
    const { address, port } = this.#options.relay;
    return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  }
}

function resumption({
  id,
  secret,
  keys,
}: ResumeState & { keys: string | undefined }): NonNullable<Hello['resume']> {
  const hex = Buffer.from(secret.reveal()).toString('hex');
  return { id, secret: hex, ...(keys !== undefined && { keys }) };
}

function remedyFor(code: VpnrError['code'], mode: RelayMode): { remedy?: string } {
  if (code === 'RELAY_TOKEN_REFUSED') {
    return {
      remedy: "the client's identity and relay.token must be those of an entry of `clients` at the relay",
    };
  }
  if (code === 'RELAY_POOL_EMPTY')
    return { remedy: 'give the relay a larger pool, or end sessions that nobody needs' };
  if (code === 'RELAY_DRAINED') return { remedy: 'connect again once the relay has been restarted' };
  if (code === 'RELAY_PROTOCOL' && mode === 'sealed')
    return { remedy: 'sealed mode needs a relay that knows it: use the same release of vpnr on both sides' };
  return {};
}
