import type { AssignedConfiguration, ChildSa } from './api.js';
import type { Selectors } from './established.js';
import type { Failure } from './failure.js';
import type { IkeSa } from './ike-sa.js';
import type { ParsedHeader } from './message.js';

/** What IKE_SA_INIT and IKE_AUTH came to. */
export type Outcome =
  | {
      type: 'established';
      sa: IkeSa;
      child: ChildSa | undefined;
      selectors: Selectors;
      peerIdentity: string;
      configuration: AssignedConfiguration;
      initialContact: boolean;
      /** Both ends support RFC 4555. */
      mobike: boolean;
      /** The peer understands DRAIN. */
      drain: boolean;
      /** Still to be sent, once the child can receive. */
      response: readonly Uint8Array[];
    }
  | ({ type: 'failed' } & Failure);

/** IKE_SA_INIT and IKE_AUTH, in either role. Called with the context's time set; sends by the context. */
export interface Handshake {
  /** Begins. */
  start(): void;
  receive(datagram: Uint8Array, header: ParsedHeader): void;
  tick(): void;
  nextTimer(): number;
  /** Our SPIs of the IKE SAs that it has begun. */
  readonly spis: bigint[];
  /** Defined once it is over. */
  readonly outcome: Outcome | undefined;
  /** Wipes and gives back all that did not go into the outcome. */
  end(): void;
}
