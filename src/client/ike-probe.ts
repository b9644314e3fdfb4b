/**
 * IKE's liveness check as the probes of a path. An IKE SA has one request under way at a time, so an answer is the answer
 * to all probes that came due while it was awaited: they were not sent, and must not count as missed.
 */
export class IkeProbe {
  #due: { id: number; since: number } | undefined;

  /** Probe `id` is due: a request is sent, unless one is under way. */
  due(id: number, now: number): void {
    this.#due = { id, since: this.#due?.since ?? now };
  }

  /** The gateway answered a request: the last probe that this answers, and since when one was due. */
  answered(now: number): { id: number; waitedMs: number } | undefined {
    const due = this.#due;
    this.#due = undefined;
    return due && { id: due.id, waitedMs: now - due.since };
  }

  /** What is under way will not be answered. */
  forget(): void {
    this.#due = undefined;
  }
}
