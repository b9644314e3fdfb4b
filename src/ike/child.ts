// A child SA's keys and the payloads that negotiate it, in IKE_AUTH and CREATE_CHILD_SA alike.

import { VpnrError } from '../errors.js';
import type { Secret } from '../secret.js';
import type { ChildSa, DhGroup, EspSuite, IkeEnvironment, TrafficSelector } from './api.js';
import { deriveChildKeys, type Nonces } from './crypto/keys.js';
import type { IkeSa } from './ike-sa.js';
import { findPayload, type Payload } from './payloads/payload.js';
import { checkEspAnswer, type EspProposal } from './proposal.js';
import { isSubset } from './selectors.js';

/** SPIs below this are reserved (RFC 4303 section 2.1). */
export const MIN_ESP_SPI = 256;

export interface ChildInputs extends Nonces {
  /** Whether we initiated the exchange. */
  isInitiator: boolean;
  suite: EspSuite;
  inboundSpi: number;
  outboundSpi: number;
  localSelectors: TrafficSelector[];
  remoteSelectors: TrafficSelector[];
  sharedSecret?: Secret;
}

/** An SPI for a child to come; undefined when there is no room for one more. */
export function reserveSpi(env: IkeEnvironment): number | undefined {
  try {
    return env.allocateSpi();
  } catch (error) {
    if (error instanceof VpnrError && error.code === 'ASSOCIATIONS_FULL') return undefined;
    throw error;
  }
}

/** The child that an exchange under `sa` created. */
export function makeChild(sa: IkeSa, inputs: ChildInputs): ChildSa {
  const { isInitiator, sharedSecret, ...rest } = inputs;
  const keys = deriveChildKeys({
    prf: sa.proposal.prf,
    derive: sa.keys.derive,
    suite: inputs.suite,
    initiatorNonce: inputs.initiatorNonce,
    responderNonce: inputs.responderNonce,
    ...(sharedSecret === undefined ? {} : { sharedSecret }),
  });
  return {
    suite: rest.suite,
    inboundSpi: rest.inboundSpi,
    outboundSpi: rest.outboundSpi,
    localSelectors: rest.localSelectors,
    remoteSelectors: rest.remoteSelectors,
    inboundKey: isInitiator ? keys.responder : keys.initiator,
    outboundKey: isInitiator ? keys.initiator : keys.responder,
  };
}

/** What we, as initiator, asked for. */
export interface ChildOffer {
  proposals: readonly EspProposal[];
  localSelectors: readonly TrafficSelector[];
  remoteSelectors: readonly TrafficSelector[];
}

export interface ChildAnswer {
  suite: EspSuite;
  group: DhGroup | undefined;
  outboundSpi: number;
  localSelectors: TrafficSelector[];
  remoteSelectors: TrafficSelector[];
}

/**
 * What the responder's SA, TSi and TSr made of our offer, or undefined without an SA payload: it created no child.
 * Throws NO_PROPOSAL_CHOSEN or TS_UNACCEPTABLE for an answer that was not offered.
 */
export function readChildAnswer(payloads: readonly Payload[], offer: ChildOffer): ChildAnswer | undefined {
  const sa = findPayload(payloads, 'SA');
  if (sa === undefined) return undefined;
  const { proposal, peerSpi } = checkEspAnswer(sa, offer.proposals);
  if (peerSpi < MIN_ESP_SPI)
    throw new VpnrError('NO_PROPOSAL_CHOSEN', `the gateway chose the reserved SPI ${peerSpi}`);
  const localSelectors = findPayload(payloads, 'TSi')?.selectors ?? [];
  const remoteSelectors = findPayload(payloads, 'TSr')?.selectors ?? [];
  const isNarrowed = (answer: TrafficSelector[], offered: readonly TrafficSelector[]) =>
    answer.length > 0 && isSubset(answer, offered);
  if (
    !isNarrowed(localSelectors, offer.localSelectors) ||
    !isNarrowed(remoteSelectors, offer.remoteSelectors)
  ) {
    throw new VpnrError(
      'TS_UNACCEPTABLE',
      'the gateway answered with traffic selectors that were not offered',
    );
  }
  return {
    suite: proposal.suite,
    group: proposal.group,
    outboundSpi: peerSpi,
    localSelectors,
    remoteSelectors,
  };
}
