/** IKE SAs whose initiator has not authenticated itself: what strangers may use up of a gateway. */
import { sourceOf } from '../service/source.js';

/** Of half-open IKE SAs. A session has one for each IKE_SA_INIT request, and there may be several with the same SPI. */
export interface HalfOpenLimits {
  /** In all; the oldest session gives way to a new one. */
  halfOpen: number;
  /** Of one source (`sourceOf`); a new one is refused. */
  halfOpenPerSource: number;
  /** So many in all, or of one source, before an initiator has to show a cookie. */
  cookiesFrom: number;
  cookiesFromPerSource: number;
}

export const DEFAULT_HALF_OPEN_LIMITS: HalfOpenLimits = {
  halfOpen: 256,
  halfOpenPerSource: 16,
  cookiesFrom: 32,
  cookiesFromPerSource: 4,
};

export interface HalfOpenSession {
  readonly key: string;
  readonly address: string;
  /** One for each of its IKE SAs. */
  readonly spis: readonly bigint[];
}

export class HalfOpenTable<Session extends HalfOpenSession> {
  readonly #limits: HalfOpenLimits;
  /** By key, in the order of their age, each with as many IKE SAs as were counted. */
  readonly #entries = new Map<string, { session: Session; source: string; count: number }>();
  readonly #perSource = new Map<string, number>();
  #size = 0;

  constructor(limits: HalfOpenLimits) {
    this.#limits = limits;
  }

  /** IKE SAs of all sessions. */
  get size(): number {
    return this.#size;
  }

  get(key: string): Session | undefined {
    return this.#entries.get(key)?.session;
  }

  /** Whether so many are half-open that initiators everywhere have to show a cookie. */
  get isUnderPressure(): boolean {
    return this.size >= this.#limits.cookiesFrom;
  }

  /**
   * Whether an initiator at this address has to show that it is there (RFC 7296 section 2.6). For its source alone, too:
   * nobody who forges an address is to use up what it is allowed.
   */
  needsCookie(address: string): boolean {
    return this.isUnderPressure || this.#of(sourceOf(address)) >= this.#limits.cookiesFromPerSource;
  }

  /** Whether there is room for one more of this address's source. */
  admits(address: string): boolean {
    return this.#of(sourceOf(address)) < this.#limits.halfOpenPerSource;
  }

  /** Counts the IKE SAs of a session, new or known, anew. Returns those that have to give way to it: they are removed. */
  count(session: Session): Session[] {
    const entry = this.#entries.get(session.key) ?? { session, source: sourceOf(session.address), count: 0 };
    this.#entries.set(session.key, entry);
    this.#change(entry, session.spis.length);
    const displaced: Session[] = [];
    for (const { session: oldest } of this.#entries.values()) {
      if (this.#size <= this.#limits.halfOpen) break;
      if (oldest === session) continue;
      displaced.push(oldest);
      this.remove(oldest);
    }
    return displaced;
  }

  /** Removing what is not there is no error. */
  remove(session: Session): void {
    const entry = this.#entries.get(session.key);
    // Another one may have its key by now: the request that began an IKE SA comes again after that is established.
    if (entry?.session !== session) return;
    this.#change(entry, 0);
    this.#entries.delete(session.key);
  }

  #change(entry: { source: string; count: number }, count: number): void {
    this.#size += count - entry.count;
    const here = this.#of(entry.source) + count - entry.count;
    if (here === 0) this.#perSource.delete(entry.source);
    else this.#perSource.set(entry.source, here);
    entry.count = count;
  }

  #of(source: string): number {
    return this.#perSource.get(source) ?? 0;
  }
}
