/** IKE SAs whose initiator has not authenticated itself: what strangers may use up of a gateway. */

export interface HalfOpenLimits {
  /** Sessions in all; the oldest gives way to a new one. */
  halfOpen: number;
  /** Sessions of one address; a new one is refused. */
  halfOpenPerAddress: number;
  /** So many sessions in all, or of one address, before an initiator has to show a cookie. */
  cookiesFrom: number;
  cookiesFromPerAddress: number;
}

export const DEFAULT_HALF_OPEN_LIMITS: HalfOpenLimits = {
  halfOpen: 256,
  halfOpenPerAddress: 16,
  cookiesFrom: 32,
  cookiesFromPerAddress: 4,
};

export class HalfOpenTable<Session extends { readonly address: string }> {
  readonly #limits: HalfOpenLimits;
  /** In the order of their age. */
  readonly #sessions = new Map<string, Session>();
  readonly #perAddress = new Map<string, number>();

  constructor(limits: HalfOpenLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#sessions.size;
  }

  get(key: string): Session | undefined {
    return this.#sessions.get(key);
  }

  /** Whether so many are half-open that initiators everywhere have to show a cookie. */
  get isUnderPressure(): boolean {
    return this.size >= this.#limits.cookiesFrom;
  }

  /**
   * Whether an initiator at this address has to show that it is there (RFC 7296 section 2.6). An address alone too:
   * nobody who forges it is to use up what it is allowed.
   */
  needsCookie(address: string): boolean {
    return this.isUnderPressure || this.#of(address) >= this.#limits.cookiesFromPerAddress;
  }

  /** Whether there is room for one more of this address. */
  admits(address: string): boolean {
    return this.#of(address) < this.#limits.halfOpenPerAddress;
  }

  /** Adds a session. Returns the one that had to give way to it. */
  add(key: string, session: Session): Session | undefined {
    const [oldest] = this.#sessions;
    this.#sessions.set(key, session);
    this.#perAddress.set(session.address, this.#of(session.address) + 1);
    if (oldest === undefined || this.size <= this.#limits.halfOpen) return undefined;
    this.remove(oldest[0]);
    return oldest[1];
  }

  /** Removing what is not there is no error. */
  remove(key: string): void {
    const session = this.#sessions.get(key);
    if (session === undefined) return;
    this.#sessions.delete(key);
    const left = this.#of(session.address) - 1;
    if (left === 0) this.#perAddress.delete(session.address);
    else this.#perAddress.set(session.address, left);
  }

  #of(address: string): number {
    return this.#perAddress.get(address) ?? 0;
  }
}
