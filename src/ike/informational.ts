// INFORMATIONAL exchanges: liveness and deletion, both ways (RFC 7296 sections 1.4, 2.4 and 2.25).
import type { Child } from './children.js';
import { ExchangeType, NotifyType, ProtocolId } from './constants.js';
import type { Established } from './established.js';
import { failureOf } from './failure.js';
import type { IkeSa } from './ike-sa.js';
import type { Mobility } from './mobike.js';
import type { DeletePayload } from './payloads/delete.js';
import { findNotify, type Payload } from './payloads/payload.js';
import type { Task } from './task.js';

export const DELETE_IKE_SA: DeletePayload = { type: 'D', protocol: ProtocolId.IKE, spis: [] };

/** A request that is empty, but for a question of MOBIKE's; any answer to it proves that the peer lives. */
export class Liveness implements Task {
  readonly subject = 'liveness';
  readonly #mobility: Mobility | undefined;

  constructor(mobility: Mobility | undefined) {
    this.#mobility = mobility;
  }

  request(sa: IkeSa): { exchange: number; payloads: Payload[] } {
    return { exchange: ExchangeType.INFORMATIONAL, payloads: this.#mobility?.enquiry(sa) ?? [] };
  }

  response(payloads: readonly Payload[], sa: IkeSa): void {
    this.#mobility?.answered(payloads, sa);
  }
}

/** Deletes a child whose state is `closing`. */
export class DeleteChild implements Task {
  readonly subject = 'child';
  readonly #established: Established;
  readonly #child: Child;

  constructor(established: Established, child: Child) {
    this.#established = established;
    this.#child = child;
  }

  request(): { exchange: number; payloads: Payload[] } | undefined {
    if (this.#child.state !== 'closing') return undefined;
    const payload: DeletePayload = { type: 'D', protocol: ProtocolId.ESP, spis: [this.#child.inboundSpi] };
    return { exchange: ExchangeType.INFORMATIONAL, payloads: [payload] };
  }

  response(): void {
    this.#established.children.end(this.#child);
  }
}

/** Deletes an IKE SA that has a successor. */
export class DeleteIkeSa implements Task {
  readonly subject = 'ike-delete';
  readonly #established: Established;

  constructor(established: Established) {
    this.#established = established;
  }

  request(): { exchange: number; payloads: Payload[] } {
    return { exchange: ExchangeType.INFORMATIONAL, payloads: [DELETE_IKE_SA] };
  }

  response(_payloads: readonly Payload[], sa: IkeSa): void {
    this.#established.removeSa(sa);
  }
}

/** Carries out the peer's request. */
export function answerInformational(
  established: Established,
  sa: IkeSa,
  payloads: readonly Payload[],
): { payloads: Payload[]; afterwards?: () => void } {
  const deletes = payloads.filter((payload): payload is DeletePayload => payload.type === 'D');
  // The peer refuses what we proved in IKE_AUTH (section 2.21.2).
  if (findNotify(payloads, NotifyType.AUTHENTICATION_FAILED) !== undefined) {
    const { code, message } = failureOf(NotifyType.AUTHENTICATION_FAILED, established.context.settings.peer);
    return { payloads: [], afterwards: () => established.finish({ byPeer: true, code, message }) };
  }
  if (deletes.some(({ protocol }) => protocol === ProtocolId.IKE)) {
    return { payloads: [], afterwards: () => established.saDeleted(sa) };
  }
  const { context, understandsDrain } = established;
  const isAsked = findNotify(payloads, NotifyType.DRAIN) !== undefined;
  if (isAsked && understandsDrain && context.settings.peer === 'gateway') context.emit({ type: 'drain' });
  const spis = deletes
    .filter(({ protocol }) => protocol === ProtocolId.ESP)
    .flatMap(payload => deleteChildren(established, payload.spis));
  const deleted: Payload[] = spis.length === 0 ? [] : [{ type: 'D', protocol: ProtocolId.ESP, spis }];
  return { payloads: [...deleted, ...(established.mobility?.answer(payloads, sa) ?? [])] };
}

/** Deletes the children that the peer deletes. Gives our SPIs of those that we are not deleting already. */
function deleteChildren({ children }: Established, peerSpis: readonly number[]): number[] {
  const ours: number[] = [];
  for (const spi of peerSpis) {
    const child = children.byPeerSpi(spi);
    if (child === undefined || child.state === 'closing') continue;
    ours.push(child.inboundSpi);
    children.end(child);
  }
  return ours;
}
