// Rekeying of a child SA by CREATE_CHILD_SA, both ways (RFC 7296 sections 1.3.3, 2.8 and 2.25.1).
import { VpnrError } from '../errors.js';
import type { Secret } from '../secret.js';
import type { ChildSa, DhGroup, EspSuite } from './api.js';
import {
  type ChildAnswer,
  type ChildOffer,
  MIN_ESP_SPI,
  makeChild,
  readChildAnswer,
  reserveSpi,
} from './child.js';
import type { Child } from './children.js';
import { ExchangeType, NotifyType } from './constants.js';
import { generateKeyExchange, type KeyExchange } from './crypto/dh.js';
import type { Established } from './established.js';
import { errorNotify } from './failure.js';
import type { IkeSa } from './ike-sa.js';
import { DeleteChild } from './informational.js';
import { ALL_GROUPS, groupInNotify, keyPayload, wrongGroup } from './key-exchange.js';
import { isRedundant, type NoncePair } from './nonces.js';
import { espNotification, type NotifyPayload, notification, notifiedEspSpi } from './payloads/notify.js';
import { findNotify, findPayload, type Payload } from './payloads/payload.js';
import type { SaPayload } from './payloads/sa.js';
import { chooseEsp, type EspProposal, groupId, groupOf, offerEsp } from './proposal.js';
import { narrowSelectors } from './selectors.js';
import { IkeSyntaxError } from './syntax.js';
import type { Task } from './task.js';

/** The peer created a child while our request for the same purpose was on its way. */
interface Collision {
  child: Child;
  nonces: NoncePair;
}

/** Our request to rekey a child. */
export class RekeyChild implements Task {
  readonly subject = 'child';
  readonly child: Child;
  collision: Collision | undefined;
  readonly #established: Established;
  /** Whether the peer made us try again with a key exchange: it does so once. */
  readonly #corrected: boolean;
  #spi = 0;
  #nonce: Uint8Array = new Uint8Array(0);
  #keyExchange: KeyExchange | undefined;

  constructor(established: Established, child: Child, corrected = false) {
    this.#established = established;
    this.child = child;
    this.#corrected = corrected;
  }

