/**
 * The gateway's control side: which client an IKE datagram belongs to, and when a session begins and ends. `admission.ts`
 * decides who is let in. The packets are the data plane's.
 *
 * A client is its identity: it has one session and one virtual address. When it connects anew, the session of before
 * ends; with INITIAL_CONTACT without a word, for then the client has no such session any more.
 */
import type { GatewayDataPlane } from '../dataplane/api.js';
import { toVpnrError } from '../errors.js';
import type { Endpoint, IkeOutput, SessionLimits } from '../ike/api.js';
import { ExchangeType } from '../ike/constants.js';
import { type ParsedHeader, parseHeader } from '../ike/message.js';
import { createResponder } from '../ike/responder.js';
import { IkeSyntaxError } from '../ike/syntax.js';
import { formatEndpoint } from '../io/sockaddr.js';
import { SA_MAX, SELECTORS_MAX } from '../packet/abi.js';
import type { Drained } from '../service/drained.js';
import { DEFAULT_FAILURE_LIMITS } from '../service/failures.js';
import { Pace } from '../service/pace.js';
import type { RosterChange } from '../service/roster.js';
import { Admission } from './admission.js';
import { Departure } from './departure.js';
import { DEFAULT_HALF_OPEN_LIMITS, HalfOpenTable } from './half-open.js';
import { unknownSpiAnswer, versionAnswer } from './outsider.js';
import type { GatewayEvent, GatewayServerOptions, GatewayStatus, LeaveReason } from './server-api.js';
import { ClientSession } from './session.js';

const SWEEP_MS = 1000;
/** Answers a second to messages that belong to nothing, and events a second that strangers can cause. */
const OUTSIDERS_PER_SECOND = 10;
/** More children than this nobody needs. */
const CHILDREN_MAX = 32;

export class GatewayServer {
  readonly #options: GatewayServerOptions;
  readonly #admission: Admission;
  readonly #halfOpen: HalfOpenTable<ClientSession>;
  /** Those that have authenticated themselves, by identity. */
  readonly #clients = new Map<string, ClientSession>();
  /** Every session by our SPIs of its IKE SAs. */
  readonly #bySpi = new Map<bigint, ClientSession>();
  readonly #byPeer = new Map<number, ClientSession>();
  readonly #answers = new Pace(OUTSIDERS_PER_SECOND);
  readonly #tellings = new Pace(OUTSIDERS_PER_SECOND);
  readonly #refused = { halfOpen: 0, messages: 0 };
  /** Of every session, which look at them again each time. */
  readonly #limits: SessionLimits;
  #sweptAt: number;
  #sweeping = false;
  #isUnderPressure = false;
  /** Once the gateway is drained. */
  #departure: Departure | undefined;

  constructor(options: GatewayServerOptions) {
    const limits = { ...DEFAULT_HALF_OPEN_LIMITS, ...DEFAULT_FAILURE_LIMITS, ...options.limits };
    this.#options = options;
    this.#admission = new Admission(options, limits);
    this.#halfOpen = new HalfOpenTable(limits);
    this.#limits = { children: childrenOf(options.clients.size), selectors: SELECTORS_MAX };
    this.#sweptAt = options.now();
  }

  /** An IKE datagram came. */
  receive(from: Endpoint, datagram: Uint8Array): void {
    let header: ParsedHeader;
    try {
      header = parseHeader(datagram);
    } catch (error) {
      if (!(error instanceof IkeSyntaxError)) throw error;
      this.#refuse(from, datagram, error.reason === 'version' ? versionAnswer(datagram) : undefined);
      return;
    }
    if (header.responderSpi === 0n) {
      this.#receiveFirst(from, datagram, header);
      return;
    }
    const session = this.#bySpi.get(header.initiator ? header.responderSpi : header.initiatorSpi);
    if (session === undefined) this.#refuse(from, datagram, unknownSpiAnswer(header));
    else this.#call(session, from, now => session.ike.receive(datagram, now, from));
  }

