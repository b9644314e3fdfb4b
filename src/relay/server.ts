/**
 * The relay's control side: who is let in, sessions and leases. The packets are the data plane's. A session
 * outlives its connections: losing one changes nothing, and the next takes the session up.
 *
 * A session's secret stays the same when the session is resumed. A client resumes just when its network fails, and
 * a new secret lost on the way would cost it its lease. The secret is sent inside TLS only, and is worth nothing
 * without the client's token.
 */
import type { TLSSocket } from 'node:tls';
import { toVpnrError, VpnrError } from '../errors.js';
import type { Endpoint } from '../ike/api.js';
import type { Secret } from '../secret.js';
import type { Announced } from '../service/drained.js';
import { Pace } from '../service/pace.js';
import { AddressPool, parsePool } from '../service/pool.js';
import type { Roster, RosterChange } from '../service/roster.js';
import { type Admitted, ConnectionGate, DEFAULT_LIMITS } from './admission.js';
import { Authentication } from './authentication.js';
import { ControlConnection } from './connection.js';
import { exportTrafficKeys } from './keys.js';
import { RelayListener } from './listener.js';
import { type Hello, PROTOCOL_VERSION } from './protocol.js';
import {
  type Clock,
  DEFAULT_TIMING,
  type RelayServerOptions,
  type RelayStatus,
  type RelayTiming,
} from './server-api.js';
import { type Session, type SessionLimits, SessionTable } from './sessions.js';
import { type SavedSession, StateStore } from './state.js';

const MINUTE_MS = 60_000;
const GUESSES_TOLD_PER_SECOND = 10;
const DEFAULT_SESSION_LIMITS: SessionLimits = {
  lifetimeMs: 24 * 60 * MINUTE_MS,
  reuseAfterMs: 10 * MINUTE_MS,
  sessionsPerClient: 16,
};
const SYSTEM_CLOCK: Clock = { now: () => performance.now(), wallClock: () => Date.now() };

export class RelayServer {
  readonly #options: RelayServerOptions;
  readonly #timing: RelayTiming;
  readonly #clock: Clock;
  readonly #clients: Roster;
  readonly #authentication: Authentication;
  readonly #lifetimeMs: number;
  readonly #sessions: SessionTable;
  readonly #store: StateStore;
  readonly #gate: ConnectionGate;
  readonly #listener: RelayListener;
  /** The connection of each session that has one. */
  readonly #connections = new Map<Session, ControlConnection>();
  /** Of wrong tokens that are told of. */
  readonly #guesses = new Pace(GUESSES_TOLD_PER_SECOND);
  #sweeper: NodeJS.Timeout | undefined;
  /** Told to be about to stop: there are no new sessions any more. */
  #draining = false;
  #lastSave = Number.NEGATIVE_INFINITY;

  /** Serves once it resolves. Throws CONFIG_INVALID, CERTIFICATE_INVALID, ADDRESS_IN_USE, SYSTEM_CALL. */
  static async start(options: RelayServerOptions): Promise<RelayServer> {
    const server = new RelayServer(options);
    await server.#start();
    return server;
  }

