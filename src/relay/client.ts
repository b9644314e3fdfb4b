/** The client's control connection to its relay: gets a session, and notices when the connection is lost. */
import type { TLSSocket } from 'node:tls';
import { VpnrError } from '../errors.js';
import { Attempt, type RelayControlOptions, type RelayGrant } from './attempt.js';
import { encodeMessage, type RelayMessage } from './protocol.js';

const KEEPALIVE_MS = 15_000;
/** How long to wait until the relay has seen the goodbye. */
const GOODBYE_MS = 1000;

export class RelayControl {
  readonly grant: RelayGrant;
  readonly #socket: TLSSocket;
  readonly #options: RelayControlOptions;
  readonly #keepalive: NodeJS.Timeout;
  #pings = 0;
  #pongs = 0;
  #over = false;

  /**
   * Resolves with a session. Throws RELAY_UNREACHABLE, RELAY_CERTIFICATE, RELAY_TOKEN_REFUSED, RELAY_POOL_EMPTY,
   * RELAY_PROTOCOL, CONFIG_INVALID, or the signal's reason.
   */
  static async connect(options: RelayControlOptions): Promise<RelayControl> {
    const attempt = new Attempt(options);
    return new RelayControl(options, attempt, await attempt.result);
  }

  private constructor(options: RelayControlOptions, { socket, messages }: Attempt, grant: RelayGrant) {
    this.#options = options;
    this.#socket = socket;
    this.grant = grant;
    this.#keepalive = setInterval(() => this.#ping(), options.keepaliveMs ?? KEEPALIVE_MS).unref();
    messages.deliver({
      message: message => this.#receive(message),
      ended: error => this.#lost(error, !hasTimedOut(error)),
    });
  }

  /** Says goodbye: the relay forgets the keys and keeps the lease. Resolves when it has answered, or does not. */
  async leave(): Promise<void> {
    if (this.#over) return;
    this.#finish();
    await new Promise<void>(resolve => {
      const timer = setTimeout(() => this.#socket.destroy(), GOODBYE_MS);
      this.#socket.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      this.#socket.end(encodeMessage({ type: 'bye' }));
    });
  }

  /** Gives the connection up without a word, for one through another gateway. The session goes on. */
  drop(): void {
    this.#finish();
    this.#socket.destroy();
  }

  #receive(message: RelayMessage): void {
    if (this.#over) return;
    if (message.type === 'pong') {
      if (message.id === this.#pings) this.#pongs = message.id;
    } else if (message.type === 'drain') {
      this.#options.onDrain();
    } else if (message.type === 'bye') {
      this.#lost(new VpnrError('RELAY_UNREACHABLE', 'the relay has stopped'), true);
    } else {
      this.#lost(
        new VpnrError('RELAY_PROTOCOL', `the relay sent "${message.type}" in the middle of a session`),
        true,
      );
    }
  }

  #ping(): void {
    if (this.#pongs !== this.#pings) {
      this.#lost(
        new VpnrError('RELAY_UNREACHABLE', 'the relay does not answer on its control connection'),
        false,
      );
      return;
    }
    this.#pings = (this.#pings + 1) >>> 0;
    this.#socket.write(encodeMessage({ type: 'ping', id: this.#pings }));
  }

  #lost(error: VpnrError, byRelay: boolean): void {
    if (this.#over) return;
    this.drop();
    this.#options.onLost(error, byRelay);
  }

  #finish(): void {
    this.#over = true;
    clearInterval(this.#keepalive);
  }
}

/** The network took the connection, not its other end. */
function hasTimedOut({ cause }: VpnrError): boolean {
  const { code } = (cause ?? {}) as NodeJS.ErrnoException;
  return code === 'ETIMEDOUT' || code === 'EHOSTUNREACH' || code === 'ENETUNREACH';
}
