/** One client's session: its IKE SA, its place in the data plane and its security associations there. */
import type { GatewayDataPlane } from '../dataplane/api.js';
import type { VpnrError } from '../errors.js';
import type { Endpoint, IkeOutput } from '../ike/api.js';
import { isResponse } from '../ike/message.js';
import type { Session } from '../ike/session.js';

type Output<Type extends IkeOutput['type']> = Extract<IkeOutput, { type: Type }>;

export interface ClientSessionEvents {
  /** It is authentic. What had its identity before is to be gone when this returns. */
  established(output: Output<'established'>): void;
  /** It said where it is to be reached from now on. */
  moved(remote: Endpoint): void;
  closed(output: Output<'closed'>): void;
}

export class ClientSession {
  readonly ike: Session;
  /** Where its first datagram came from. */
  readonly address: string;
  readonly key: string;
  /** Where requests of ours go; responses go where the request came from. */
  remote: Endpoint;
  /** The identity that it has claimed in the call that is being carried out. */
  claimed: string | undefined;
  /** Once it has authenticated itself. */
  identity: string | undefined;
  /** Why there is no security association for it. */
  shortage: VpnrError | undefined;
  /** Its virtual address. */
  virtualAddress: string | undefined;
  /** Its peer in the data plane. */
  peer: number | undefined;
  since = 0;
  /** When it was heard last, and what had been received by then. */
  lastHeard = 0;
  received = 0;
  rekeys = { ike: 0, child: 0 };
  /** The SPIs under which it is known. */
  spis: readonly bigint[] = [];
  #closed = false;
  readonly #plane: GatewayDataPlane;
  readonly #events: ClientSessionEvents;

  constructor(
    key: string,
    remote: Endpoint,
    ike: Session,
    plane: GatewayDataPlane,
    events: ClientSessionEvents,
  ) {
    this.key = key;
    this.remote = remote;
    this.address = remote.address;
    this.ike = ike;
    this.#plane = plane;
    this.#events = events;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Carries out what a call of the IKE session wants. `to`: where the datagram came from that is answered. */
  carryOut(outputs: readonly IkeOutput[], to: Endpoint): void {
    for (const output of outputs) {
      if (this.#closed) return;
      this.#carryOut(output, to);
    }
  }

  /** Ends it, with a DELETE unless the client does not know it any more. */
  end(now: number, quiet: boolean): void {
    const outputs = this.ike.close(now);
    for (const output of outputs) {
      if (output.type === 'send' && !quiet) this.#plane.sendIke(this.remote, output.datagram);
    }
    this.#leavePlane();
  }

  #carryOut(output: IkeOutput, to: Endpoint): void {
    switch (output.type) {
      case 'send':
        this.#plane.sendIke(isResponse(output.datagram) ? to : this.remote, output.datagram);
        return;
      case 'established':
        this.identity = output.peerIdentity;
        this.remote = to;
        this.virtualAddress = output.configuration.addresses[0];
        this.#events.established(output);
        if (this.virtualAddress !== undefined) this.peer = this.#plane.addPeer(this.virtualAddress, to);
        return;
      case 'child-up':
        if (this.peer === undefined) return;
        if (output.replaces !== undefined) this.rekeys.child += 1;
        this.#plane.installChild(this.peer, output.child, output.receiveOnly);
        return;
      case 'child-send':
        if (this.peer !== undefined) this.#plane.sendOnChild(this.peer, output.inboundSpi);
        return;
      case 'child-down':
        this.#plane.removeChild(output.inboundSpi);
        return;
      case 'ike-rekeyed':
        this.rekeys.ike += 1;
        return;
      case 'peer-moved':
        this.#events.moved(output.remote);
        return;
      case 'closed':
        this.#leavePlane();
        this.#events.closed(output);
        return;
      case 'drain':
      case 'alive':
      case 'ignored':
      case 'addresses-updated':
      case 'addresses-refused':
        return;
    }
  }

  #leavePlane(): void {
    this.#closed = true;
    if (this.peer !== undefined) this.#plane.removePeer(this.peer);
    this.peer = undefined;
  }
}
