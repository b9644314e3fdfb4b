// IKE_SA_INIT and IKE_AUTH as initiator (RFC 7296 sections 1.2, 2.6, 2.7 and 2.21.1).
//
// Nothing in IKE_SA_INIT is authenticated, so whoever reads our request can answer it first: with a refusal, a cookie,
// another group, or a whole response. None of these decides anything. The request stays open and is sent again; refusals
// are remembered as the probable cause, should nothing better come. A COOKIE or INVALID_KE_PAYLOAD makes a further
// request, but responses to the earlier ones stay welcome. Each response, up to a bound, becomes a candidate: IKE_AUTH
// is tried with the first, then, when that fails or is silent, with the next; the one that proves to be the gateway
// stands. If an attempt that such a notification steered fails, one more follows with new SPI and nonce, in which
// notifications have to wait, so that the gateway's own response comes first. This holds against an attacker that can
// read and inject; one that can also suppress datagrams can prevent a connection anyway.
import { VpnrError } from '../errors.js';
import type { DhGroup, InitiatorOptions } from './api.js';
import { Candidate, type InitRequest, type InitResponse, responseGroup } from './candidate.js';
import { ExchangeType, NotifyType } from './constants.js';
import type { Context } from './context.js';
import { generateKeyExchange, type KeyExchange } from './crypto/dh.js';
import { Retransmission } from './exchange.js';
import { errorNotify, type Failure, failureOf } from './failure.js';
import type { Handshake, Outcome } from './handshake.js';
import { groupInNotify, keyPayload } from './key-exchange.js';
import { emitMessage, type ParsedHeader, parseMessage } from './message.js';
import { NOWHERE, natDetection } from './nat.js';
import { type NotifyPayload, notification } from './payloads/notify.js';
import { findNotify, type Payload } from './payloads/payload.js';
import { groupId, offerIke } from './proposal.js';

/** An unauthenticated refusal counts when nothing better has come for so long. */
const HINT_GRACE_MS = 3000;
/** A candidate's refusal counts once the gateway's own response has had so long since the start to come. */
const REFUSAL_GRACE_MS = 1000;
/** Further requests made at once; later ones take the place of a retransmission. */
const MAX_PROMPT_RESTARTS = 3;
/** Bound on the responses that are looked at. */
const MAX_RESPONSES = 16;
/** Transmissions of IKE_AUTH without an answer after which the next candidate gets its turn. */
const PATIENCE = 2;
const MAX_ATTEMPTS = 2;
/** Section 2.6: 1 to 64 bytes. */
const MAX_COOKIE_SIZE = 64;

/** What a COOKIE or INVALID_KE_PAYLOAD notification asks for. */
type Steering = { cookie: Uint8Array } | { group: DhGroup };

export class InitiatorHandshake implements Handshake {
  readonly #context: Context;
  readonly #options: InitiatorOptions;
  #attempt: Attempt | undefined;
  #attempts = 0;
  #outcome: Outcome | undefined;

  constructor(context: Context, options: InitiatorOptions) {
    this.#context = context;
    this.#options = options;
  }

  get outcome(): Outcome | undefined {
    return this.#outcome;
  }

  start(): void {
    this.#attempts += 1;
    this.#attempt = new Attempt(this.#context, this.#options, this.#attempts > 1);
  }

  get spis(): bigint[] {
    return this.#attempt === undefined ? [] : [this.#attempt.spi];
  }

  receive(datagram: Uint8Array, header: ParsedHeader): void {
    this.#attempt?.receive(datagram, header);
    this.#check();
  }

  tick(): void {
    this.#attempt?.tick();
    this.#check();
  }

  nextTimer(): number {
    return this.#attempt?.nextTimer() ?? Number.POSITIVE_INFINITY;
  }

  end(): void {
    this.#attempt?.end();
    this.#attempt = undefined;
  }