  request(): { exchange: number; payloads: Payload[] } | undefined {
    const { child } = this;
    if (child.state !== 'main') return undefined;
    const { context, children, childGroup } = this.#established;
    if (children.sending !== child) {
      // The peer rekeyed it, and may not have our response: it would not know what we speak of.
      child.rekeyAt = this.#established.retryAt(NotifyType.TEMPORARY_FAILURE);
      return undefined;
    }
    const spi = reserveSpi(context.env);
    if (spi === undefined) {
      child.rekeyAt = this.#established.retryAt(NotifyType.NO_ADDITIONAL_SAS);
      return undefined;
    }
    child.rekeying = true;
    this.#spi = spi;
    this.#nonce = context.newNonce();
    if (childGroup !== undefined) this.#keyExchange = generateKeyExchange(childGroup, context.random);
    const payloads: Payload[] = [
      espNotification(NotifyType.REKEY_SA, child.inboundSpi),
      offerEsp(this.#offer().proposals, this.#spi),
      { type: 'Nonce', data: this.#nonce },
    ];
    if (this.#keyExchange !== undefined) payloads.push(keyPayload(this.#keyExchange));
    payloads.push({ type: 'TSi', selectors: child.localSelectors });
    payloads.push({ type: 'TSr', selectors: child.remoteSelectors });
    return { exchange: ExchangeType.CREATE_CHILD_SA, payloads };
  }

  response(payloads: readonly Payload[], sa: IkeSa): void {
    const { child } = this;
    child.rekeying = false;
    child.rival = undefined;
    const error = errorNotify(payloads);
    const created = error === undefined ? this.#create(payloads, sa) : undefined;
    if (created === undefined) this.#failed(error, sa);
    else this.#stand(created.child, [this.#nonce, created.nonce]);
    this.#established.children.settle(child);
  }

  dropped(): void {
    this.#established.context.env.releaseSpi(this.#spi);
  }

  #offer(): ChildOffer {
    const { context } = this.#established;
    const { localSelectors, remoteSelectors } = this.child;
    const group = this.#keyExchange?.group;
    const proposals = espProposals(context.settings.esp, group === undefined ? [] : [group]);
    return { proposals, localSelectors, remoteSelectors };
  }

  /** The child that the response created; undefined when it makes no sense. */
  #create(payloads: readonly Payload[], sa: IkeSa): { child: ChildSa; nonce: Uint8Array } | undefined {
    const nonce = findPayload(payloads, 'Nonce')?.data;
    let sharedSecret: Secret | undefined;
    try {
      const answer: ChildAnswer | undefined = readChildAnswer(payloads, this.#offer());
      if (answer === undefined || nonce === undefined) return undefined;
      sharedSecret = this.#sharedSecret(payloads, answer.group);
      const { suite, outboundSpi, localSelectors, remoteSelectors } = answer;
      const child = makeChild(sa, {
        isInitiator: true,
        initiatorNonce: this.#nonce,
        responderNonce: nonce,
        suite,
        inboundSpi: this.#spi,
        outboundSpi,
        localSelectors,
        remoteSelectors,
        ...(sharedSecret === undefined ? {} : { sharedSecret }),
      });
      return { child, nonce };
    } catch (error) {
      if (!(error instanceof VpnrError)) throw error;
      this.#established.context.ignore(`unusable answer to a rekeying: ${error.message}`);
      return undefined;
    } finally {
      sharedSecret?.wipe();
    }
  }

  #sharedSecret(payloads: readonly Payload[], group: DhGroup | undefined): Secret | undefined {
    if (group === undefined || this.#keyExchange === undefined) return undefined;
    const ke = findPayload(payloads, 'KE');
    if (ke?.group !== groupId(group)) throw new IkeSyntaxError('a KE payload of another group');
    return this.#keyExchange.sharedSecret(ke.data);
  }

  /** The new child stands, or, redundant after a collision, is deleted again. */
  #stand(created: ChildSa, nonces: NoncePair): void {
    const { children } = this.#established;
    const { child: old, collision } = this;
    const rival = collision !== undefined && children.has(collision.child) ? collision : undefined;
    if (rival !== undefined && rival.child.state !== 'gone' && isRedundant(nonces, rival.nonces)) {
      const redundant = children.add(created, 'closing', old, true);
      children.replace(old, rival.child);
      this.#established.enqueueFirst(new DeleteChild(this.#established, redundant));
      return;
    }
    if (rival !== undefined) children.discard(rival.child);
    const wasDeleted = old.state === 'gone';
    if (!wasDeleted) old.state = 'closing';
    children.add(created, 'main', old);
    if (!wasDeleted) this.#established.enqueueFirst(new DeleteChild(this.#established, old));
  }

  #failed(error: NotifyPayload | undefined, sa: IkeSa): void {
    const established = this.#established;
    const { child, collision } = this;
    established.context.env.releaseSpi(this.#spi);
    if (collision !== undefined && established.children.has(collision.child)) {
      if (collision.child.state === 'redundant') established.children.replace(child, collision.child);
      return;
    }
    if (child.state !== 'main') return;
    if (error?.notify === NotifyType.CHILD_SA_NOT_FOUND) {
      child.state = 'gone';
      return;
    }
    const wanted = this.#corrected ? undefined : this.#wantedGroup(error, sa);
    if (wanted !== undefined) {
      established.childGroup = wanted;
      established.enqueueFirst(new RekeyChild(established, child, true));
      return;
    }
    child.rekeyAt = established.retryAt(error?.notify);
  }

  /** The group of a key exchange that the peer seems to insist on. */
  #wantedGroup(error: NotifyPayload | undefined, sa: IkeSa): DhGroup | undefined {
    if (error?.notify === NotifyType.INVALID_KE_PAYLOAD) return groupInNotify(error);
    const isRefused = error?.notify === NotifyType.NO_PROPOSAL_CHOSEN;
    return isRefused && this.#keyExchange === undefined ? sa.proposal.group : undefined;
  }
}

/** Every suite with each of the groups; without groups, every suite alone. */
function espProposals(suites: readonly EspSuite[], groups: readonly DhGroup[]): EspProposal[] {
  if (groups.length === 0) return suites.map(suite => ({ suite }));
  return groups.flatMap(group => suites.map(suite => ({ suite, group })));
}

