// IKE_SA_INIT and IKE_AUTH as responder (RFC 7296 sections 1.2, 2.6, 2.9 and 2.21.2).
//
// Each IKE_SA_INIT request, up to a bound, gets a half-open IKE SA of its own, also those with equal SPIs: nobody who
// merely read the initiator's request can displace it by a changed copy. The initiator is who passes IKE_AUTH. While
// cookies are required, nothing at all is kept for a new request without one, and a cookie is all that it is sent. A
// repeated request is answered from what is kept, each time later than before.
import { Secret } from '../secret.js';
import type { IkeProposal, ResponderOptions } from './api.js';
import { type AuthInputs, isAuthentic, makeAuth } from './authentication.js';
import { ExchangeType, NotifyType } from './constants.js';
import type { Context } from './context.js';
import { generateKeyExchange, type KeyExchange } from './crypto/dh.js';
import { deriveIkeKeys } from './crypto/keys.js';
import { DRAIN_VENDOR_ID, understandsDrain } from './drain.js';
import { grantChild } from './first-child.js';
import { STRANGERS_REASSEMBLY_LIMITS } from './fragment.js';
import type { Handshake, Outcome } from './handshake.js';
import { IkeSa } from './ike-sa.js';
import { keyPayload, wrongGroup } from './key-exchange.js';
import { emitMessage, type Message, type ParsedHeader, parseMessage } from './message.js';
import { isTranslated } from './mobike.js';
import { natDetection } from './nat.js';
import type { AuthPayload } from './payloads/auth.js';
import { type IdPayload, identityPayload, identityText, isIdentity } from './payloads/id.js';
import type { KePayload } from './payloads/ke.js';
import { notification } from './payloads/notify.js';
import { findNotify, findPayload, type Payload } from './payloads/payload.js';
import type { SaPayload } from './payloads/sa.js';
import { chooseIke, groupId } from './proposal.js';
import { Repetitions } from './repetition.js';
import { IkeSyntaxError } from './syntax.js';

/** An initiator that is led astray by forged notifications makes several requests, and only the last may be its own word. */
const MAX_HALF_OPEN = 16;
/** Bytes of an IKE_SA_INIT request that is looked at, and kept. It cannot be fragmented, so none of use is as long. */
const MAX_INIT_SIZE = 4096;
/** An initiator has so long to authenticate itself. */
const HALF_OPEN_MS = 30_000;

const AUTH_ID = 1;

/** An IKE_SA_INIT request and our response to it. */
interface HalfOpen {
  request: Uint8Array;
  response: Uint8Array;
  initiatorSpi: bigint;
  responderSpi: bigint;
  initiatorNonce: Uint8Array;
  responderNonce: Uint8Array;
  proposal: IkeProposal;
  keyExchange: KeyExchange;
  peerValue: Uint8Array;
  canFragment: boolean;
  endsAt: number;
  /** Of its latest request, IKE_SA_INIT or IKE_AUTH. */
  repetitions: Repetitions;
  /** Made when IKE_AUTH arrives: before that nobody deserves the work. */
  sa: IkeSa | undefined;
}

export class ResponderHandshake implements Handshake {
  outcome: Outcome | undefined;
  readonly #context: Context;
  readonly #options: ResponderOptions;
  readonly #halfOpen = new Set<HalfOpen>();

  constructor(context: Context, options: ResponderOptions) {
    this.#context = context;
    this.#options = options;
  }

  start(): void {}

  /** Whether there is anything but a clean slate. */
  get isActive(): boolean {
    return this.#halfOpen.size > 0;
  }

