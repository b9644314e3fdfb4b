// A peer by hand: it holds the other half of an IKE SA and sends whatever a test wants, in any order.
import * as assert from 'uvu/assert';
import type { ChildSa, Endpoint, IkeOutput, IkeProposal } from '../../src/ike/api.js';
import { Children } from '../../src/ike/children.js';
import { ExchangeType } from '../../src/ike/constants.js';
import { Context, DEFAULT_LIMITS } from '../../src/ike/context.js';
import { deriveIkeKeys } from '../../src/ike/crypto/keys.js';
import { Established } from '../../src/ike/established.js';
import { DEFAULT_TIMING } from '../../src/ike/exchange.js';
import { STRANGERS_REASSEMBLY_LIMITS } from '../../src/ike/fragment.js';
import { IkeSa } from '../../src/ike/ike-sa.js';
import { type Message, parseHeader } from '../../src/ike/message.js';
import type { Payload } from '../../src/ike/payloads/payload.js';
import { anySelector } from '../../src/ike/selectors.js';
import { Secret } from '../../src/secret.js';
import { LOCAL, Random, REMOTE } from './simulation.js';

export const PROPOSAL: IkeProposal = { encryption: 'chacha20poly1305', prf: 'prfsha256', group: 'x25519' };
export const P256: IkeProposal = { ...PROPOSAL, group: 'ecp256' };

/** SPIs of the first child, as the session under test sees them. */
export const INBOUND = 0x1111;
export const OUTBOUND = 0x2222;

function halves(): { ours: IkeSa; theirs: IkeSa } {
  const half = (isInitiator: boolean) =>
    new IkeSa({
      initiatorSpi: 0x1234567890abcdefn,
      responderSpi: 0xfedcba0987654321n,
      isInitiator,
      proposal: PROPOSAL,
      keys: deriveIkeKeys({
        prf: PROPOSAL.prf,
        encryption: PROPOSAL.encryption,
        initiatorSpi: 0x1234567890abcdefn,
        responderSpi: 0xfedcba0987654321n,
        initiatorNonce: new Uint8Array(32).fill(1),
        responderNonce: new Uint8Array(32).fill(2),
        sharedSecret: new Secret(new Uint8Array(32).fill(3)),
      }),
      fragmentSize: 1200,
      reassemblyLimits: STRANGERS_REASSEMBLY_LIMITS,
      timing: DEFAULT_TIMING,
      nextId: 0,
      peerId: 0,
    });
  return { ours: half(true), theirs: half(false) };
}

export interface RawPeerOptions {
  seed?: number;
  /** Of the session under test, in the first IKE SA. */
  role?: 'initiator' | 'responder';
  mobike?: boolean;
}

/** An established session with one child, and the peer that a test plays. */
export class RawPeer {
  now = 1000;
  readonly established: Established;
  readonly context: Context;
  /** The peer's half. */
  readonly sa: IkeSa;
  readonly outputs: IkeOutput[] = [];
  /** SPIs allocated and not given back. */
  readonly reserved: number[] = [];
  #nextId = 0;
  #sent: Uint8Array[] = [];

  constructor({ seed = 1, role = 'initiator', mobike = false }: RawPeerOptions = {}) {
    const random = new Random(seed);
    const { ours, theirs } = halves();
    this.sa = theirs;
    this.context = new Context(
      {
        ike: [PROPOSAL, P256],
        esp: ['chacha20poly1305', 'aes256gcm16'],
        lifetimes: { ikeMs: 4 * 3600_000, childMs: 3600_000 },
        timing: DEFAULT_TIMING,
        limits: DEFAULT_LIMITS,
        fragmentSize: 1200,
        peer: role === 'initiator' ? 'gateway' : 'client',
      },
      {
        random: size => random.bytes(size),
        allocateSpi: () => {
          const spi = 256 + random.below(2 ** 31);
          this.reserved.push(spi);
          return spi;
        },
        releaseSpi: spi => {
          this.reserved.splice(this.reserved.indexOf(spi), 1);
        },
      },
      { local: LOCAL, remote: REMOTE },
    );
    this.context.now = this.now;
    const children = new Children(this.context);
    const selectors = { localSelectors: [anySelector(4)], remoteSelectors: [anySelector(4)] };
    children.add(firstChild(selectors), 'main');
    this.established = new Established(this.context, ours, children, { selectors, mobike, drain: true });
    this.take();
    this.outputs.length = 0;
  }

  /** Calls the session; its outputs of this call. */
  call(action: (established: Established) => void): IkeOutput[] {
    this.context.now = this.now;
    action(this.established);
    return this.take();
  }

  take(): IkeOutput[] {
    const outputs = this.context.take();
    this.outputs.push(...outputs);
    for (const output of outputs) if (output.type === 'send') this.#sent.push(output.datagram);
    return outputs;
  }

  /** Lets datagrams come from another address from now on. */
  comeFrom(from: Endpoint): void {
    this.context.from = from;
  }

  receive(...datagrams: readonly Uint8Array[]): IkeOutput[] {
    return datagrams.flatMap(datagram =>
      this.call(established => established.receive(datagram, parseHeader(datagram))),
    );
  }

  /** Sends a request; the payloads of the response, which must come at once. */
  request(exchange: number, payloads: Payload[], sa = this.sa, messageId = this.#nextId++): Payload[] {
    this.receive(...sa.seal(exchange, false, messageId, payloads));
    const response = this.messages(sa).find(message => message.response && message.messageId === messageId);
    assert.ok(response, 'no response');
    return response?.payloads ?? [];
  }

  inform(...payloads: Payload[]): Payload[] {
    return this.request(ExchangeType.INFORMATIONAL, payloads);
  }

  /** Messages that the session sent, since the last call of this. */
  messages(sa = this.sa): Message[] {
    const sent = this.#sent;
    this.#sent = [];
    return sent.flatMap(datagram => {
      const header = parseHeader(datagram);
      if (!sa.matches(header)) {
        this.#sent.push(datagram);
        return [];
      }
      const message = sa.open(datagram, header);
      return message === undefined ? [] : [message];
    });
  }

  /** The request that the session has just sent. */
  pending(sa = this.sa): Message {
    const request = this.messages(sa).find(message => !message.response);
    assert.ok(request, 'the session sent no request');
    return request as Message;
  }

  /** Answers a request of the session. */
  respond(request: Message, payloads: Payload[], sa = this.sa): IkeOutput[] {
    return this.receive(...sa.seal(request.exchange, true, request.messageId, payloads));
  }
}

function firstChild(selectors: Pick<ChildSa, 'localSelectors' | 'remoteSelectors'>): ChildSa {
  return {
    suite: 'chacha20poly1305',
    inboundSpi: INBOUND,
    outboundSpi: OUTBOUND,
    inboundKey: new Secret(new Uint8Array(36)),
    outboundKey: new Secret(new Uint8Array(36)),
    ...selectors,
  };
}
