// A gateway as providers of networks run them: it joins networks, so it assigns no addresses, and agrees to the selectors that it
// is set to. Only what goes well.
import * as assert from 'uvu/assert';
import type { IkeEnvironment, ResponderOptions } from '../../src/ike/api.js';
import { isAuthentic, makeAuth } from '../../src/ike/authentication.js';
import { makeChild } from '../../src/ike/child.js';
import { ExchangeType } from '../../src/ike/constants.js';
import type { Context } from '../../src/ike/context.js';
import { generateKeyExchange } from '../../src/ike/crypto/dh.js';
import { deriveIkeKeys } from '../../src/ike/crypto/keys.js';
import type { Handshake, Outcome } from '../../src/ike/handshake.js';
import { IkeSa } from '../../src/ike/ike-sa.js';
import { keyPayload, wrongGroup } from '../../src/ike/key-exchange.js';
import { emitMessage, type Message, type ParsedHeader, parseMessage } from '../../src/ike/message.js';
import { natDetection } from '../../src/ike/nat.js';
import { identityPayload, identityText } from '../../src/ike/payloads/id.js';
import { findPayload, type Payload, type PayloadOf } from '../../src/ike/payloads/payload.js';
import { chooseEsp, chooseIke, groupId } from '../../src/ike/proposal.js';
import { cidrSelector, narrowSelectors } from '../../src/ike/selectors.js';
import { makeContext, Session } from '../../src/ike/session.js';

export interface ServiceOptions extends ResponderOptions {
  /** What is on the client's side, in CIDR notation. */
  behindClient: readonly string[];
}

/** `handshake.auth` is the client's IKE_AUTH request, once it has come. */
export function createService(
  options: ServiceOptions,
  env: IkeEnvironment,
): { session: Session; handshake: ServiceHandshake } {
  const context = makeContext(options, env, 'client');
  const handshake = new ServiceHandshake(context, options);
  return { session: new Session(context, handshake), handshake };
}

class ServiceHandshake implements Handshake {
  outcome: Outcome | undefined;
  auth: readonly Payload[] = [];
  readonly #context: Context;
  readonly #options: ServiceOptions;
  #request: { datagram: Uint8Array; message: Message } | undefined;
  #response: Uint8Array = new Uint8Array(0);
  #nonce: Uint8Array = new Uint8Array(0);
  #sa: IkeSa | undefined;

  constructor(context: Context, options: ServiceOptions) {
    this.#context = context;
    this.#options = options;
  }

  start(): void {}
  tick(): void {}
  end(): void {}

  nextTimer(): number {
    return Number.POSITIVE_INFINITY;
  }

  get spis(): bigint[] {
    return this.#sa === undefined ? [] : [this.#sa.responderSpi];
  }

  receive(datagram: Uint8Array, header: ParsedHeader): void {
    if (header.exchange === ExchangeType.IKE_SA_INIT) this.#init(datagram.slice(), parseMessage(datagram));
    else this.#authenticate(datagram, header);
  }

  #init(datagram: Uint8Array, message: Message): void {
    const { local, remote, ike } = this.#options;
    const { initiatorSpi, payloads } = message;
    const ke = need(payloads, 'KE');
    const choice = chooseIke(need(payloads, 'SA'), ike, false);
    assert.ok(choice, 'a proposal in common');
    const { proposal, answer } = choice as NonNullable<typeof choice>;
    const isRightGroup = groupId(proposal.group) === ke.group;
    const responderSpi = isRightGroup ? this.#context.newIkeSpi() : 0n;
    const keyExchange = generateKeyExchange(proposal.group, this.#context.random);
    this.#nonce = this.#context.newNonce();
    this.#response = emitMessage({
      initiatorSpi,
      responderSpi,
      exchange: ExchangeType.IKE_SA_INIT,
      initiator: false,
      response: true,
      messageId: 0,
      payloads: isRightGroup
        ? [
            answer(),
            keyPayload(keyExchange),
            { type: 'Nonce', data: this.#nonce },
            ...natDetection({ initiatorSpi, responderSpi }, { source: local, destination: remote }),
          ]
        : [wrongGroup(proposal.group)],
    });
    this.#context.send([this.#response]);
    if (!isRightGroup) return;
    this.#request = { datagram, message };
    const sharedSecret = keyExchange.sharedSecret(ke.data);
    const keys = deriveIkeKeys({
      prf: proposal.prf,
      encryption: proposal.encryption,
      initiatorSpi,
      responderSpi,
      initiatorNonce: need(payloads, 'Nonce').data,
      responderNonce: this.#nonce,
      sharedSecret,
    });
    this.#sa = new IkeSa({
      initiatorSpi,
      responderSpi,
      isInitiator: false,
      proposal,
      keys,
      fragmentSize: undefined,
      timing: this.#context.settings.timing,
      nextId: 0,
      peerId: 1,
    });
  }

  #authenticate(datagram: Uint8Array, header: ParsedHeader): void {
    const [sa, request] = [this.#sa, this.#request];
    if (sa === undefined || request === undefined) return;
    const { identity, psk, esp, networks, behindClient } = this.#options;
    const payloads = sa.open(datagram, header)?.payloads ?? [];
    this.auth = payloads;
    const id = need(payloads, 'IDi');
    const key = psk(identityText(id));
    if (key === undefined) return;
    const { prf } = sa.proposal;
    const initiatorNonce = need(request.message.payloads, 'Nonce').data;
    const theirs = { message: request.datagram, peerNonce: this.#nonce, authKey: sa.keys.initiatorAuth, id };
    assert.ok(isAuthentic(need(payloads, 'AUTH'), { prf, psk: key, ...theirs }));
    const own = identityPayload('IDr', identity);
    const ours = {
      message: this.#response,
      peerNonce: initiatorNonce,
      authKey: sa.keys.responderAuth,
      id: own,
    };
    const choice = chooseEsp(
      need(payloads, 'SA'),
      esp.map(suite => ({ suite })),
    );
    assert.ok(choice, 'an ESP suite in common');
    const { proposal, peerSpi, answer } = choice as NonNullable<typeof choice>;
    const localSelectors = narrowSelectors(need(payloads, 'TSr').selectors, networks.map(cidrSelector));
    const remoteSelectors = narrowSelectors(need(payloads, 'TSi').selectors, behindClient.map(cidrSelector));
    const selectors = { localSelectors, remoteSelectors };
    const inboundSpi = this.#context.env.allocateSpi();
    const child = makeChild(sa, {
      isInitiator: false,
      initiatorNonce,
      responderNonce: this.#nonce,
      suite: proposal.suite,
      inboundSpi,
      outboundSpi: peerSpi,
      ...selectors,
    });
    this.outcome = {
      type: 'established',
      sa,
      child,
      selectors,
      peerIdentity: identityText(id),
      configuration: { addresses: [], dns: [], domains: [], subnets: [] },
      initialContact: false,
      mobike: false,
      drain: false,
      response: sa.answer(ExchangeType.IKE_AUTH, 1, [
        own,
        makeAuth({ prf, psk: key, ...ours }),
        answer(inboundSpi),
        { type: 'TSi', selectors: remoteSelectors },
        { type: 'TSr', selectors: localSelectors },
      ]),
    };
  }
}

function need<T extends Payload['type']>(payloads: readonly Payload[], type: T): PayloadOf<T> {
  const found = findPayload(payloads, type);
  if (found === undefined) throw new Error(`no ${type} payload`);
  return found;
}
