/**
 * The client's side of the relay session: keeps a control connection through whichever tunnel is active, opens it
 * again when it is lost, and hands new sessions to its owner. Data does not wait for it: while both ends hold the
 * session's keys, packets flow without a control connection.
 */
import { randomInt } from 'node:crypto';
import { hostAndPort } from '../address.js';
import type { RelayEntry } from '../config/client.js';
import { stateFolder } from '../control/folders.js';
import type { RelayBinding } from '../dataplane/api.js';
import { toVpnrError, type VpnrError } from '../errors.js';
import type { RelayControlOptions, RelayGrant, ResumeState } from '../relay/attempt.js';
import { RelayControl } from '../relay/client.js';
import { ClientStateFile } from '../relay/client-state.js';
import { trustIn } from '../relay/trust.js';
import type { Secret } from '../secret.js';
import { type Clock, systemClock } from './clock.js';
import type { ConnectionStatus } from './status.js';

export interface RelayLinkOptions {
  /** The connection's name, for what is kept over a restart. */
  connection: string;
  identity: string;
  relay: RelayEntry;
  token: Secret;
  /** PEM, if the relay is known by its authority. */
  ca: string | undefined;
  localAddress: string;
  clock?: Clock;
  connect?: ConnectRelay;
  /** Where the session is kept over a restart. */
  stateFile?: Pick<ClientStateFile, 'load' | 'save'>;
}

export type ConnectRelay = (options: RelayControlOptions) => Promise<RelayConnection>;

/** What is made use of. */
export type RelayConnection = Pick<RelayControl, 'grant' | 'leave' | 'drop'>;

export interface RelayLinkEvents {
  /** A session with new keys. The next step waits until the promise is settled. `ms`: what the connection took. */
  session(binding: RelayBinding, ms: number): Promise<void>;
  /** The control connection is back; session and keys go on. */
  resumed(lease: string, ms: number): void;
  /** No control connection. `away`: the relay itself ended or refused it, so the way to the relay is in order. */
  lost(error: VpnrError, away: boolean): void;
  /** The relay is about to stop: said once before it does. */
  leaving(): void;
  notice(message: string): void;
}

const CONNECT_TIMEOUT_MS = 4000;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5000;
/**
 * A relay that said that it would stop, or whose host answers in its place, is expected back: for so long it is looked for that
 * often at least, and more often at first. TCP's own patience doubles meanwhile, so that each moment more costs two.
 */
const RESTART_MS = 60_000;
const LONGEST_RESTART_RETRY_MS = 100;
const QUICK_RESTART_MS = 2000;
const QUICK_RESTART_RETRY_MS = 25;
/** After a refusal, which will not change soon. */
const REFUSED_RETRY_MS = 30_000;
/** RFC 6335: dynamic ports. */
const FIRST_DYNAMIC_PORT = 49152;
const LAST_DYNAMIC_PORT = 65535;

interface Loss {
  error: VpnrError;
  away: boolean;
}

export class RelayLink {
  readonly #options: RelayLinkOptions;
  readonly #events: RelayLinkEvents;
  readonly #clock: Clock;
  readonly #connectRelay: ConnectRelay;
  readonly #stateFile: Pick<ClientStateFile, 'load' | 'save'>;
  readonly #clientPort = randomInt(FIRST_DYNAMIC_PORT, LAST_DYNAMIC_PORT + 1);
  #resume: ResumeState | undefined;
  #lease: string | undefined;
  /** The id of the keys that the data plane holds. */
  #keys: string | undefined;
  #control: RelayConnection | undefined;
  /** The relay has said that it is about to stop. */
  #leaving = false;
  /** The present path's attempts; aborted when the path changes. */
  #attempts = new AbortController();

  constructor(options: RelayLinkOptions, events: RelayLinkEvents) {
    this.#options = options;
    this.#events = events;
    const { host, port } = options.relay.address;
    this.#clock = options.clock ?? systemClock;
    this.#connectRelay = options.connect ?? RelayControl.connect;
    this.#stateFile =
      options.stateFile ?? new ClientStateFile(stateFolder(), options.connection, `${host}:${port}`);
  }

  /** The data plane holds a session's keys. */
  get bound(): boolean {
    return this.#keys !== undefined;
  }

  get status(): NonNullable<ConnectionStatus['relay']> {
    const { address, mode } = this.#options.relay;
    return {
      address: hostAndPort(address.host, address.port),
      mode,
      connected: this.#control !== undefined,
      lease: this.#lease ?? null,
    };
  }

  /** Another tunnel is active: the connection through the former one is given up, and a new one opened. */
  pathChanged(): void {
    this.#abandon();
    this.#attempts = new AbortController();
    void this.#keepConnected(this.#attempts.signal);
  }

  /** The relay says that it is about to stop. What it has is used until it does. */
  announced(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.#events.leaving();
  }

  /** No tunnel is active. */
  pathLost(): void {
    this.#abandon();
  }

  /** Says goodbye. */
  async close(): Promise<void> {
    const control = this.#control;
    this.#control = undefined;
    this.#attempts.abort();
    await control?.leave();
    this.#resume?.secret.wipe();
  }

