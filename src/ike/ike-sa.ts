import type { IkeProposal, RetransmitTiming } from './api.js';
import { PayloadType } from './constants.js';
import { type IkeKeys, wipeIkeKeys } from './crypto/keys.js';
import { openMessage, sealMessage } from './crypto/protected.js';
import { OpeningKey, SealingKey } from './crypto/sealing.js';
import { Exchange } from './exchange.js';
import {
  fragmentNumber,
  REASSEMBLY_LIMITS,
  Reassembler,
  type ReassemblyLimits,
  sealFragments,
} from './fragment.js';
import type { Message, ParsedHeader } from './message.js';
import type { Payload } from './payloads/payload.js';
import type { Task } from './task.js';

export interface IkeSaInputs {
  initiatorSpi: bigint;
  responderSpi: bigint;
  /** Whether we are the original initiator: of the exchange that created this IKE SA. */
  isInitiator: boolean;
  proposal: IkeProposal;
  /** Owned by the IKE SA from now on. */
  keys: IkeKeys;
  /** Largest datagram before fragments are used; undefined when the peer does not support them. */
  fragmentSize: number | undefined;
  /** Where the IVs of what we send begin, 0 if absent: for IKE SAs that may turn out to have the same keys. */
  firstIv?: bigint;
  /** Absent: those of a peer that has authenticated itself. */
  reassemblyLimits?: ReassemblyLimits;
  timing: RetransmitTiming;
  /** Message IDs of the next request each way. */
  nextId: number;
  peerId: number;
}

/** One IKE SA: its SPIs, keys and windows. */
export class IkeSa {
  readonly initiatorSpi: bigint;
  readonly responderSpi: bigint;
  readonly isInitiator: boolean;
  readonly proposal: IkeProposal;
  readonly keys: IkeKeys;
  fragmentSize: number | undefined;
  reassemblyLimits: ReassemblyLimits;
  /** What the peer sent last as NAT_DETECTION_DESTINATION_IP: it changes with the address that the peer sees us at. */
  mapping: Uint8Array | undefined;
  readonly exchange: Exchange<Task>;
  /** When it is dropped without a word; undefined for the one in use. */
  endsAt: number | undefined;
  readonly #sealing: SealingKey;
  readonly #opening: OpeningKey;
  readonly #requests = new Reassembler();
  readonly #responses = new Reassembler();

  constructor(inputs: IkeSaInputs) {
    const { keys, isInitiator, proposal } = inputs;
    this.initiatorSpi = inputs.initiatorSpi;
    this.responderSpi = inputs.responderSpi;
    this.isInitiator = isInitiator;
    this.proposal = proposal;
    this.keys = keys;
    this.fragmentSize = inputs.fragmentSize;
    this.reassemblyLimits = inputs.reassemblyLimits ?? REASSEMBLY_LIMITS;
    this.exchange = new Exchange(inputs.timing, inputs.nextId, inputs.peerId);
    const [ours, theirs] = isInitiator
      ? [keys.initiatorEncryption, keys.responderEncryption]
      : [keys.responderEncryption, keys.initiatorEncryption];
    this.#sealing = new SealingKey(proposal.encryption, ours, inputs.firstIv);
    this.#opening = new OpeningKey(proposal.encryption, theirs);
  }

  /** The SPI that we chose. */
  get ownSpi(): bigint {
    return this.isInitiator ? this.initiatorSpi : this.responderSpi;
  }

  /** Whether a datagram with this header may be from the peer of this IKE SA. */
  matches({ initiatorSpi, responderSpi, initiator }: ParsedHeader): boolean {
    return (
      initiatorSpi === this.initiatorSpi &&
      responderSpi === this.responderSpi &&
      initiator !== this.isInitiator
    );
  }

  /** The datagrams of a message: one, or its fragments. */
  seal(exchange: number, response: boolean, messageId: number, payloads: Payload[]): Uint8Array[] {
    const { initiatorSpi, responderSpi, isInitiator } = this;
    const message = {
      initiatorSpi,
      responderSpi,
      exchange,
      initiator: isInitiator,
      response,
      messageId,
      payloads,
    };
    if (this.fragmentSize === undefined) return [sealMessage(message, this.#sealing)];
    return sealFragments(message, this.#sealing, this.fragmentSize);
  }

  /**
   * The message that a datagram of the awaited message ID completes, or undefined when fragments are missing. Throws
   * `IkeSyntaxError`.
   */
  open(datagram: Uint8Array, header: ParsedHeader): Message | undefined {
    if (header.firstPayload !== PayloadType.SKF) return openMessage(datagram, this.#opening);
    const reassembler = header.response ? this.#responses : this.#requests;
    return reassembler.accept(datagram, this.#opening, this.reassemblyLimits);
  }

  /**
   * Whether a datagram is an authentic repetition of a request that was answered before. Of fragments only the first
   * counts, so that one repetition is answered once (RFC 7383 section 2.6.1).
   */
  isRepetition(datagram: Uint8Array, header: ParsedHeader): boolean {
    if (header.firstPayload !== PayloadType.SKF) {
      openMessage(datagram, this.#opening);
      return true;
    }
    if (fragmentNumber(datagram) !== 1) return false;
    new Reassembler().accept(datagram, this.#opening);
    return true;
  }

  /** Seals and sends a request of ours, whose window must be free. */
  begin(task: Task, exchange: number, payloads: Payload[], now: number): readonly Uint8Array[] {
    const datagrams = this.seal(exchange, false, this.exchange.nextId, payloads);
    this.exchange.begin(datagrams, task, now);
    return datagrams;
  }

  /** Seals the response to the peer's request that `exchange.place` called next, and keeps it for repetitions. */
  answer(exchange: number, messageId: number, payloads: Payload[]): readonly Uint8Array[] {
    const datagrams = this.seal(exchange, true, messageId, payloads);
    this.exchange.answer(datagrams);
    return datagrams;
  }

  wipe(): void {
    this.exchange.end()?.task.dropped?.();
    this.#sealing.wipe();
    this.#opening.wipe();
    wipeIkeKeys(this.keys);
  }
}
