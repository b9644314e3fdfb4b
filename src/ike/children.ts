import type { ChildSa, EspSuite, TrafficSelector } from './api.js';
import type { Context } from './context.js';

/**
 * `main`: the one in use, or, rekeyed by the peer, to be used soon. `replaced`: the peer rekeyed it and will delete it.
 * `redundant`: lost (or may lose) a collision of rekeyings; the peer will delete it. `closing`: we are deleting it.
 * `gone`: deleted on both sides.
 */
export type ChildState = 'main' | 'replaced' | 'redundant' | 'closing' | 'gone';

/** A child SA as this part knows it: the keys have left already. */
export interface Child {
  readonly suite: EspSuite;
  readonly inboundSpi: number;
  readonly outboundSpi: number;
  readonly localSelectors: TrafficSelector[];
  readonly remoteSelectors: TrafficSelector[];
  state: ChildState;
  /** When we begin to rekey it, while `main`. */
  rekeyAt: number;
  /** Our rekeying of it is on its way. */
  rekeying: boolean;
  /** What the peer's rekeying created while ours is on its way: the nonces will decide between the two. */
  rival: Child | undefined;
  /** When a replaced or redundant child that the peer does not delete is deleted by us. */
  deleteAt: number | undefined;
  /** When a child that is gone stops receiving. */
  downAt: number | undefined;
}

/**
 * A deleted child receives for so long what was on its way, if another takes over: datagrams overtake one another, and
 * the exchange that deletes it travels apart from ESP.
 */
export const LINGER_MS = 5000;
/** A peer that began a rekeying has so long to delete what it leaves behind. */
export const LEFT_BEHIND_MS = 30_000;

/** The child SAs of a session. They outlive the IKE SA that made them: its successor inherits them. */
export class Children {
  readonly #context: Context;
  readonly #all = new Map<number, Child>();
  /** The one that we send on. */
  #sending: Child | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  /** The child that traffic is, or soon will be, on. */
  get main(): Child | undefined {
    return this.#find(child => child.state === 'main');
  }

  /** Whether the peer has made us keep as many as it may. */
  get isFull(): boolean {
    return this.#all.size >= this.#context.settings.limits.children;
  }

  get sending(): Child | undefined {
    return this.#sending;
  }

  /** The child that the peer receives on with this SPI. */
  byPeerSpi(outboundSpi: number): Child | undefined {
    return this.#find(child => child.outboundSpi === outboundSpi && child.state !== 'gone');
  }

  has(child: Child): boolean {
    return this.#all.get(child.inboundSpi) === child;
  }

  /** Hands a new child out. `receiveOnly`: `sendOn` will follow, or not. */
  add(sa: ChildSa, state: 'main' | 'redundant' | 'closing', replaces?: Child, receiveOnly = false): Child {
    const { suite, inboundSpi, outboundSpi, localSelectors, remoteSelectors } = sa;
    const child: Child = {
      suite,
      inboundSpi,
      outboundSpi,
      localSelectors,
      remoteSelectors,
      state,
      rekeyAt: this.#context.softEnd(this.#context.settings.lifetimes.childMs),
      rekeying: false,
      rival: undefined,
      deleteAt: state === 'redundant' ? this.#context.now + LEFT_BEHIND_MS : undefined,
      downAt: undefined,
    };
    this.#all.set(inboundSpi, child);
    const waits = receiveOnly && this.#sending !== undefined;
    if (!waits) this.#sending = child;
    this.#context.emit({
      type: 'child-up',
      child: sa,
      ...(replaces === undefined ? {} : { replaces: replaces.inboundSpi }),
      ...(waits ? { receiveOnly: true as const } : {}),
    });
    return child;
  }

  /** Sends on this child from now on. */
  sendOn(child: Child): void {
    if (this.#sending === child) return;
    this.#sending = child;
    this.#context.emit({ type: 'child-send', inboundSpi: child.inboundSpi });
  }

  /** The peer's rekeying stands: `successor` takes over from `child`, which the peer will delete. */
  replace(child: Child, successor: Child): void {
    successor.state = 'main';
    successor.deleteAt = undefined;
    if (child.state !== 'main') return;
    child.state = 'replaced';
    child.deleteAt = this.#context.now + LEFT_BEHIND_MS;
  }

  /** Our rekeying won a collision: the peer will delete the child that it made. */
  discard(child: Child): void {
    if (child.state === 'gone') return;
    child.state = 'redundant';
    child.deleteAt = this.#context.now + LEFT_BEHIND_MS;
  }

  /**
   * Both sides deleted it. Traffic moves to the main child, if there is another. While our rekeying of it is on its way
   * it is not given up: a successor may still come.
   */
  end(child: Child): void {
    if (child.state === 'gone') return;
    // A peer that deletes the old child holds its own rekeying for the one that stands.
    if (child.rival !== undefined) this.replace(child, child.rival);
    for (const other of this.#all.values()) if (other.rival === child) other.rival = undefined;
    child.state = 'gone';
    child.deleteAt = undefined;
    if (!child.rekeying || this.main !== undefined) this.settle(child);
  }

  /** For a child that is gone when no successor is awaited any more. */
  settle(child: Child): void {
    if (child.state !== 'gone' || child.downAt !== undefined) return;
    const { main } = this;
    if (this.#sending === child && main !== undefined) this.sendOn(main);
    if (this.#sending === child || this.#sending === undefined) this.drop(child);
    else child.downAt = this.#context.now + LINGER_MS;
  }

  drop(child: Child): void {
    if (!this.#all.delete(child.inboundSpi)) return;
    if (this.#sending === child) this.#sending = undefined;
    const { inboundSpi, outboundSpi } = child;
    this.#context.emit({ type: 'child-down', inboundSpi, outboundSpi });
  }

  /** Children that stopped lingering go down; those that the peer left behind come back, to be deleted. */
  tick(): Child[] {
    const { now } = this.#context;
    const leftBehind: Child[] = [];
    for (const child of [...this.#all.values()]) {
      if (child.downAt !== undefined && child.downAt <= now) this.drop(child);
      else if (child.deleteAt !== undefined && child.deleteAt <= now) leftBehind.push(child);
    }
    return leftBehind;
  }

  /** When `tick` has something to do, or the main child is to be rekeyed. */
  nextTimer(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const child of this.#all.values()) {
      const rekeyAt = child.state === 'main' && !child.rekeying ? child.rekeyAt : undefined;
      for (const time of [child.downAt, child.deleteAt, rekeyAt])
        if (time !== undefined) next = Math.min(next, time);
    }
    return next;
  }

  #find(predicate: (child: Child) => boolean): Child | undefined {
    for (const child of this.#all.values()) if (predicate(child)) return child;
    return undefined;
  }
}