  private constructor(options: RelayServerOptions) {
    const limits = { ...DEFAULT_LIMITS, ...DEFAULT_SESSION_LIMITS, ...options.limits };
    this.#options = options;
    this.#timing = { ...DEFAULT_TIMING, ...options.timing };
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#clients = options.clients;
    this.#authentication = new Authentication(options.clients, limits);
    this.#lifetimeMs = limits.lifetimeMs;
    const leases = new AddressPool(parsePool(options.pool), [options.listen.address]);
    this.#sessions = new SessionTable(leases, limits, session => this.#sessionEnded(session));
    this.#store = new StateStore(options.stateDirectory);
    this.#gate = new ConnectionGate(limits, this.#clock.now);
    this.#listener = new RelayListener({
      certificate: options.certificate,
      key: options.key,
      handshakeTimeoutMs: this.#timing.handshakeTimeoutMs,
      gate: this.#gate,
      secured: (socket, admitted) => this.#serve(socket, admitted),
    });
  }

  /** The certificate's, as clients pin it. */
  get fingerprint(): string {
    return this.#listener.fingerprint;
  }

  /** Port of the control connections and of the data: the one asked for, unless that was 0. */
  get port(): number {
    return this.#listener.port;
  }

  status(): RelayStatus {
    const now = this.#clock.now();
    const sessions = [...this.#sessions].map(({ client, lease, connected, installed, lastActive }) => ({
      client,
      lease,
      connected,
      mode: installed?.mode,
      idleMs: connected ? 0 : now - lastActive,
    }));
    const { dataPlane } = this.#options;
    return {
      draining: this.#draining,
      connections: this.#gate.connections,
      sessions,
      counters: dataPlane.counters(),
      offloads: dataPlane.offloads(),
    };
  }

  /**
   * Tells all clients that the relay is about to stop, begins no session any more, and writes down those that there are: they
   * go on now, and after the restart. Resolves with the number of clients that were told.
   */
  async drain(): Promise<Announced> {
    this.#draining = true;
    await this.#save();
    this.#options.dataPlane.drain();
    for (const connection of this.#connections.values()) connection.send({ type: 'drain' });
    const told = [...this.#sessions].filter(({ installed }) => installed !== undefined).length;
    this.#options.onEvent({ type: 'draining', told });
    return { told };
  }

  /** Ends the sessions of those who are clients no more. Whose token is another one has to show that to go on with its own. */
  async clientsChanged({ removed, changed }: RosterChange): Promise<void> {
    for (const session of [...this.#sessions]) {
      const isClient = !removed.includes(session.client);
      if (isClient && !changed.includes(session.client)) continue;
      const connection = this.#connections.get(session);
      connection?.send({ type: 'bye' });
      connection?.close();
      if (isClient) this.#uninstall(session);
      else this.#sessions.remove(session);
    }
    await this.#save();
  }

  /** Finds out which sessions are in use, and ends those that have not been for too long. */
  async sweep(): Promise<void> {
    const installed = [...this.#sessions].filter(session => session.installed !== undefined);
    const activity = await this.#options.dataPlane.activity(installed.map(session => session.index));
    const now = this.#clock.now();
    for (const session of this.#sessions) {
      const received = activity.get(session.index)?.received ?? session.received;
      if (session.connected || received !== session.received) session.lastActive = now;
      session.received = received;
    }
    const ended = this.#sessions.expire(now);
    if (ended > 0 || now - this.#lastSave >= this.#timing.saveMs) await this.#save();
  }

  /**
   * Ends the data plane and all connections. The sessions stay on the disk, with what they have received: a client that hears of the end
   * knows that nothing is delivered any more, and later what was.
   */
  async stop(): Promise<void> {
    clearInterval(this.#sweeper);
    this.#listener.stopAccepting();
    await this.#halt();
    for (const connection of this.#connections.values()) {
      connection.send({ type: 'bye' });
      connection.close();
    }
    await Promise.all([this.#save(), this.#options.dataPlane.stop()]);
    await this.#listener.close();
  }

  async #halt(): Promise<void> {
    const installed = [...this.#sessions].flatMap(session =>
      session.installed === undefined ? [] : [{ session, keys: session.installed.keys }],
    );
    const received = await this.#options.dataPlane.halt(installed.map(({ session }) => session.index));
    for (const { session, keys } of installed) {
      const state = received.get(session.index);
      // A client that came meanwhile has other keys, under which nothing has been received.
      if (state === undefined || session.installed?.keys !== keys) continue;
      session.ended = { keys, received: Buffer.from(state).toString('hex') };
    }
  }

  async #start(): Promise<void> {
    const { listen, network, onEvent } = this.#options;
    const parts = [this.#takeUp(), this.#restore(), network];
    try {
      await Promise.all(parts);
    } catch (error) {
      await Promise.allSettled(parts);
      await this.#options.dataPlane.stop();
      await this.#listener.close();
      throw error;
    }
    const { port } = this;
    this.#sweeper = setInterval(() => {
      this.sweep().catch((error: Error) =>
        this.#notice(`looking after the sessions failed: ${error.message}`),
      );
    }, this.#timing.sweepMs).unref();
    this.#listener.open();
    onEvent({ type: 'listening', address: listen.address, port, fingerprint: this.fingerprint });
  }

  /** Takes the address, so that clients find somebody as soon as can be, and starts the data plane. */
  async #takeUp(): Promise<void> {
    const { listen, dataPlane, tun, ipip, pool, maxSegment, replay, onEvent } = this.#options;
    await this.#listener.listen(listen);
    const options = { tun, listen: { address: listen.address, port: this.port }, ipip, pool, maxSegment };
    await dataPlane.start(
      { ...options, ...(replay && { replay }) },
      {
        sessionMoved: (index, path, epoch) => this.#sessionMoved(index, path, epoch),
        failed: error => onEvent({ type: 'failed', error: toVpnrError(error) }),
      },
    );
  }

  /** Takes up the sessions of before, and finds out whether they can be written down. */
  async #restore(): Promise<void> {
    const { sessions, setAside } = await this.#store.load();
    if (setAside !== undefined) this.#notice(setAside);
    const now = this.#clock.now();
    let dropped = 0;
    for (const { secretHash, lastActive, ended, ...saved } of sessions) {
      // A wall clock that was set in between must neither end sessions nor keep them for ever.
      const idle = Math.min(Math.max(0, this.#clock.wallClock() - lastActive), this.#lifetimeMs);
      const session = { ...saved, secretHash: Buffer.from(secretHash, 'hex'), lastActive: now - idle, ended };
      if (!this.#clients.has(saved.client) || !this.#sessions.restore(session)) dropped += 1;
    }
    if (dropped > 0) {
      this.#notice(
        `${dropped} of ${sessions.length} saved sessions do not fit the configuration and were dropped`,
      );
    }
    await this.#store.save(() => this.#savedSessions());
  }

  #serve(socket: TLSSocket, admitted: Admitted): void {
    let session: Session | undefined;
    new ControlConnection(
      socket,
      {
        hello: async (connection, hello) => {
          session = await this.#hello(connection, hello);
          if (session !== undefined) admitted.known();
          // Its end, while it was welcomed, could not be told of the session yet.
          if (session !== undefined && !connection.open) this.#closed(session, connection);
          return session !== undefined;
        },
        bye: connection => {
          if (session !== undefined) this.#bye(session, connection);
        },
        closed: connection => {
          if (session !== undefined) this.#closed(session, connection);
        },
      },
      this.#timing,
      this.#clock.now,
    );
  }

  /** The session, welcomed; undefined when the client was refused. */
  async #hello(connection: ControlConnection, hello: Hello): Promise<Session | undefined> {
    try {
      const token = this.#authentication.check(connection, hello, this.#clock.now());
      return await this.#openSession(connection, hello, token);
    } catch (thrown) {
      const error = toVpnrError(thrown);
      const { code, message } = error;
      const refused = { client: hello.name, from: connection.address, code, message };
      const isTold = code !== 'RELAY_TOKEN_REFUSED' || this.#guesses.allows(this.#clock.now());
      if (isTold) this.#options.onEvent({ type: 'client-refused', ...refused });
      connection.refuse(error);
      return undefined;
    }
  }

  async #openSession(
    connection: ControlConnection,
    { name, mode, resume }: Hello,
    token: Secret,
  ): Promise<Session | undefined> {
    if (mode === 'ipip' && !this.#options.ipip) {
      throw new VpnrError(
        'RELAY_PROTOCOL',
        'the relay does not allow the mode ipip (it needs trust_network: true)',
      );
    }
    const resumed = resume && this.#sessions.find(resume.id, name, resume.secret);
    if (resumed === undefined && this.#draining) {
      throw new VpnrError('RELAY_DRAINED', 'the relay is about to stop, and begins no new sessions');
    }
    const { session, secret } = resumed
      ? { session: resumed, secret: undefined }
      : this.#sessions.create(name, this.#clock.now());
    session.lastActive = this.#clock.now();
    // A lease that the client knows must not be given to another after a crash, so it is on the disk first.
    if (resumed === undefined) await this.#save();
    if (!connection.open || this.#sessions.byIndex(session.index) !== session) return undefined;
    if (this.#clients.get(name) !== token) return undefined;

    const { installed } = session;
    const kept = installed !== undefined && installed.mode === mode && installed.keys === resume?.keys;
    if (!kept) this.#install(session, mode, connection.socket);
    this.#connections.get(session)?.close();
    this.#connections.set(session, connection);
    session.connected = true;
    // The client may have to be told again, if it does not hear this; it names other keys once it has.
    if (session.ended?.keys !== resume?.keys) session.ended = undefined;
    const { id, index, lease, client, ended } = session;
    const keys = kept ? 'kept' : 'fresh';
    const { mtu } = this.#options;
    connection.send({
      ...{ type: 'welcome', version: PROTOCOL_VERSION, id, index, lease, mode, dataPort: this.port, keys },
      ...(secret !== undefined && { secret }),
      ...(mtu !== undefined && { mtu }),
      ...(ended !== undefined && { received: ended.received }),
    });
    if (this.#draining) connection.send({ type: 'drain' });
    const from = connection.address;
    this.#options.onEvent(
      resumed === undefined
        ? { type: 'session-opened', client, lease, from }
        : { type: 'session-resumed', client, lease, from, keys },
    );
    return session;
  }

  #install(session: Session, mode: Hello['mode'], socket: TLSSocket): void {
    const { index, lease } = session;
    const { id: keys, sendKey, receiveKey } = exportTrafficKeys(socket, session.id, mode, 'relay');
    this.#options.dataPlane.installSession({ index, mode, lease, sendKey, receiveKey });
    session.installed = { mode, keys };
    session.received = 0;
  }

  #bye(session: Session, connection: ControlConnection): void {
    // One that has been replaced has no say any more.
    if (this.#connections.get(session) !== connection) return;
    this.#uninstall(session);
    this.#options.onEvent({ type: 'session-left', client: session.client, lease: session.lease });
  }

  #closed(session: Session, connection: ControlConnection): void {
    if (this.#connections.get(session) !== connection) return;
    this.#connections.delete(session);
    session.connected = false;
    session.lastActive = this.#clock.now();
  }

  #uninstall(session: Session): void {
    if (session.installed === undefined) return;
    this.#options.dataPlane.removeSession(session.index);
    session.installed = undefined;
  }

  #sessionEnded(session: Session): void {
    this.#uninstall(session);
    this.#options.onEvent({ type: 'session-ended', client: session.client, lease: session.lease });
  }

  #sessionMoved(index: number, path: Endpoint, epoch: number): void {
    const session = this.#sessions.byIndex(index);
    if (session === undefined || !session.moves.allows(this.#clock.now())) return;
    const { client, lease } = session;
    this.#options.onEvent({ type: 'session-moved', client, lease, path, epoch });
  }

  /** Not being able to write costs leases after a restart, nothing now. */
  async #save(): Promise<void> {
    this.#lastSave = this.#clock.now();
    try {
      await this.#store.save(() => this.#savedSessions());
    } catch (error) {
      this.#notice(toVpnrError(error).message);
    }
  }

  #savedSessions(): SavedSession[] {
    const ahead = this.#clock.wallClock() - this.#clock.now();
    return [...this.#sessions].map(({ id, secretHash, client, lease, lastActive, ended }) => ({
      id,
      secretHash: secretHash.toString('hex'),
      client,
      lease,
      lastActive: Math.round(lastActive + ahead),
      ...(ended && { ended }),
    }));
  }

  #notice(message: string): void {
    this.#options.onEvent({ type: 'notice', message });
  }
}
