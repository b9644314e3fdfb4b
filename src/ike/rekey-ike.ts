// Rekeying of the IKE SA by CREATE_CHILD_SA, both ways (RFC 7296 sections 1.3.2, 2.8.2, 2.18 and 2.25.2).
import { VpnrError } from '../errors.js';
import type { DhGroup, IkeProposal } from './api.js';
import { ExchangeType, NotifyType } from './constants.js';
import { generateKeyExchange, type KeyExchange } from './crypto/dh.js';
import { deriveRekeyedIkeKeys, type Nonces } from './crypto/keys.js';
import type { Established } from './established.js';
import { errorNotify } from './failure.js';
import { IkeSa } from './ike-sa.js';
import { DeleteIkeSa } from './informational.js';
import { groupInNotify, keyPayload, wrongGroup } from './key-exchange.js';
import { isRedundant, type NoncePair } from './nonces.js';
import { notification } from './payloads/notify.js';
import { findPayload, type Payload } from './payloads/payload.js';
import type { SaPayload } from './payloads/sa.js';
import { checkIkeAnswer, chooseIke, groupId, offerIke } from './proposal.js';
import { IkeSyntaxError } from './syntax.js';
import type { Task } from './task.js';

/** The peer created an IKE SA while our request for the same purpose was on its way. */
interface Collision {
  sa: IkeSa;
  nonces: NoncePair;
}

/** Our request to rekey the IKE SA that carries it. */
export class RekeyIke implements Task {
  readonly subject = 'ike-rekey';
  collision: Collision | undefined;
  readonly #established: Established;
  /** The group that the peer named after our first try: it does so once. */
  readonly #corrected: DhGroup | undefined;
  #spi = 0n;
  #nonce: Uint8Array = new Uint8Array(0);
  #keyExchange: KeyExchange | undefined;

  constructor(established: Established, corrected?: DhGroup) {
    this.#established = established;
    this.#corrected = corrected;
  }