  #check(): void {
    const outcome = this.#attempt?.outcome;
    if (outcome === undefined) return;
    const mayBeMisled = outcome.type === 'failed' && this.#attempt?.wasSteered === true;
    this.end();
    if (mayBeMisled && this.#attempts < MAX_ATTEMPTS) this.start();
    else this.#outcome = outcome;
  }
}

/** One initiator SPI and nonce, with all that came of them. */
class Attempt {
  outcome: Outcome | undefined;
  readonly #context: Context;
  readonly #options: InitiatorOptions;
  readonly #cautious: boolean;
  readonly #startedAt: number;
  readonly spi: bigint;
  readonly #nonce: Uint8Array;
  readonly #keyExchanges = new Map<DhGroup, KeyExchange>();
  /** All requests sent, the latest last: a response may be to any. */
  readonly #requests: InitRequest[] = [];
  #retransmission: Retransmission;
  #cookie: Uint8Array | undefined;
  #group: DhGroup;
  #promptRestarts = 0;
  /** What the next retransmission is to follow, one of `#steeringsSeen` picked at random. */
  #steering: Steering | undefined;
  #steeringsSeen = 0;
  #hint: (Failure & { at: number }) | undefined;
  readonly #waiting: InitResponse[] = [];
  readonly #seen: Uint8Array[] = [];
  #candidates: Candidate[] = [];
  #candidatesMade = 0;
  #refusal: Failure | undefined;

  constructor(context: Context, options: InitiatorOptions, cautious: boolean) {
    this.#context = context;
    this.#options = options;
    this.#cautious = cautious;
    this.#startedAt = context.now;
    this.spi = context.newIkeSpi();
    this.#nonce = context.newNonce();
    this.#group = options.ike[0]?.group ?? 'x25519';
    this.#retransmission = this.#patience();
    this.#sendRequest();
  }

  /** Whether unauthenticated notifications had a part in this, and a candidate was refused. */
  get wasSteered(): boolean {
    return this.#requests.length > 1 && this.#refusal !== undefined;
  }

  receive(datagram: Uint8Array, header: ParsedHeader): void {
    if (header.exchange === ExchangeType.IKE_SA_INIT) {
      this.#receiveInit(datagram, header);
    } else {
      const candidates = this.#candidates.filter(candidate => candidate.matches(header));
      if (candidates.length === 0) this.#context.ignore('a response to nothing');
      for (const candidate of candidates) candidate.receive(datagram, header);
    }
    this.#conclude();
  }