  /** The data plane heard the peer from another address. */
  peerMoved(peer: number, remote: Endpoint): void {
    const session = this.#byPeer.get(peer);
    if (session !== undefined) this.#move(session, remote, false);
  }

  /** To be called often: carries out what is due. */
  tick(): void {
    const now = this.#options.now();
    for (const session of new Set(this.#bySpi.values())) {
      const due = session.ike.nextTimer();
      if (due !== undefined && due <= now) this.#call(session, session.remote, at => session.ike.tick(at));
    }
    this.#admission.tick(now);
    this.#tellPressure();
    this.#departure?.tick(now);
    if (now - this.#sweptAt >= SWEEP_MS && !this.#sweeping) void this.#sweep();
  }

  status(): GatewayStatus {
    const now = this.#options.now();
    return {
      clients: [...this.#clients].map(([client, session]) => ({
        client,
        address: session.virtualAddress ?? null,
        from: formatEndpoint(session.remote),
        connectedMs: Math.round(now - session.since),
        idleMs: Math.round(now - session.lastHeard),
        rekeys: { ...session.rekeys },
      })),
      draining: this.#departure !== undefined,
      halfOpen: this.#halfOpen.size,
      cookies: this.#halfOpen.isUnderPressure,
      refused: { authentications: this.#admission.refused, ...this.#refused },
      counters: this.#options.plane.counters(),
      offloads: this.#options.plane.offloads(),
    };
  }

  /**
   * Asks every client to go elsewhere, and takes nobody new from now on. Resolves when all have left, or some have not for
   * too long. A client that does not understand is disconnected.
   */
  drain(): Promise<Drained> {
    this.#departure ??= new Departure(this.#clients.keys(), this.#options.now());
    for (const session of [...this.#clients.values()]) {
      if (session.ike.understandsDrain) this.#call(session, session.remote, now => session.ike.drain(now));
      else this.#end(session, 'stopped', 'the gateway is drained', false);
    }
    return this.#departure.done;
  }

  /** Ends the sessions of those who are clients no more, or have to prove who they are by another key. */
  clientsChanged({ removed, changed }: RosterChange): void {
    this.#limits.children = childrenOf(this.#options.clients.size);
    const end = (client: string, why: string) => {
      const session = this.#clients.get(client);
      if (session !== undefined) this.#end(session, 'removed', why, false);
    };
    for (const client of removed) end(client, 'it is no client any more');
    for (const client of changed) end(client, 'its pre-shared key is another one now');
  }

  /** Deletes every tunnel: the clients learn of it at once. */
  stop(): void {
    for (const session of [...this.#clients.values()]) {
      this.#end(session, 'stopped', 'the gateway stops', false);
    }
    for (const session of new Set(this.#bySpi.values())) this.#abandon(session);
  }

  // --- Sessions -----------------------------------------------------------------------------------------------

  /** A message that begins an IKE SA, or should. */
  #receiveFirst(from: Endpoint, datagram: Uint8Array, header: ParsedHeader): void {
    const key = `${formatEndpoint(from)} ${header.initiatorSpi}`;
    const known = this.#halfOpen.get(key);
    if (known !== undefined) {
      this.#call(known, from, now => known.ike.receive(datagram, now, from));
      return;
    }
    if (
      this.#departure !== undefined ||
      header.exchange !== ExchangeType.IKE_SA_INIT ||
      header.response ||
      !header.initiator
    ) {
      this.#refused.messages += 1;
      return;
    }
    // It may be refused, or asked for a cookie: then nothing is kept.
    const session = this.#makeSession(key, from);
    this.#call(session, from, now => session.ike.receive(datagram, now, from));
  }

  #makeSession(key: string, from: Endpoint): ClientSession {
    const { identity, networks, ike, esp, lifetimes, local, plane, random } = this.#options;
    const responder = createResponder(
      {
        identity,
        networks,
        ike,
        esp,
        lifetimes,
        local,
        remote: from,
        psk: claimed => {
          session.claimed = claimed;
          return this.#admission.keyFor(session.address, claimed);
        },
        assign: (client, wanted) => this.#admission.assign(client, wanted),
        release: client => this.#admission.release(client),
        admits: () => this.#admits(from),
        cookies: {
          issuer: this.#admission.cookies,
          required: () => this.#halfOpen.needsCookie(from.address),
        },
        limits: this.#limits,
      },
      { random, allocateSpi: () => allocateSpi(plane, session), releaseSpi: spi => plane.releaseSpi(spi) },
    );
    const session: ClientSession = new ClientSession(key, from, responder, plane, {
      established: output => this.#established(session, output),
      moved: remote => this.#move(session, remote, true),
      closed: output => this.#closed(session, output),
    });
    return session;
  }

  /** Whether there is room for one more half-open IKE SA. */
  #admits({ address }: Endpoint): boolean {
    const admitted = this.#halfOpen.admits(address);
    if (!admitted) this.#refused.halfOpen += 1;
    return admitted;
  }

  /** Lets the session act, carries out what it wants, and sees what has become of it. */
  #call(session: ClientSession, from: Endpoint, act: (now: number) => IkeOutput[]): void {
    const now = this.#options.now();
    const heard = session.ike.heard;
    session.claimed = undefined;
    try {
      const outputs = act(now);
      if (session.ike.heard > heard) this.#heard(session, from, now);
      session.carryOut(outputs, from);
    } catch (thrown) {
      // A mistake of ours with one client is not to cost the others their tunnels.
      const { code, message } = toVpnrError(thrown);
      this.#notice(`the session of ${session.identity ?? session.address} ends: ${code}: ${message}`);
      this.#end(session, 'failed', message, false);
    }
    if (session.claimed !== undefined && session.identity === undefined) {
      const refused = this.#admission.failed(session, from, now);
      if (refused !== undefined && this.#tellings.allows(now)) this.#tell(refused);
    }
    this.#index(session);
  }

  /** Finds the session by the SPIs of its IKE SAs as they are now, and counts those that are half-open. */
  #index(session: ClientSession): void {
    const spis = session.isClosed ? [] : session.ike.spis;
    for (const spi of session.spis) if (!spis.includes(spi)) this.#bySpi.delete(spi);
    for (const spi of spis) this.#bySpi.set(spi, session);
    session.spis = spis;
    if (session.peer !== undefined) this.#byPeer.set(session.peer, session);
    if (session.isClosed || session.ike.state !== 'connecting') return;
    for (const displaced of this.#halfOpen.count(session)) {
      this.#refused.halfOpen += displaced.spis.length;
      this.#abandon(displaced);
    }
  }

  #established(
    session: ClientSession,
    { initialContact }: Extract<IkeOutput, { type: 'established' }>,
  ): void {
    const now = this.#options.now();
    const client = session.identity as string;
    this.#halfOpen.remove(session);
    const previous = this.#clients.get(client);
    if (previous !== undefined) {
      this.#end(previous, 'replaced', 'the client connected anew', initialContact === true);
    }
    this.#clients.set(client, session);
    session.since = now;
    session.lastHeard = now;
    const from = formatEndpoint(session.remote);
    const { virtualAddress: address } = session;
    if (address !== undefined) {
      this.#tell({ type: 'client-connected', client, address, from });
      return;
    }
    const why = session.shortage ?? this.#admission.whyWithoutAddress(client);
    this.#tell({ type: 'client-refused', client, from, code: why.code, message: why.message });
  }