  get spis(): bigint[] {
    return [...this.#halfOpen].map(({ responderSpi }) => responderSpi);
  }

  receive(datagram: Uint8Array, header: ParsedHeader): void {
    if (header.response || !header.initiator) this.#context.ignore('not a request of an initiator');
    else if (header.exchange === ExchangeType.IKE_SA_INIT) this.#receiveInit(datagram, header);
    else this.#receiveAuth(datagram, header);
  }

  tick(): void {
    const wasActive = this.isActive;
    for (const half of [...this.#halfOpen]) if (half.endsAt <= this.#context.now) this.#drop(half);
    if (wasActive && !this.isActive) {
      this.outcome = {
        type: 'failed',
        code: 'GATEWAY_TIMEOUT',
        message: 'the client did not authenticate itself',
      };
    }
  }

  nextTimer(): number {
    return Math.min(...[...this.#halfOpen].map(({ endsAt }) => endsAt));
  }

  end(): void {
    for (const half of [...this.#halfOpen]) this.#drop(half);
  }

  #drop(half: HalfOpen): void {
    this.#halfOpen.delete(half);
    const isKept = this.outcome?.type === 'established' && this.outcome.sa === half.sa;
    if (!isKept) half.sa?.wipe();
  }

  #receiveInit(datagram: Uint8Array, header: ParsedHeader): void {
    if (header.messageId !== 0 || header.responderSpi !== 0n || header.initiatorSpi === 0n) {
      this.#context.ignore('not the first message of an IKE SA');
      return;
    }
    for (const half of this.#halfOpen) {
      if (Buffer.compare(half.request, datagram) !== 0) continue;
      this.#repeat(half, [half.response]);
      return;
    }
    if (datagram.length > MAX_INIT_SIZE) throw new IkeSyntaxError('IKE_SA_INIT too long', 'limit');
    const message = parseMessage(datagram);
    const nonce = findPayload(message.payloads, 'Nonce')?.data;
    const offered = findPayload(message.payloads, 'SA');
    const ke = findPayload(message.payloads, 'KE');
    // What lacks one of them is no request, and gets no answer: so all that is sent without a cookie is shorter than what came.
    if (nonce === undefined || offered === undefined || ke === undefined) {
      throw new IkeSyntaxError('IKE_SA_INIT without SA, KE or nonce');
    }
    const unknown = message.payloads.find(payload => payload.type === 'unknown' && payload.critical);
    if (unknown?.type === 'unknown') {
      const data = Uint8Array.of(unknown.payloadType);
      this.#refuse(header, notification(NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, data));
    } else if (!this.#hasRoom()) {
      this.#context.ignore('too many half-open IKE SAs');
    } else if (this.#isWelcome(message, nonce)) {
      this.#negotiate(datagram, message, { nonce, offered, ke });
    }
  }

  #hasRoom(): boolean {
    return this.#halfOpen.size < MAX_HALF_OPEN && this.#options.admits?.() !== false;
  }

  /** Answers a repetition, unless too many of them come. */
  #repeat({ repetitions }: HalfOpen, datagrams: readonly Uint8Array[]): void {
    if (repetitions.allows(this.#context.now)) this.#context.send(datagrams);
    else this.#context.ignore('a request repeated too often');
  }

  /** Under pressure only who can receive at its address is: sends a cookie to everyone else. */
  #isWelcome({ initiatorSpi, payloads, ...header }: Message, nonce: Uint8Array): boolean {
    const { cookies, remote } = this.#options;
    if (cookies === undefined || !cookies.required()) return true;
    const subject = { nonce, initiatorSpi, remote };
    const [first] = payloads;
    const isShown = first?.type === 'N' && first.notify === NotifyType.COOKIE;
    if (isShown && cookies.issuer.accepts(first.data, subject)) return true;
    this.#refuse({ ...header, initiatorSpi }, notification(NotifyType.COOKIE, cookies.issuer.issue(subject)));
    return false;
  }

  /** Answers without keeping anything. */
  #refuse({ initiatorSpi }: Pick<Message, 'initiatorSpi'>, payload: Payload): void {
    this.#context.send([this.#initResponse(initiatorSpi, 0n, [payload])]);
  }

  #initResponse(initiatorSpi: bigint, responderSpi: bigint, payloads: Payload[]): Uint8Array {
    const exchange = ExchangeType.IKE_SA_INIT;
    return emitMessage({
      initiatorSpi,
      responderSpi,
      exchange,
      initiator: false,
      response: true,
      messageId: 0,
      payloads,
    });
  }

  #negotiate(
    datagram: Uint8Array,
    message: Message,
    { nonce: initiatorNonce, offered, ke }: { nonce: Uint8Array; offered: SaPayload; ke: KePayload },
  ): void {
    const { ike, local, remote } = this.#options;
    const isPreferred = ({ group }: IkeProposal) => groupId(group) === ke.group;
    const acceptable = [...ike.filter(isPreferred), ...ike.filter(proposal => !isPreferred(proposal))];
    const choice = chooseIke(offered, acceptable, false);
    if (choice === undefined) {
      this.#refuse(message, notification(NotifyType.NO_PROPOSAL_CHOSEN));
      return;
    }
    const { proposal } = choice;
    if (groupId(proposal.group) !== ke.group) {
      this.#refuse(message, wrongGroup(proposal.group));
      return;
    }
    const { initiatorSpi } = message;
    const responderSpi = this.#context.newIkeSpi();
    const keyExchange = generateKeyExchange(proposal.group, this.#context.random);
    const responderNonce = this.#context.newNonce();
    const canFragment = findNotify(message.payloads, NotifyType.IKEV2_FRAGMENTATION_SUPPORTED) !== undefined;
    const response = this.#initResponse(initiatorSpi, responderSpi, [
      choice.answer(),
      keyPayload(keyExchange),
      { type: 'Nonce', data: responderNonce },
      ...natDetection({ initiatorSpi, responderSpi }, { source: local, destination: remote }),
      ...(canFragment ? [notification(NotifyType.IKEV2_FRAGMENTATION_SUPPORTED)] : []),
    ]);
    this.#halfOpen.add({
      request: datagram.slice(),
      response,
      initiatorSpi,
      responderSpi,
      initiatorNonce,
      responderNonce,
      proposal,
      keyExchange,
      peerValue: ke.data,
      canFragment,
      endsAt: this.#context.now + HALF_OPEN_MS,
      repetitions: new Repetitions(),
      sa: undefined,
    });
    this.#context.send([response]);
  }

  #receiveAuth(datagram: Uint8Array, header: ParsedHeader): void {
    const half = [...this.#halfOpen].find(
      ({ initiatorSpi, responderSpi }) =>
        initiatorSpi === header.initiatorSpi && responderSpi === header.responderSpi,
    );
    if (half === undefined || header.messageId !== AUTH_ID) {
      this.#context.ignore('no IKE SA with these SPIs and this message ID');
      return;
    }
    half.sa ??= this.#makeSa(half);
    if (half.sa === undefined) return;
    if (half.sa.exchange.place(AUTH_ID) === 'last') {
      if (half.sa.isRepetition(datagram, header)) this.#repeat(half, half.sa.exchange.answered);
      return;
    }
    try {
      const message = half.sa.open(datagram, header);
      if (message?.exchange === ExchangeType.IKE_AUTH) this.#authenticate(half, half.sa, message.payloads);
    } catch (error) {
      if (!(error instanceof IkeSyntaxError) || !error.authenticated) throw error;
      this.#answer(half, half.sa, [notification(NotifyType.INVALID_SYNTAX)]);
    }
  }

  /** Undefined, and the half-open IKE SA is gone, when the initiator's public value is none: it is tried once. */
  #makeSa(half: HalfOpen): IkeSa | undefined {
    const { initiatorSpi, responderSpi, initiatorNonce, responderNonce, proposal, canFragment } = half;
    const sharedSecret = this.#sharedSecret(half);
    if (sharedSecret === undefined) return undefined;
    const keys = deriveIkeKeys({
      prf: proposal.prf,
      encryption: proposal.encryption,
      initiatorSpi,
      responderSpi,
      initiatorNonce,
      responderNonce,
      sharedSecret,
    });
    sharedSecret.wipe();
    const { fragmentSize, timing } = this.#context.settings;
    return new IkeSa({
      initiatorSpi,
      responderSpi,
      isInitiator: false,
      proposal,
      keys,
      fragmentSize: canFragment ? fragmentSize : undefined,
      reassemblyLimits: STRANGERS_REASSEMBLY_LIMITS,
      timing,
      nextId: 0,
      peerId: AUTH_ID,
    });
  }

  #sharedSecret(half: HalfOpen): Secret | undefined {
    try {
      return half.keyExchange.sharedSecret(half.peerValue);
    } catch (error) {
      if (!(error instanceof IkeSyntaxError)) throw error;
      this.#drop(half);
      this.#context.ignore(error.message);
      if (!this.isActive) this.outcome = { type: 'failed', code: 'IKE_PROTOCOL', message: error.message };
      return undefined;
    }
  }

  #answer(half: HalfOpen, sa: IkeSa, payloads: Payload[]): void {
    half.repetitions = new Repetitions();
    this.#context.send(sa.answer(ExchangeType.IKE_AUTH, AUTH_ID, payloads));
  }

  #authenticate(half: HalfOpen, sa: IkeSa, payloads: readonly Payload[]): void {
    const unknown = payloads.find(payload => payload.type === 'unknown' && payload.critical);
    if (unknown?.type === 'unknown') {
      const data = Uint8Array.of(unknown.payloadType);
      this.#answer(half, sa, [notification(NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, data)]);
      return;
    }
    const id = findPayload(payloads, 'IDi');
    const auth = findPayload(payloads, 'AUTH');
    const identity = id === undefined ? '' : identityText(id);
    // A text that another type of identity would have is nobody's.
    const psk = id !== undefined && isIdentity(id, identity) ? this.#options.psk(identity) : undefined;
    // An unknown client takes as long as a wrong key, and gets the same answer.
    const unknownPsk = new Secret(this.#context.random(32));
    const inputs: Omit<AuthInputs, 'id'> = {
      prf: half.proposal.prf,
      psk: psk ?? unknownPsk,
      message: half.request,
      peerNonce: half.responderNonce,
      authKey: sa.keys.initiatorAuth,
    };
    const isKnown =
      id !== undefined && auth !== undefined && isAuthentic(auth, { ...inputs, id }) && psk !== undefined;
    unknownPsk.wipe();
    if (!isKnown) {
      this.#context.ignore('an initiator that did not authenticate itself');
      this.#answer(half, sa, [notification(NotifyType.AUTHENTICATION_FAILED)]);
      return;
    }
    if (isTranslated(this.#context, payloads)) {
      this.#answer(half, sa, [notification(NotifyType.UNEXPECTED_NAT_DETECTED)]);
      return;
    }
    this.#accept(half, sa, payloads, identity, psk);
  }

  /** The initiator is who it says: proves the same of us, and creates the child if it can. */
  #accept(half: HalfOpen, sa: IkeSa, payloads: readonly Payload[], identity: string, psk: Secret): void {
    const id = identityPayload('IDr', this.#options.identity);
    const proof: [IdPayload, AuthPayload] = [
      id,
      makeAuth({
        prf: half.proposal.prf,
        psk,
        message: half.response,
        peerNonce: half.initiatorNonce,
        authKey: sa.keys.responderAuth,
        id,
      }),
    ];
    const created = grantChild(this.#context, this.#options, { ...half, sa, identity, payloads });
    const mobike =
      this.#options.mobike !== false && findNotify(payloads, NotifyType.MOBIKE_SUPPORTED) !== undefined;
    const drain = understandsDrain(payloads);
    const response = sa.answer(ExchangeType.IKE_AUTH, AUTH_ID, [
      ...proof,
      ...created.payloads,
      ...(mobike ? [notification(NotifyType.MOBIKE_SUPPORTED)] : []),
      ...(drain ? [DRAIN_VENDOR_ID] : []),
    ]);
    this.outcome = {
      type: 'established',
      sa,
      child: created.child,
      selectors: created.selectors,
      peerIdentity: identity,
      configuration: created.configuration,
      initialContact: findNotify(payloads, NotifyType.INITIAL_CONTACT) !== undefined,
      mobike,
      drain,
      response,
    };
  }
}