  tick(): void {
    const { now } = this.#context;
    if (this.#candidates.some(({ isOpen }) => isOpen)) this.#tickCandidates(now);
    else if (this.#candidates.length > 0 && now >= this.#startedAt + REFUSAL_GRACE_MS) {
      for (const candidate of this.#candidates) candidate.giveUp();
    } else if (this.#refusal === undefined && this.#retransmission.dueAt <= now) this.#repeatRequest(now);
    this.#conclude();
  }

  nextTimer(): number {
    const open = this.#candidates.filter(({ isOpen }) => isOpen);
    const times = open.map(({ retransmission }) => retransmission.dueAt);
    if (times.length === 0) {
      const isRefused = this.#refusal !== undefined || this.#candidates.length > 0;
      if (isRefused) return this.#startedAt + REFUSAL_GRACE_MS;
      times.push(this.#retransmission.dueAt);
      if (this.#hint !== undefined) times.push(this.#hint.at + HINT_GRACE_MS);
    }
    return Math.min(...times);
  }

  end(): void {
    for (const candidate of this.#candidates) candidate.end();
    this.#candidates = [];
  }

  #receiveInit(datagram: Uint8Array, header: ParsedHeader): void {
    const context = this.#context;
    if (!header.response || header.initiator || header.messageId !== 0 || header.initiatorSpi !== this.spi) {
      context.ignore('not a response to our IKE_SA_INIT');
      return;
    }
    const message = parseMessage(datagram);
    if (responseGroup(message) !== undefined) {
      this.#keep({ datagram: datagram.slice(), message });
      return;
    }
    const cookie = findNotify(message.payloads, NotifyType.COOKIE);
    const error = errorNotify(message.payloads);
    if (cookie !== undefined) this.#steerByCookie(cookie.data);
    else if (error?.notify === NotifyType.INVALID_KE_PAYLOAD) this.#steerByGroup(error);
    else if (error !== undefined) this.#hint ??= { ...failureOf(error.notify, 'gateway'), at: context.now };
    else context.ignore('an IKE_SA_INIT response without content');
  }

  #keep(response: InitResponse): void {
    if (this.#seen.some(datagram => Buffer.compare(datagram, response.datagram) === 0)) {
      this.#context.ignore('an IKE_SA_INIT response that came before');
      return;
    }
    if (this.#seen.length === MAX_RESPONSES) {
      this.#context.ignore('too many IKE_SA_INIT responses');
      return;
    }
    this.#seen.push(response.datagram);
    const request = this.#requestOf(response);
    if (request === undefined) this.#context.ignore('an IKE_SA_INIT response of another group');
    else if (!this.#isVariant(request, response)) this.#waiting.push(response);
  }

  #isVariant(request: InitRequest, response: InitResponse): boolean {
    return this.#sensible(() => this.#candidates.some(one => one.adopt(request, response))) ?? false;
  }

  /** The result of taking a response at its word, or undefined when it makes no sense. */
  #sensible<T>(action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof VpnrError) || error.code === 'INTERNAL') throw error;
      this.#context.ignore(`an IKE_SA_INIT response that makes no sense: ${error.message}`);
      return undefined;
    }
  }

  /** With several requests of one group, by cookies, the responder will have answered the last. */
  #requestOf({ message }: InitResponse): InitRequest | undefined {
    const group = responseGroup(message);
    return this.#requests.findLast(({ keyExchange }) => groupId(keyExchange.group) === group);
  }

  /** Makes a candidate of the next response that makes sense, or a variant of one. False when there is none. */
  #tryNext(): boolean {
    for (let response = this.#waiting.shift(); response !== undefined; response = this.#waiting.shift()) {
      const request = this.#requestOf(response);
      if (request === undefined) continue;
      if (this.#isVariant(request, response)) return true;
      const index = this.#candidatesMade++;
      const candidate = this.#sensible(
        () => new Candidate(this.#context, this.#options, request, response, index),
      );
      if (candidate === undefined) continue;
      this.#candidates.push(candidate);
      return true;
    }
    return false;
  }

  #steerByCookie(cookie: Uint8Array): void {
    const isUsable = cookie.length > 0 && cookie.length <= MAX_COOKIE_SIZE;
    const isKnown = this.#cookie !== undefined && Buffer.compare(this.#cookie, cookie) === 0;
    if (isUsable && !isKnown) this.#steer({ cookie: cookie.slice() });
    else this.#context.ignore('a cookie of no use');
  }

  #steerByGroup(notify: NotifyPayload): void {
    const group = groupInNotify(notify);
    const isOffered = this.#options.ike.some(proposal => proposal.group === group);
    if (group !== undefined && isOffered && group !== this.#group) this.#steer({ group });
    else if (group !== this.#group) {
      const message = 'the gateway wants a Diffie-Hellman group that was not offered';
      this.#hint ??= { code: 'NO_PROPOSAL_CHOSEN', message, at: this.#context.now };
    }
  }

  #steer(steering: Steering): void {
    if (!this.#cautious && this.#promptRestarts < MAX_PROMPT_RESTARTS) {
      this.#promptRestarts += 1;
      this.#retransmission = this.#patience();
      this.#follow(steering);
      return;
    }
    this.#steeringsSeen += 1;
    if (this.#context.randomBelow(this.#steeringsSeen) < 1) this.#steering = steering;
  }

  #patience(): Retransmission {
    const { settings, now } = this.#context;
    return new Retransmission({ ...settings.timing, ...this.#options.initTiming }, now);
  }

  #follow(steering: Steering): void {
    if ('cookie' in steering) this.#cookie = steering.cookie;
    else this.#group = steering.group;
    this.#sendRequest();
  }

