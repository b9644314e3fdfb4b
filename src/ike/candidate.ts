import { VpnrError } from '../errors.js';
import type { AssignedConfiguration, IkeProposal, InitiatorOptions, TrafficSelector } from './api.js';
import { type AuthInputs, isAuthentic, makeAuth } from './authentication.js';
import { makeChild, readChildAnswer } from './child.js';
import { configurationRequest, hostFamily, readConfiguration } from './configuration.js';
import { CfgType, ExchangeType, NotifyType } from './constants.js';
import type { Context } from './context.js';
import type { KeyExchange } from './crypto/dh.js';
import { deriveIkeKeys, type IkeKeys, wipeIkeKeys } from './crypto/keys.js';
import { DRAIN_VENDOR_ID, understandsDrain } from './drain.js';
import { Retransmission } from './exchange.js';
import { errorNotify, type Failure, failureOf } from './failure.js';
import { STRANGERS_REASSEMBLY_LIMITS } from './fragment.js';
import type { Outcome } from './handshake.js';
import { IkeSa } from './ike-sa.js';
import { DELETE_IKE_SA } from './informational.js';
import type { Message, ParsedHeader } from './message.js';
import { identityPayload, identityText, isIdentity } from './payloads/id.js';
import { notification } from './payloads/notify.js';
import { findNotify, findPayload, type Payload } from './payloads/payload.js';
import { checkIkeAnswer, groupId, offerEsp } from './proposal.js';
import { anySelector, cidrSelector, isSubset } from './selectors.js';
import { IkeSyntaxError } from './syntax.js';

/** An IKE_SA_INIT request as it was sent. */
export interface InitRequest {
  datagram: Uint8Array;
  initiatorSpi: bigint;
  nonce: Uint8Array;
  keyExchange: KeyExchange;
}

/** An IKE_SA_INIT response, which anyone may have sent. */
export interface InitResponse {
  datagram: Uint8Array;
  message: Message;
}

/** Message IDs: IKE_SA_INIT has 0. */
const AUTH_ID = 1;
const NEXT_ID = 2;

/** The group of the KE payload in an IKE_SA_INIT response that looks complete, else undefined. */
export function responseGroup({ responderSpi, payloads }: Message): number | undefined {
  const isComplete =
    responderSpi !== 0n &&
    findPayload(payloads, 'SA') !== undefined &&
    findPayload(payloads, 'Nonce') !== undefined &&
    !payloads.some(payload => payload.type === 'unknown' && payload.critical);
  return isComplete ? findPayload(payloads, 'KE')?.group : undefined;
}

/** IVs of a candidate begin at a multiple of this: two that have the same keys after all never use one twice. */
const IVS_PER_CANDIDATE = 1n << 32n;

/**
 * One IKE_SA_INIT response taken at its word, and the IKE_AUTH exchange that shows whether the gateway sent it. A changed
 * copy of the gateway's response may lead to the same keys, and differ only in what AUTH covers: such variants share a
 * candidate, and AUTH may prove any of them. Throws a `VpnrError` when the response makes no sense.
 */
export class Candidate {
  readonly retransmission: Retransmission;
  outcome: Outcome | undefined;
  readonly #context: Context;
  readonly #options: InitiatorOptions;
  readonly #request: InitRequest;
  readonly #responderNonce: Uint8Array;
  readonly #sa: IkeSa;
  readonly #variants: InitResponse[];
  readonly #inboundSpi: number;
  readonly #localSelectors: readonly TrafficSelector[];
  readonly #remoteSelectors: readonly TrafficSelector[];
  readonly #datagrams: readonly Uint8Array[];
  /** The response to IKE_AUTH, when it proves none of the variants so far. */
  #unproven: readonly Payload[] | undefined;

