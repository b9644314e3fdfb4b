// The child that IKE_AUTH creates, as responder: RFC 7296 sections 1.2, 2.9 and 2.19. What cannot be granted is refused by a
// notification in its place, and the IKE SA stands without a child.
import type { AssignedConfiguration, ChildSa, ResponderOptions } from './api.js';
import { MIN_ESP_SPI, makeChild, reserveSpi } from './child.js';
import { configurationReply, readConfigurationRequest } from './configuration.js';
import { CfgType, NotifyType } from './constants.js';
import type { Context } from './context.js';
import type { Selectors } from './established.js';
import type { IkeSa } from './ike-sa.js';
import { notification } from './payloads/notify.js';
import { findPayload, type Payload } from './payloads/payload.js';
import { chooseEsp } from './proposal.js';
import { cidrSelector, narrowSelectors } from './selectors.js';

/** Of an initiator that has authenticated itself. */
export interface ChildRequest {
  sa: IkeSa;
  initiatorNonce: Uint8Array;
  responderNonce: Uint8Array;
  identity: string;
  payloads: readonly Payload[];
}

export interface GrantedChild {
  /** For the response. */
  payloads: Payload[];
  /** Undefined: refused. */
  child: ChildSa | undefined;
  selectors: Selectors;
  configuration: AssignedConfiguration;
}

export function grantChild(
  { env, settings }: Context,
  { esp, networks, assign, release }: ResponderOptions,
  { sa, initiatorNonce, responderNonce, identity, payloads }: ChildRequest,
): GrantedChild {
  const offered = findPayload(payloads, 'SA');
  const request = payloads.find(payload => payload.type === 'CP' && payload.cfgType === CfgType.REQUEST);
  if (request?.type !== 'CP') return refused(NotifyType.FAILED_CP_REQUIRED);
  const suites = esp.map(suite => ({ suite }));
  const choice = offered && chooseEsp(offered, suites);
  if (choice === undefined || choice.peerSpi < MIN_ESP_SPI) return refused(NotifyType.NO_PROPOSAL_CHOSEN);
  const narrow = (type: 'TSi' | 'TSr', allowed: readonly string[]) =>
    narrowSelectors(
      findPayload(payloads, type)?.selectors ?? [],
      allowed.map(cidrSelector),
      settings.limits.selectors,
    );
  const localSelectors = narrow('TSr', networks);
  if (localSelectors.length === 0) return refused(NotifyType.TS_UNACCEPTABLE);
  const wanted = readConfigurationRequest(request).addresses[0];
  const configuration = assign(identity, wanted);
  if (configuration === undefined) return refused(NotifyType.INTERNAL_ADDRESS_FAILURE);
  const remoteSelectors = narrow('TSi', configuration.addresses);
  if (remoteSelectors.length === 0) {
    release(identity, configuration);
    return refused(NotifyType.TS_UNACCEPTABLE);
  }
  const inboundSpi = reserveSpi(env);
  if (inboundSpi === undefined) {
    release(identity, configuration);
    return refused(NotifyType.NO_ADDITIONAL_SAS);
  }
  const selectors = { localSelectors, remoteSelectors };
  const child = makeChild(sa, {
    isInitiator: false,
    initiatorNonce,
    responderNonce,
    suite: choice.proposal.suite,
    inboundSpi,
    outboundSpi: choice.peerSpi,
    ...selectors,
  });
  return {
    payloads: [
      configurationReply(configuration, request),
      choice.answer(inboundSpi),
      { type: 'TSi', selectors: remoteSelectors },
      { type: 'TSr', selectors: localSelectors },
    ],
    child,
    selectors,
    configuration,
  };
}

function refused(notify: number): GrantedChild {
  return {
    payloads: [notification(notify)],
    child: undefined,
    selectors: { localSelectors: [], remoteSelectors: [] },
    configuration: { addresses: [], dns: [], domains: [], subnets: [] },
  };
}
