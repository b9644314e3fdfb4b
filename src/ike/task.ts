import type { IkeSa } from './ike-sa.js';
import type { Payload } from './payloads/payload.js';

/** What a request is about: collisions are judged by it (RFC 7296 section 2.25). */
export type TaskSubject = 'liveness' | 'addresses' | 'child' | 'ike-rekey' | 'ike-delete' | 'drain';

/** One request of ours, from the queue to its response. */
export interface Task {
  readonly subject: TaskSubject;
  /** Called when the window of `sa` is free. Undefined: there is nothing to ask any more. */
  request(sa: IkeSa): { exchange: number; payloads: Payload[] } | undefined;
  /** The authenticated response to what `request` gave. */
  response(payloads: readonly Payload[], sa: IkeSa): void;
  /** The IKE SA ended without a response: gives back what was reserved. */
  dropped?(): void;
}