  #abandon(): void {
    this.#attempts.abort();
    this.#control?.drop();
    this.#control = undefined;
  }

  async #keepConnected(signal: AbortSignal): Promise<void> {
    let retryMs = FIRST_RETRY_MS;
    /** Since when the relay is looked for, and whether it may be back any moment: whatever else an attempt runs into meanwhile. */
    let soughtSince = this.#clock.now();
    let restarts = false;
    this.#resume ??= await this.#stateFile.load();
    while (!signal.aborted) {
      const connection = await this.#connect(signal);
      if (signal.aborted) return;
      if ('lost' in connection) {
        restarts = false;
        const began = this.#clock.now();
        this.#report(await connection.lost, signal);
        // A relay that accepts and drops at once is not asked more often than one that refuses.
        if (this.#clock.now() - began > LONGEST_RETRY_MS) {
          retryMs = FIRST_RETRY_MS;
          soughtSince = this.#clock.now();
        }
      } else {
        restarts ||= this.bound && connection.away;
        this.#report(connection, signal);
        // Only the network's errors may soon be over.
        if (connection.error.exitStatus !== 5) retryMs = REFUSED_RETRY_MS;
      }
      const longestMs =
        this.#leaving || restarts
          ? longestRestartRetry(this.#clock.now() - soughtSince)
          : Number.POSITIVE_INFINITY;
      await this.#pause(Math.min(retryMs, longestMs), signal);
      // What was not waited for must not be waited for when the relay, just back, ends once more.
      if (retryMs <= longestMs) retryMs = Math.min(retryMs * 2, Math.max(LONGEST_RETRY_MS, retryMs));
    }
  }

  #report({ error, away }: Loss, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#control?.drop();
    this.#control = undefined;
    this.#events.lost(error, away);
  }

  /** One attempt: a connection, with the promise of its loss, or why there is none. */
  async #connect(signal: AbortSignal): Promise<{ lost: Promise<Loss> } | Loss> {
    const { identity, relay, ca, token, localAddress } = this.#options;
    const began = this.#clock.now();
    let loss: (loss: Loss) => void = () => {};
    const lost = new Promise<Loss>(resolve => {
      loss = resolve;
    });
    const aborted = () => loss({ error: toVpnrError(signal.reason), away: false });
    signal.addEventListener('abort', aborted, { once: true });
    void lost.finally(() => signal.removeEventListener('abort', aborted));
    try {
      const control = await this.#connectRelay({
        relay: this.#endpoint,
        controlAddress: localAddress,
        trust: trustIn(relay, ca),
        name: identity,
        token,
        mode: relay.mode,
        ...(this.#resume && { resume: { ...this.#resume, keys: this.#keys } }),
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
        signal,
        onLost: (error, closed) => loss({ error, away: closed }),
        onDrain: () => this.announced(),
      });
      if (signal.aborted) {
        control.drop();
        control.grant.keys?.sendKey.wipe();
        control.grant.keys?.receiveKey.wipe();
        return { lost };
      }
      this.#control = control;
      await this.#take(control.grant, this.#clock.now() - began);
      return { lost };
    } catch (error) {
      signal.removeEventListener('abort', aborted);
      return { error: toVpnrError(error), away: isRefusedConnection(error) };
    }
  }

  async #take(grant: RelayGrant, ms: number): Promise<void> {
    this.#lease = grant.lease;
    // It has been started anew.
    if (grant.keys !== undefined) this.#leaving = false;
    if (grant.keys === undefined) {
      this.#events.resumed(grant.lease, ms);
      return;
    }
    const { id, sendKey, receiveKey } = grant.keys;
    const resumes = grant.resumed && this.bound;
    this.#keys = id;
    const { mode } = this.#options.relay;
    const relay = { ...this.#endpoint, port: grant.dataPort };
    const binding = {
      mode,
      relay,
      clientPort: this.#clientPort,
      sessionIndex: grant.index,
      lease: grant.lease,
      sendKey,
      receiveKey,
      ...(resumes && { resumed: { received: grant.received } }),
    };
    // First: whoever ends this process once it is connected finds the lease again.
    await this.#remember(grant.resume);
    await this.#events.session(binding, ms);
  }

  async #remember(resume: ResumeState): Promise<void> {
    if (this.#resume?.id === resume.id) return;
    this.#resume = resume;
    try {
      await this.#stateFile.save(resume);
    } catch (error) {
      this.#events.notice(
        `the relay session cannot be kept for the next start: ${toVpnrError(error).message}`,
      );
    }
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    // The report of a loss may have led to another path.
    if (signal.aborted) return Promise.resolve();
    return new Promise(resolve => {
      const end = () => {
        cancel();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const cancel = this.#clock.after(ms, end);
      signal.addEventListener('abort', end, { once: true });
    });
  }

  get #endpoint(): { address: string; port: number } {
    const { host, port } = this.#options.relay.address;
    return { address: host, port };
  }
}

/** How long to wait for the next attempt at a relay that is expected back, and has been looked for so long. */
function longestRestartRetry(soughtMs: number): number {
  if (soughtMs < QUICK_RESTART_MS) return QUICK_RESTART_RETRY_MS;
  return soughtMs < RESTART_MS ? LONGEST_RESTART_RETRY_MS : Number.POSITIVE_INFINITY;
}

function isRefusedConnection(error: unknown): boolean {
  const { cause } = toVpnrError(error);
  return cause instanceof Error && (cause as NodeJS.ErrnoException).code === 'ECONNREFUSED';
}