/** Answers the peer's request to rekey a child, or to create one when there is none. */
export function answerChild(
  established: Established,
  sa: IkeSa,
  payloads: readonly Payload[],
  offered: SaPayload,
): Payload[] {
  const { children } = established;
  const open = sa.exchange.open?.task;
  if (open?.subject === 'ike-rekey' || children.isFull) return [notification(NotifyType.TEMPORARY_FAILURE)];
  const rekey = findNotify(payloads, NotifyType.REKEY_SA);
  let old: Child | undefined;
  if (rekey !== undefined) {
    const spi = notifiedEspSpi(rekey);
    old = spi === undefined ? undefined : children.byPeerSpi(spi);
    if (old === undefined) return [espNotification(NotifyType.CHILD_SA_NOT_FOUND, spi ?? 0)];
    // Also while the peer has still to delete what it rekeyed before.
    if (old.state !== 'main') return [notification(NotifyType.TEMPORARY_FAILURE)];
  } else if (children.main !== undefined) {
    return [notification(NotifyType.NO_ADDITIONAL_SAS)];
  }
  const ours = open instanceof RekeyChild && open.child === old ? open : undefined;
  return create(established, sa, payloads, offered, old, ours);
}

function create(
  established: Established,
  sa: IkeSa,
  payloads: readonly Payload[],
  offered: SaPayload,
  old: Child | undefined,
  ours: RekeyChild | undefined,
): Payload[] {
  const { context, children } = established;
  const nonce = findPayload(payloads, 'Nonce')?.data;
  const offeredLocal = findPayload(payloads, 'TSr')?.selectors;
  const offeredRemote = findPayload(payloads, 'TSi')?.selectors;
  if (nonce === undefined || offeredLocal === undefined || offeredRemote === undefined) {
    throw new IkeSyntaxError('CREATE_CHILD_SA without nonce or traffic selectors', 'malformed', true);
  }
  const allowed = old ?? established.selectors;
  const { limits } = context.settings;
  const localSelectors = narrowSelectors(offeredLocal, allowed.localSelectors, limits.selectors);
  const remoteSelectors = narrowSelectors(offeredRemote, allowed.remoteSelectors, limits.selectors);
  if (localSelectors.length === 0 || remoteSelectors.length === 0) {
    return [notification(NotifyType.TS_UNACCEPTABLE)];
  }
  const ke = findPayload(payloads, 'KE');
  const group = ke === undefined ? undefined : groupOf(ke.group);
  const { esp } = context.settings;
  const choice = chooseEsp(offered, [
    ...(group === undefined ? [] : espProposals(esp, [group])),
    ...espProposals(esp, []),
  ]);
  if (choice === undefined || choice.peerSpi < MIN_ESP_SPI) {
    const other = chooseEsp(offered, espProposals(esp, ALL_GROUPS))?.proposal.group;
    return [other === undefined ? notification(NotifyType.NO_PROPOSAL_CHOSEN) : wrongGroup(other)];
  }
  const keyExchange =
    choice.proposal.group === undefined
      ? undefined
      : generateKeyExchange(choice.proposal.group, context.random);
  const sharedSecret = ke === undefined ? undefined : keyExchange?.sharedSecret(ke.data);
  established.childGroup = choice.proposal.group;
  const inboundSpi = reserveSpi(context.env);
  if (inboundSpi === undefined) {
    sharedSecret?.wipe();
    return [notification(NotifyType.NO_ADDITIONAL_SAS)];
  }
  const ownNonce = context.newNonce();
  const created = makeChild(sa, {
    isInitiator: false,
    initiatorNonce: nonce,
    responderNonce: ownNonce,
    suite: choice.proposal.suite,
    inboundSpi,
    outboundSpi: choice.peerSpi,
    localSelectors,
    remoteSelectors,
    ...(sharedSecret === undefined ? {} : { sharedSecret }),
  });
  sharedSecret?.wipe();
  const child = children.add(created, ours === undefined ? 'main' : 'redundant', old, true);
  if (ours !== undefined && old !== undefined) {
    old.rival = child;
    ours.collision = { child, nonces: [nonce, ownNonce] };
  } else if (old !== undefined) {
    children.replace(old, child);
  }
  return [
    choice.answer(inboundSpi),
    { type: 'Nonce', data: ownNonce },
    ...(keyExchange === undefined ? [] : [keyPayload(keyExchange)]),
    { type: 'TSi', selectors: remoteSelectors },
    { type: 'TSr', selectors: localSelectors },
  ];
}