  /** Once more, or as a notification in the meantime asked for. */
  #repeatRequest(now: number): void {
    if (!this.#retransmission.again(now)) {
      const silence: Failure = { code: 'GATEWAY_TIMEOUT', message: 'the gateway does not answer' };
      const { code, message } = this.#hint ?? silence;
      this.outcome = { type: 'failed', code, message };
      return;
    }
    const steering = this.#steering;
    this.#steering = undefined;
    this.#steeringsSeen = 0;
    if (steering !== undefined) this.#follow(steering);
    else this.#resend();
  }

  #resend(): void {
    const latest = this.#requests.at(-1);
    if (latest !== undefined) this.#context.send([latest.datagram]);
  }

  #sendRequest(): void {
    let keyExchange = this.#keyExchanges.get(this.#group);
    if (keyExchange === undefined) {
      keyExchange = generateKeyExchange(this.#group, this.#context.random);
      this.#keyExchanges.set(this.#group, keyExchange);
    }
    const datagram = emitMessage({
      initiatorSpi: this.spi,
      responderSpi: 0n,
      exchange: ExchangeType.IKE_SA_INIT,
      initiator: true,
      response: false,
      messageId: 0,
      payloads: this.#requestPayloads(keyExchange),
    });
    this.#requests.push({ datagram, initiatorSpi: this.spi, nonce: this.#nonce, keyExchange });
    this.#context.send([datagram]);
  }

  #requestPayloads(keyExchange: KeyExchange): Payload[] {
    const { ike, remote } = this.#options;
    return [
      ...(this.#cookie === undefined ? [] : [notification(NotifyType.COOKIE, this.#cookie)]),
      offerIke(ike),
      keyPayload(keyExchange),
      { type: 'Nonce', data: this.#nonce },
      ...natDetection({ initiatorSpi: this.spi, responderSpi: 0n }, { source: NOWHERE, destination: remote }),
      notification(NotifyType.IKEV2_FRAGMENTATION_SUPPORTED),
    ];
  }

  #tickCandidates(now: number): void {
    let impatient = false;
    for (const candidate of this.#candidates) {
      if (!candidate.isOpen || candidate.retransmission.dueAt > now) continue;
      if (candidate.retransmission.again(now)) candidate.send();
      else candidate.fail({ code: 'GATEWAY_TIMEOUT', message: 'the gateway does not answer IKE_AUTH' });
      impatient ||= candidate.retransmission.transmissions > PATIENCE;
    }
    if (!impatient) return;
    if (this.#waiting.length > 0) this.#tryNext();
    else this.#resend();
  }

  /** Takes the outcomes of the candidates together, and tries further responses when none is open. */
  #conclude(): void {
    do {
      for (const candidate of this.#candidates) this.#collect(candidate);
      if (this.outcome !== undefined) return;
      this.#candidates = this.#candidates.filter(({ outcome }) => outcome === undefined);
      if (this.#candidates.some(({ isOpen }) => isOpen)) return;
    } while (this.#tryNext());
    if (this.#candidates.length > 0) return;
    const { now } = this.#context;
    if (this.#refusal !== undefined) {
      const isFinal = this.#refusal.code === 'GATEWAY_TIMEOUT' || now >= this.#startedAt + REFUSAL_GRACE_MS;
      if (isFinal) this.outcome = { type: 'failed', ...this.#refusal };
    } else if (this.#hint !== undefined && now >= this.#hint.at + HINT_GRACE_MS) {
      const { code, message } = this.#hint;
      this.outcome = { type: 'failed', code, message };
    }
  }

  #collect(candidate: Candidate): void {
    const { outcome } = candidate;
    if (outcome?.type === 'established') this.outcome = outcome;
    if (outcome?.type !== 'failed') return;
    candidate.end();
    // What was said under the keys of IKE_SA_INIT tells more than silence.
    if (this.#refusal === undefined || this.#refusal.code === 'GATEWAY_TIMEOUT') this.#refusal = outcome;
  }
}