  /** `index` differs between candidates of one request. */
  constructor(
    context: Context,
    options: InitiatorOptions,
    request: InitRequest,
    response: InitResponse,
    index: number,
  ) {
    this.#context = context;
    this.#options = options;
    this.#request = request;
    this.#variants = [response];
    const { payloads } = response.message;
    this.#responderNonce = findPayload(payloads, 'Nonce')?.data ?? new Uint8Array(0);
    const { proposal, keys } = agree(options, request, response.message);
    this.#sa = new IkeSa({
      initiatorSpi: request.initiatorSpi,
      responderSpi: response.message.responderSpi,
      isInitiator: true,
      proposal,
      keys,
      fragmentSize: this.#fragmentSize(response),
      reassemblyLimits: STRANGERS_REASSEMBLY_LIMITS,
      firstIv: BigInt(index) * IVS_PER_CANDIDATE,
      timing: context.settings.timing,
      nextId: NEXT_ID,
      peerId: 0,
    });
    try {
      this.#inboundSpi = context.env.allocateSpi();
    } catch (error) {
      this.#sa.wipe();
      throw error;
    }
    this.#localSelectors = options.localSelectors ?? [anySelector(4)];
    this.#remoteSelectors = options.remoteSelectors ?? [anySelector(4)];
    this.#datagrams = this.#sa.seal(ExchangeType.IKE_AUTH, false, AUTH_ID, this.#authRequest());
    this.retransmission = new Retransmission(context.settings.timing, context.now);
    this.send();
  }

  /** Whether IKE_AUTH waits for its response. */
  get isOpen(): boolean {
    return this.outcome === undefined && this.#unproven === undefined;
  }

  /** Sends the IKE_AUTH request, the same bytes each time. */
  send(): void {
    this.#context.send(this.#datagrams);
  }

  matches(header: ParsedHeader): boolean {
    return header.response && header.messageId === AUTH_ID && this.#sa.matches(header);
  }

  /** Takes the response in, if it is a variant of this candidate's: it leads to the same keys. */
  adopt(request: InitRequest, response: InitResponse): boolean {
    if (this.outcome !== undefined || response.message.responderSpi !== this.#sa.responderSpi) return false;
    const { proposal, keys } = agree(this.#options, request, response.message);
    const isSame =
      proposal.encryption === this.#sa.proposal.encryption &&
      Buffer.compare(keys.derive.reveal(), this.#sa.keys.derive.reveal()) === 0;
    wipeIkeKeys(keys);
    if (!isSame) return false;
    this.#variants.push(response);
    if (this.#unproven !== undefined) this.#attend(() => this.#conclude(this.#unproven ?? []));
    return true;
  }

  /** Takes a datagram that `matches`; `outcome` may be set afterwards. */
  receive(datagram: Uint8Array, header: ParsedHeader): void {
    if (!this.isOpen) return;
    this.#attend(() => {
      const message = this.#sa.open(datagram, header);
      return message?.exchange === ExchangeType.IKE_AUTH ? this.#conclude(message.payloads) : undefined;
    });
  }

  /** No better variant came: the gateway did not prove itself. */
  giveUp(): void {
    if (this.#unproven === undefined) return;
    this.outcome = this.#reject('AUTHENTICATION_FAILED', 'the gateway does not hold the same pre-shared key');
  }

  fail(failure: Failure): void {
    this.outcome = { type: 'failed', ...failure };
  }

  /** Gives back all that did not go into the outcome. */
  end(): void {
    if (this.outcome?.type === 'established') return;
    this.#context.env.releaseSpi(this.#inboundSpi);
    this.#sa.wipe();
  }

  /** Errors in what is authenticated end the candidate, others do nothing. */
  #attend(action: () => Outcome | undefined): void {
    try {
      this.outcome = action();
    } catch (error) {
      if (!(error instanceof VpnrError)) throw error;
      if (error instanceof IkeSyntaxError && !error.authenticated) this.#context.ignore(error.message);
      else this.outcome = this.#abort({ code: error.code, message: `IKE_AUTH: ${error.message}` });
    }
  }

  #fragmentSize({ message }: InitResponse): number | undefined {
    const isSupported = findNotify(message.payloads, NotifyType.IKEV2_FRAGMENTATION_SUPPORTED) !== undefined;
    return isSupported ? this.#context.settings.fragmentSize : undefined;
  }

  /** Section 1.2: IDi, IDr, AUTH, CP, SA, TSi, TSr; notifications. */
  #authRequest(): Payload[] {
    const { identity, peerIdentity, psk, esp } = this.#options;
    const id = identityPayload('IDi', identity);
    return [
      id,
      notification(NotifyType.INITIAL_CONTACT),
      identityPayload('IDr', peerIdentity),
      makeAuth({
        prf: this.#sa.proposal.prf,
        psk,
        message: this.#request.datagram,
        peerNonce: this.#responderNonce,
        authKey: this.#sa.keys.initiatorAuth,
        id,
      }),
      ...this.#configurationRequest(),
      offerEsp(
        esp.map(suite => ({ suite })),
        this.#inboundSpi,
      ),
      { type: 'TSi', selectors: [...this.#localSelectors] },
      { type: 'TSr', selectors: [...this.#remoteSelectors] },
      ...(this.#options.mobike === false ? [] : [notification(NotifyType.MOBIKE_SUPPORTED)]),
      DRAIN_VENDOR_ID,
    ];
  }

  /** None for a gateway that assigns nothing. */
  #configurationRequest(): Payload[] {
    const { wantedAddress, innerAddress } = this.#options;
    if (innerAddress !== undefined) return [];
    const addresses = wantedAddress === undefined ? [] : [wantedAddress];
    return [configurationRequest({ families: this.#families, addresses })];
  }

  #isAskedFor(address: string): boolean {
    const family = hostFamily(address);
    return family !== undefined && this.#families.includes(family);
  }

  /** In which an address is asked for. */
  get #families(): (4 | 6)[] {
    return [...new Set(this.#localSelectors.map(({ family }) => family))];
  }

  /** What the authenticated response says. First of all the gateway must prove to be who it should be. */
  #conclude(payloads: readonly Payload[]): Outcome | undefined {
    const error = errorNotify(payloads);
    const id = findPayload(payloads, 'IDr');
    const auth = findPayload(payloads, 'AUTH');
    if (id === undefined || auth === undefined) {
      if (error !== undefined) return { type: 'failed', ...failureOf(error.notify, 'gateway') };
      return this.#reject(
        'AUTHENTICATION_FAILED',
        'the gateway did not authenticate itself by a pre-shared key',
      );
    }
    const { peerIdentity, psk } = this.#options;
    if (!isIdentity(id, peerIdentity)) {
      return this.#reject(
        'GATEWAY_IDENTITY',
        `the gateway calls itself "${identityText(id)}", not "${peerIdentity}"`,
      );
    }
    const inputs: Omit<AuthInputs, 'message'> = {
      prf: this.#sa.proposal.prf,
      psk,
      peerNonce: this.#request.nonce,
      authKey: this.#sa.keys.responderAuth,
      id,
    };
    const response = this.#variants.find(({ datagram }) =>
      isAuthentic(auth, { ...inputs, message: datagram }),
    );
    if (response === undefined) {
      this.#unproven = payloads;
      return undefined;
    }
    if (payloads.some(payload => payload.type === 'unknown' && payload.critical)) {
      return this.#abort({ code: 'IKE_PROTOCOL', message: 'the gateway sent an unknown critical payload' });
    }
    this.#sa.fragmentSize = this.#fragmentSize(response);
    return this.#establish(response, payloads);
  }

  #establish(response: InitResponse, payloads: readonly Payload[]): Outcome {
    const offer = {
      proposals: this.#options.esp.map(suite => ({ suite })),
      localSelectors: this.#localSelectors,
      remoteSelectors: this.#remoteSelectors,
    };
    if (findNotify(response.message.payloads, NotifyType.NAT_DETECTION_SOURCE_IP) === undefined) {
      return this.#abort({ code: 'IKE_PROTOCOL', message: 'the gateway does not support UDP encapsulation' });
    }
    const answer = readChildAnswer(payloads, offer);
    if (answer === undefined) {
      const error = errorNotify(payloads);
      const failure: Failure =
        error === undefined
          ? { code: 'IKE_PROTOCOL', message: 'the gateway created no child SA' }
          : failureOf(error.notify, 'gateway');
      return this.#abort(failure);
    }
    const { suite, outboundSpi, localSelectors, remoteSelectors } = answer;
    const configuration = this.#configuration(payloads, localSelectors);
    const child = makeChild(this.#sa, {
      isInitiator: true,
      initiatorNonce: this.#request.nonce,
      responderNonce: this.#responderNonce,
      suite,
      inboundSpi: this.#inboundSpi,
      outboundSpi,
      localSelectors,
      remoteSelectors,
    });
    this.#sa.mapping = findNotify(response.message.payloads, NotifyType.NAT_DETECTION_DESTINATION_IP)?.data;
    const isMobile = findNotify(payloads, NotifyType.MOBIKE_SUPPORTED) !== undefined;
    return {
      type: 'established',
      sa: this.#sa,
      child,
      selectors: { localSelectors, remoteSelectors },
      peerIdentity: this.#options.peerIdentity,
      configuration,
      initialContact: false,
      mobike: isMobile && this.#options.mobike !== false,
      drain: understandsDrain(payloads),
      response: [],
    };
  }

  /** Throws NO_ADDRESS_ASSIGNED, or TS_UNACCEPTABLE when the gateway does not carry the address that we have. */
  #configuration(
    payloads: readonly Payload[],
    localSelectors: readonly TrafficSelector[],
  ): AssignedConfiguration {
    const { innerAddress } = this.#options;
    if (innerAddress !== undefined) {
      if (!isSubset([cidrSelector(innerAddress)], localSelectors))
        throw new VpnrError('TS_UNACCEPTABLE', `the gateway's selectors leave ${innerAddress} out`);
      return { addresses: [innerAddress], dns: [], domains: [], subnets: [] };
    }
    const reply = payloads.find(payload => payload.type === 'CP' && payload.cfgType === CfgType.REPLY);
    const configuration = readConfiguration(
      reply?.type === 'CP' ? reply : { type: 'CP', cfgType: CfgType.REPLY, attributes: [] },
    );
    const addresses = configuration.addresses.filter(address => this.#isAskedFor(address));
    if (addresses.length > 0) return { ...configuration, addresses };
    const [useless] = configuration.addresses;
    const message =
      useless === undefined
        ? 'the gateway assigned no address: it needs a pool of virtual addresses, or this client an inner address'
        : `the gateway assigned ${useless}, which is no address that was asked for`;
    throw new VpnrError('NO_ADDRESS_ASSIGNED', message);
  }

  /** The gateway holds the IKE SA for established, but it is of no use: deletes it. */
  #abort(failure: Failure): Outcome {
    this.#tell(DELETE_IKE_SA);
    return { type: 'failed', ...failure };
  }

  /** The gateway did not prove who it is: says so (section 2.21.2). */
  #reject(code: Failure['code'], message: string): Outcome {
    this.#tell(notification(NotifyType.AUTHENTICATION_FAILED));
    return { type: 'failed', code, message };
  }

  /** Sent once: nobody waits for the answer. */
  #tell(payload: Payload): void {
    this.#context.send(this.#sa.seal(ExchangeType.INFORMATIONAL, false, NEXT_ID, [payload]));
  }
}

/** The algorithms and keys that a response leads to. Throws a `VpnrError` when it makes no sense. */
function agree(
  options: InitiatorOptions,
  { keyExchange, initiatorSpi, nonce }: InitRequest,
  { responderSpi, payloads }: Message,
): { proposal: IkeProposal; keys: IkeKeys } {
  const sa = findPayload(payloads, 'SA');
  const ke = findPayload(payloads, 'KE');
  const responderNonce = findPayload(payloads, 'Nonce')?.data;
  if (sa === undefined || ke === undefined || responderNonce === undefined) {
    throw new IkeSyntaxError('IKE_SA_INIT without SA, KE or nonce');
  }
  const { proposal } = checkIkeAnswer(sa, options.ike, false);
  if (groupId(proposal.group) !== ke.group)
    throw new IkeSyntaxError('IKE_SA_INIT with a KE of another group');
  const sharedSecret = keyExchange.sharedSecret(ke.data);
  const { prf, encryption } = proposal;
  const keys = deriveIkeKeys({
    prf,
    encryption,
    initiatorSpi,
    responderSpi,
    initiatorNonce: nonce,
    responderNonce,
    sharedSecret,
  });
  sharedSecret.wipe();
  return { proposal, keys };
}