  request(sa: IkeSa): { exchange: number; payloads: Payload[] } {
    const { context } = this.#established;
    this.#spi = context.newIkeSpi();
    this.#nonce = context.newNonce();
    this.#keyExchange = generateKeyExchange(this.#corrected ?? sa.proposal.group, context.random);
    const payloads: Payload[] = [
      offerIke(context.settings.ike, this.#spi),
      { type: 'Nonce', data: this.#nonce },
      keyPayload(this.#keyExchange),
    ];
    return { exchange: ExchangeType.CREATE_CHILD_SA, payloads };
  }

  response(payloads: readonly Payload[], old: IkeSa): void {
    const established = this.#established;
    const error = errorNotify(payloads);
    const created = error === undefined ? this.#create(payloads, old) : undefined;
    if (created !== undefined) {
      this.#stand(created.sa, [this.#nonce, created.nonce], old);
      return;
    }
    const group = error?.notify === NotifyType.INVALID_KE_PAYLOAD ? groupInNotify(error) : undefined;
    if (this.collision !== undefined) established.succeed(old, this.collision.sa);
    else if (group !== undefined && this.#corrected === undefined) {
      established.enqueueFirst(new RekeyIke(established, group));
    } else {
      established.rekeyIkeAt = established.retryAt(error?.notify);
    }
  }

  /** The IKE SA that the response created; undefined when it makes no sense. */
  #create(payloads: readonly Payload[], old: IkeSa): { sa: IkeSa; nonce: Uint8Array } | undefined {
    const { context } = this.#established;
    const answer = findPayload(payloads, 'SA');
    const nonce = findPayload(payloads, 'Nonce')?.data;
    const ke = findPayload(payloads, 'KE');
    const keyExchange = this.#keyExchange;
    if (answer === undefined || nonce === undefined || ke === undefined || keyExchange === undefined) {
      return undefined;
    }
    try {
      const { proposal, peerSpi = 0n } = checkIkeAnswer(answer, context.settings.ike, true);
      if (peerSpi === 0n || proposal.group !== keyExchange.group || ke.group !== groupId(proposal.group)) {
        throw new IkeSyntaxError('an SPI of 0 or another group');
      }
      const sa = successor(old, {
        isInitiator: true,
        initiatorSpi: this.#spi,
        responderSpi: peerSpi,
        initiatorNonce: this.#nonce,
        responderNonce: nonce,
        proposal,
        keyExchange,
        peerValue: ke.data,
        established: this.#established,
      });
      return { sa, nonce };
    } catch (error) {
      if (!(error instanceof VpnrError)) throw error;
      context.ignore(`unusable answer to a rekeying of the IKE SA: ${error.message}`);
      return undefined;
    }
  }

  /** The new IKE SA takes over, or, redundant after a collision, is deleted again. */
  #stand(created: IkeSa, nonces: NoncePair, old: IkeSa): void {
    const established = this.#established;
    const { collision } = this;
    if (collision !== undefined && isRedundant(nonces, collision.nonces)) {
      established.addSa(created);
      established.succeed(old, collision.sa);
      established.begin(created, new DeleteIkeSa(established));
      return;
    }
    established.succeed(old, created);
    if (collision !== undefined) established.leaveBehind(collision.sa);
    established.begin(old, new DeleteIkeSa(established));
  }
}

interface SuccessorInputs extends Nonces {
  isInitiator: boolean;
  initiatorSpi: bigint;
  responderSpi: bigint;
  proposal: IkeProposal;
  keyExchange: KeyExchange;
  peerValue: Uint8Array;
  established: Established;
}

/** The IKE SA that follows `old`. Its message IDs begin at 0 again (section 2.18). */
function successor(old: IkeSa, inputs: SuccessorInputs): IkeSa {
  const { isInitiator, initiatorSpi, responderSpi, initiatorNonce, responderNonce, proposal } = inputs;
  const sharedSecret = inputs.keyExchange.sharedSecret(inputs.peerValue);
  const keys = deriveRekeyedIkeKeys(old.proposal.prf, old.keys.derive, {
    initiatorNonce,
    responderNonce,
    prf: proposal.prf,
    encryption: proposal.encryption,
    initiatorSpi,
    responderSpi,
    sharedSecret,
  });
  sharedSecret.wipe();
  return new IkeSa({
    initiatorSpi,
    responderSpi,
    isInitiator,
    proposal,
    keys,
    fragmentSize: old.fragmentSize,
    timing: inputs.established.context.settings.timing,
    nextId: 0,
    peerId: 0,
  });
}

/** Answers the peer's request to rekey the IKE SA `old`. */
export function answerIkeRekey(
  established: Established,
  old: IkeSa,
  payloads: readonly Payload[],
  offered: SaPayload,
): Payload[] {
  const { context } = established;
  const open = old.exchange.open?.task;
  // One collision is what two honest ends come to (section 2.8.2): a second request beside ours would only make more IKE SAs.
  const collides = open instanceof RekeyIke && open.collision !== undefined;
  if (open?.subject === 'child' || collides) return [notification(NotifyType.TEMPORARY_FAILURE)];
  const nonce = findPayload(payloads, 'Nonce')?.data;
  const ke = findPayload(payloads, 'KE');
  if (nonce === undefined) throw new IkeSyntaxError('CREATE_CHILD_SA without nonce', 'malformed', true);
  const { ike } = context.settings;
  const isPreferred = ({ group }: IkeProposal) => groupId(group) === ke?.group;
  const acceptable = [...ike.filter(isPreferred), ...ike.filter(proposal => !isPreferred(proposal))];
  const choice = chooseIke(offered, acceptable, true);
  if (choice?.peerSpi === undefined || choice.peerSpi === 0n)
    return [notification(NotifyType.NO_PROPOSAL_CHOSEN)];
  const { proposal, peerSpi } = choice;
  if (ke?.group !== groupId(proposal.group)) return [wrongGroup(proposal.group)];
  const keyExchange = generateKeyExchange(proposal.group, context.random);
  const ownNonce = context.newNonce();
  const ownSpi = context.newIkeSpi();
  const created = successor(old, {
    isInitiator: false,
    initiatorSpi: peerSpi,
    responderSpi: ownSpi,
    initiatorNonce: nonce,
    responderNonce: ownNonce,
    proposal,
    keyExchange,
    peerValue: ke.data,
    established,
  });
  if (open instanceof RekeyIke) {
    open.collision = { sa: created, nonces: [nonce, ownNonce] };
    established.addSa(created);
  } else {
    established.succeed(old, created);
  }
  return [choice.answer(ownSpi), { type: 'Nonce', data: ownNonce }, keyPayload(keyExchange)];
}