  #closed(session: ClientSession, { byPeer, code, message }: Extract<IkeOutput, { type: 'closed' }>): void {
    const reason =
      byPeer && code === undefined ? 'deleted' : code === 'GATEWAY_TIMEOUT' ? 'silent' : 'failed';
    this.#left(session, reason, message);
  }

  /** Ends a session that is in the tables. `quiet`: without a DELETE. */
  #end(session: ClientSession, reason: LeaveReason, message: string, quiet: boolean): void {
    session.end(this.#options.now(), quiet);
    this.#left(session, reason, message);
    this.#index(session);
  }

  /** Ends a half-open session. */
  #abandon(session: ClientSession): void {
    session.end(this.#options.now(), true);
    this.#halfOpen.remove(session);
    this.#index(session);
  }

  /** A session is over: nothing of it stays. */
  #left(session: ClientSession, reason: LeaveReason, message: string): void {
    this.#halfOpen.remove(session);
    for (const [peer, other] of this.#byPeer) if (other === session) this.#byPeer.delete(peer);
    const { identity: client, virtualAddress: address } = session;
    if (client === undefined || this.#clients.get(client) !== session) return;
    this.#clients.delete(client);
    this.#departure?.left(client, this.#options.now());
    if (address !== undefined) this.#tell({ type: 'client-left', client, address, reason, message });
  }

  /** Answers a message that belongs to nothing, if there is an answer and it is no longer than the message. */
  #refuse(from: Endpoint, datagram: Uint8Array, answer: Uint8Array | undefined): void {
    this.#refused.messages += 1;
    if (answer === undefined || answer.length > datagram.length) return;
    if (this.#answers.allows(this.#options.now())) this.#options.plane.sendIke(from, answer);
  }

  // --- Where clients are, and whether -------------------------------------------------------------------------

  #heard(session: ClientSession, from: Endpoint, now: number): void {
    session.lastHeard = now;
    // With MOBIKE it says so when it has moved; its other messages may try a way out (RFC 4555 section 3.8).
    if (!session.ike.mobike) this.#move(session, from, true);
  }

  /** `byIke`: so that the data plane does not know it. */
  #move(session: ClientSession, remote: Endpoint, byIke: boolean): void {
    const { address, port } = session.remote;
    if (address === remote.address && port === remote.port) return;
    session.remote = remote;
    if (byIke && session.peer !== undefined) this.#options.plane.movePeer(session.peer, remote);
    const { identity: client, virtualAddress } = session;
    if (client === undefined || virtualAddress === undefined || !this.#tellings.allows(this.#options.now()))
      return;
    this.#tell({ type: 'client-moved', client, address: virtualAddress, from: formatEndpoint(remote) });
  }

  /** Finds out who has been heard, and asks those who have not for too long (RFC 7296 section 2.4). */
  async #sweep(): Promise<void> {
    this.#sweeping = true;
    try {
      const activity = await this.#options.plane.activity();
      const now = this.#options.now();
      for (const session of [...this.#clients.values()]) {
        const received =
          (session.peer === undefined ? undefined : activity.get(session.peer)) ?? session.received;
        if (received !== session.received) session.lastHeard = now;
        session.received = received;
        if (now - session.lastHeard >= this.#options.silenceMs) {
          this.#call(session, session.remote, at => session.ike.probe(at));
        }
      }
    } finally {
      this.#sweptAt = this.#options.now();
      this.#sweeping = false;
    }
  }

  #tellPressure(): void {
    const { isUnderPressure, size: halfOpen } = this.#halfOpen;
    if (isUnderPressure === this.#isUnderPressure) return;
    this.#isUnderPressure = isUnderPressure;
    this.#tell({ type: 'cookies', required: isUnderPressure, halfOpen });
  }

  #tell(event: GatewayEvent): void {
    this.#options.onEvent(event);
  }

  #notice(message: string): void {
    this.#tell({ type: 'notice', message });
  }
}

/** For this session, which learns why there is none. */
function allocateSpi(plane: GatewayDataPlane, session: ClientSession): number {
  try {
    return plane.allocateSpi();
  } catch (thrown) {
    session.shortage = toVpnrError(thrown);
    throw thrown;
  }
}

/**
 * How many children each of so many clients may have. One more is there while we rekey, and one in all while a client replaces
 * its session: none can be missing.
 */
function childrenOf(clients: number): number {
  return Math.min(CHILDREN_MAX, Math.floor((SA_MAX - 1) / clients) - 1);
}
