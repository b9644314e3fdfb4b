import type { RetransmitTiming } from './api.js';

/** Transmissions at 0, 0.5, 1.5, 3.5, 7.5 and 11.5 s; given up at 15.5 s. */
export const DEFAULT_TIMING: RetransmitTiming = { firstMs: 500, factor: 2, maxMs: 4000, tries: 6 };

/** When to send a request again, and when to give it up. */
export class Retransmission {
  readonly startedAt: number;
  readonly #timing: RetransmitTiming;
  #waitMs: number;
  #dueAt: number;
  #transmissions = 1;

  constructor(timing: RetransmitTiming, now: number) {
    this.startedAt = now;
    this.#timing = timing;
    this.#waitMs = timing.firstMs;
    this.#dueAt = now + timing.firstMs;
  }

  get dueAt(): number {
    return this.#dueAt;
  }

  get transmissions(): number {
    return this.#transmissions;
  }

  /** Sent once more, by another way, on which patience begins anew. */
  restart(now: number): void {
    this.#transmissions = 2;
    this.#waitMs = this.#timing.firstMs;
    this.#dueAt = now + this.#waitMs;
  }

  /** To be called when due: whether to send once more. False when the tries are used up. */
  again(now: number): boolean {
    if (this.#transmissions >= this.#timing.tries) return false;
    this.#transmissions += 1;
    this.#waitMs = Math.min(this.#waitMs * this.#timing.factor, this.#timing.maxMs);
    this.#dueAt = now + this.#waitMs;
    return true;
  }
}

/** A request of ours that waits for its response. */
export interface OpenRequest<Task> {
  readonly messageId: number;
  /** The message, or its fragments: sent again exactly as they are (RFC 7296 section 2.1). */
  readonly datagrams: readonly Uint8Array[];
  readonly task: Task;
  readonly retransmission: Retransmission;
}

/**
 * The windows of one IKE SA, one request each way (RFC 7296 sections 2.1 to 2.3). It counts and remembers; whoever
 * calls it has authenticated what arrived.
 */
export class Exchange<Task> {
  readonly #timing: RetransmitTiming;
  #nextId: number;
  #peerId: number;
  #open: OpenRequest<Task> | undefined;
  #answered: readonly Uint8Array[] | undefined;

  /** `nextId` is the message ID of our next request, `peerId` that of the peer's. */
  constructor(timing: RetransmitTiming, nextId: number, peerId: number) {
    this.#timing = timing;
    this.#nextId = nextId;
    this.#peerId = peerId;
  }

  get nextId(): number {
    return this.#nextId;
  }

  /** Our outstanding request: while there is one, no other may begin. */
  get open(): OpenRequest<Task> | undefined {
    return this.#open;
  }

  /** Takes over a request that was sealed under `nextId` and is sent now. */
  begin(datagrams: readonly Uint8Array[], task: Task, now: number): void {
    const retransmission = new Retransmission(this.#timing, now);
    this.#open = { messageId: this.#nextId, datagrams, task, retransmission };
    this.#nextId += 1;
  }

  /** Whether a response with this message ID is awaited. */
  awaits(messageId: number): boolean {
    return this.#open?.messageId === messageId;
  }

  /** The response came, or nobody wants it any more: the window is free again. */
  end(): OpenRequest<Task> | undefined {
    const open = this.#open;
    this.#open = undefined;
    return open;
  }

  /** What a request of the peer with this message ID is: its next, its last once more, or outside of the window. */
  place(messageId: number): 'next' | 'last' | 'outside' {
    if (messageId === this.#peerId) return 'next';
    return messageId === this.#peerId - 1 && this.#answered !== undefined ? 'last' : 'outside';
  }

  /** Keeps the response to the peer's next request, for when that arrives again, and moves the window. */
  answer(datagrams: readonly Uint8Array[]): void {
    this.#answered = datagrams;
    this.#peerId += 1;
  }

  get answered(): readonly Uint8Array[] {
    return this.#answered ?? [];
  }
}
