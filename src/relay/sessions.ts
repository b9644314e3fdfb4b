/** A relay's sessions: who has which lease, and for how long nothing was heard. Times are monotonic milliseconds. */
import { randomBytes, randomInt } from 'node:crypto';
import type { RelayMode } from '../dataplane/api.js';
import { VpnrError } from '../errors.js';
import { SESSION_INDEX_MASK, SESSION_MAX } from '../packet/abi.js';
import { Pace } from '../service/pace.js';
import type { AddressPool } from '../service/pool.js';
import { equalSecrets, hashSecret } from './keys.js';

const MOVES_TOLD_PER_SECOND = 2;
const ID_SIZE = 16;
const SECRET_SIZE = 32;

export interface EndedKeys {
  keys: string;
  /** A probe's body, in hexadecimal. */
  received: string;
}

/** What of a session outlives the relay. */
export type LastingSession = Pick<Session, 'id' | 'secretHash' | 'client' | 'lease' | 'lastActive' | 'ended'>;

export interface Session {
  /** 128 random bits in hexadecimal. */
  readonly id: string;
  readonly secretHash: Buffer;
  readonly client: string;
  readonly lease: string;
  /** Names the session in data packets. Nonzero and unpredictable; its low bits are its place in the core's table. */
  readonly index: number;
  /** What the data plane has installed, `keys` by their id; undefined while it has no keys for the session. */
  installed: { mode: RelayMode; keys: string } | undefined;
  /** What had been received under the keys of this id when the relay that held them ended, in order. */
  ended: EndedKeys | undefined;
  /** Whether a control connection is there. */
  connected: boolean;
  /** When a packet was last known to have come, or a control connection to be there. */
  lastActive: number;
  /** Packets received when last asked. */
  received: number;
  /** Of what is told of its moves: whoever rewrites its packets' ports on the way can cause one with each. */
  readonly moves: Pace;
}

export interface SessionLimits {
  /** After that long without a packet a session ends, and its lease is free. */
  lifetimeMs: number;
  /** A session idle for that long may be ended early when its lease, or its place, is wanted. */
  reuseAfterMs: number;
  sessionsPerClient: number;
}

export class SessionTable {
  readonly #leases: AddressPool;
  readonly #limits: SessionLimits;
  readonly #byId = new Map<string, Session>();
  /** By place in the core's table. */
  readonly #byPlace = new Map<number, Session>();
  /** Told of every session that ends, before its lease and place are given away. */
  readonly #ended: (session: Session) => void;

  constructor(leases: AddressPool, limits: SessionLimits, ended: (session: Session) => void) {
    this.#leases = leases;
    this.#limits = limits;
    this.#ended = ended;
  }

  get size(): number {
    return this.#byId.size;
  }

  [Symbol.iterator](): IterableIterator<Session> {
    return this.#byId.values();
  }

  byIndex(index: number): Session | undefined {
    const session = this.#byPlace.get(index & SESSION_INDEX_MASK);
    return session?.index === index ? session : undefined;
  }

  /** The session that the client may go on with. */
  find(id: string, client: string, secretHex: string): Session | undefined {
    const session = this.#byId.get(id);
    if (session === undefined || session.client !== client) return undefined;
    return equalSecrets(hashSecret(secretHex), session.secretHash) ? session : undefined;
  }

  /**
   * A new session, and its secret in hexadecimal. When the client has too many, or no address is left, the one
   * that has been idle longest makes room. Throws RELAY_POOL_EMPTY when none has been idle for long enough.
   */
  create(client: string, now: number): { session: Session; secret: string } {
    const own = [...this].filter(session => session.client === client);
    if (own.length >= this.#limits.sessionsPerClient && !this.#makeRoom(own, now)) {
      throw new VpnrError('RELAY_POOL_EMPTY', `the client has ${own.length} sessions already, all in use`);
    }
    const lease = this.#takeLease(client, now);
    const secret = randomBytes(SECRET_SIZE).toString('hex');
    const id = randomBytes(ID_SIZE).toString('hex');
    const secretHash = hashSecret(secret);
    const session = this.#add({ id, secretHash, client, lease, lastActive: now, ended: undefined });
    return { session, secret };
  }

  /** Takes up a session from before a restart. False when its lease is not to be had. */
  restore(saved: LastingSession): boolean {
    if (this.size >= SESSION_MAX || this.#byId.has(saved.id) || !this.#leases.claim(saved.lease))
      return false;
    this.#add(saved);
    return true;
  }

  remove(session: Session): void {
    this.#byId.delete(session.id);
    this.#ended(session);
    this.#byPlace.delete(session.index & SESSION_INDEX_MASK);
    this.#leases.release(session.lease, session.client);
  }

  /** Ends the sessions whose time is over, and returns how many. */
  expire(now: number): number {
    const over = [...this].filter(session => this.#idle(session, now) > this.#limits.lifetimeMs);
    for (const session of over) this.remove(session);
    return over.length;
  }

  #takeLease(client: string, now: number): string {
    const full = this.size >= SESSION_MAX;
    const lease = full ? undefined : this.#leases.take(client);
    if (lease !== undefined) return lease;
    const afterwards = this.#makeRoom([...this], now) ? this.#leases.take(client) : undefined;
    if (afterwards !== undefined) return afterwards;
    throw new VpnrError('RELAY_POOL_EMPTY', 'all addresses of the pool are leased');
  }

  /** Ends the session that has been idle longest, if that is long enough. */
  #makeRoom(among: readonly Session[], now: number): boolean {
    const idle = (session: Session) => this.#idle(session, now);
    const longest = among.reduce<Session | undefined>(
      (best, session) => (best === undefined || idle(session) > idle(best) ? session : best),
      undefined,
    );
    if (longest === undefined || idle(longest) < this.#limits.reuseAfterMs) return false;
    this.remove(longest);
    return true;
  }

  #idle(session: Session, now: number): number {
    return session.connected ? 0 : now - session.lastActive;
  }

  #add(given: LastingSession): Session {
    const session: Session = {
      ...given,
      index: this.#newIndex(),
      installed: undefined,
      connected: false,
      received: 0,
      moves: new Pace(MOVES_TOLD_PER_SECOND),
    };
    this.#byId.set(session.id, session);
    this.#byPlace.set(session.index & SESSION_INDEX_MASK, session);
    return session;
  }

  #newIndex(): number {
    for (;;) {
      const index = randomInt(1, 2 ** 32);
      if (!this.#byPlace.has(index & SESSION_INDEX_MASK)) return index;
    }
  }
}
