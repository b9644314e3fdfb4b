import type { DhGroup, IkeOutput, TrafficSelector } from './api.js';
import type { Children } from './children.js';
import { ExchangeType, NotifyType, ProtocolId } from './constants.js';
import type { Context } from './context.js';
import { Drain } from './drain.js';
import { failureOf } from './failure.js';
import { REASSEMBLY_LIMITS } from './fragment.js';
import type { IkeSa } from './ike-sa.js';
import { answerInformational, DELETE_IKE_SA, DeleteChild, Liveness } from './informational.js';
import type { Message, ParsedHeader } from './message.js';
import { Mobility } from './mobike.js';
import { notification } from './payloads/notify.js';
import { findNotify, findPayload, type Payload } from './payloads/payload.js';
import { answerChild, RekeyChild } from './rekey-child.js';
import { answerIkeRekey, RekeyIke } from './rekey-ike.js';
import { IkeSyntaxError } from './syntax.js';
import type { Task } from './task.js';

/** Wait before a rekeying that the peer put off is tried again, and as much again at random. */
const RETRY_MS = 500;
/** As `RETRY_MS`, after a refusal for good reasons. */
const REFUSED_RETRY_MS = 30_000;
/** An IKE SA that the peer deleted, or should have deleted, answers repetitions for so long. */
const OLD_SA_MS = 30_000;

/** Bound on the IKE SAs that a peer can make us keep by rekeying. */
const MAX_SAS = 8;

/** How a session ended. */
export type Ending = Omit<Extract<IkeOutput, { type: 'closed' }>, 'type'>;

/** The selectors of the first child bound those of all later ones. */
export interface Selectors {
  localSelectors: readonly TrafficSelector[];
  remoteSelectors: readonly TrafficSelector[];
}

/**
 * A session after IKE_AUTH, the same for both roles: the IKE SA in use, those before and after it while a rekeying is
 * under way, the children, and our requests, one at a time.
 */
export class Established {
  readonly context: Context;
  readonly children: Children;
  readonly selectors: Selectors;
  /** Undefined when one of the ends does not support MOBIKE. */
  readonly mobility: Mobility | undefined;
  /** The group of a key exchange of its own that the peer wants when a child is rekeyed. */
  childGroup: DhGroup | undefined;
  rekeyIkeAt: number;
  /** The peer does. */
  readonly understandsDrain: boolean;
  /** New authentic messages of the peer. */
  heard = 0;
  #current: IkeSa;
  /** What the IKE SA in use took over from, as long as the peer may not know that it did. */
  #predecessor: IkeSa | undefined;
  readonly #sas = new Set<IkeSa>();
  readonly #queue: Task[] = [];
  #closed = false;

  constructor(
    context: Context,
    sa: IkeSa,
    children: Children,
    { selectors, mobike, drain }: { selectors: Selectors; mobike: boolean; drain: boolean },
  ) {
    this.context = context;
    this.children = children;
    this.selectors = selectors;
    this.#current = sa;
    this.#sas.add(sa);
    sa.reassemblyLimits = REASSEMBLY_LIMITS;
    this.understandsDrain = drain;
    this.mobility = mobike ? new Mobility(this) : undefined;
    this.rekeyIkeAt = context.softEnd(context.settings.lifetimes.ikeMs);
  }

  get current(): IkeSa {
    return this.#current;
  }

  /** The IKE SA of before, while the peer may know no other. */
  get predecessor(): IkeSa | undefined {
    return this.#predecessor;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Our SPIs of the session's IKE SAs. */
  get spis(): bigint[] {
    return [...this.#sas].map(({ ownSpi }) => ownSpi);
  }

  receive(datagram: Uint8Array, header: ParsedHeader): void {
    const sa = this.#find(header);
    if (sa === undefined) this.context.ignore('no IKE SA with these SPIs');
    else if (header.response) this.#receiveResponse(sa, datagram, header);
    else this.#receiveRequest(sa, datagram, header);
    this.#next();
  }

  tick(): void {
    const { now } = this.context;
    for (const sa of [...this.#sas]) {
      if (sa.endsAt !== undefined && sa.endsAt <= now) this.removeSa(sa);
      else this.#retransmit(sa);
      if (this.#closed) return;
    }
    for (const child of this.children.tick()) {
      child.state = 'closing';
      child.deleteAt = undefined;
      const { main } = this.children;
      if (this.children.sending === child && main !== undefined) this.children.sendOn(main);
      this.#queue.push(new DeleteChild(this, child));
    }
    if (this.rekeyIkeAt <= now) this.rekeyIke();
    if ((this.children.main?.rekeyAt ?? Number.POSITIVE_INFINITY) <= now) this.rekeyChild();
    this.#next();
  }

  nextTimer(): number {
    const times = [this.rekeyIkeAt, this.children.nextTimer()];
    for (const sa of this.#sas) {
      if (sa.endsAt !== undefined) times.push(sa.endsAt);
      if (sa.exchange.open !== undefined) times.push(sa.exchange.open.retransmission.dueAt);
    }
    return Math.min(...times);
  }

  probe(): void {
    if (this.#current.exchange.open !== undefined || this.#queue.length > 0) return;
    this.#queue.push(new Liveness(this.mobility));
    this.#next();
  }

  repeat(): void {
    const { open } = this.#current.exchange;
    if (open !== undefined) this.context.send(open.datagrams);
  }

  /** Our address has changed. */
  moved(): void {
    this.mobility?.announce();
    this.#next();
  }

  /** Asks the client to go elsewhere. */
  drain(): void {
    if (!this.understandsDrain || this.context.settings.peer !== 'client') return;
    if (!this.isUnderWay(task => task instanceof Drain)) this.#queue.push(new Drain());
    this.#next();
  }

  rekeyIke(): void {
    this.rekeyIkeAt = Number.POSITIVE_INFINITY;
    if (!this.isUnderWay(task => task instanceof RekeyIke)) this.#queue.push(new RekeyIke(this));
    this.#next();
  }

  rekeyChild(): void {
    const child = this.children.main;
    if (child === undefined) return;
    child.rekeyAt = Number.POSITIVE_INFINITY;
    const isRekeyed = this.isUnderWay(task => task instanceof RekeyChild && task.child === child);
    if (!isRekeyed) this.#queue.push(new RekeyChild(this, child));
    this.#next();
  }

  /** Says goodbye once and ends. */
  close(): void {
    const sa = this.#current;
    this.context.send(sa.seal(ExchangeType.INFORMATIONAL, false, sa.exchange.nextId, [DELETE_IKE_SA]));
    this.finish({ byPeer: false, message: 'closed' });
  }

  finish(ending: Ending): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue.length = 0;
    for (const sa of this.#sas) sa.wipe();
    this.#sas.clear();
    this.context.emit({ type: 'closed', ...ending });
  }

  /** Puts a task in front of those that wait; it begins at the end of the call. */
  enqueueFirst(task: Task): void {
    this.#queue.unshift(task);
  }

  /** Whether such a task waits, or is open on the IKE SA in use. */
  isUnderWay(predicate: (task: Task) => boolean): boolean {
    const open = this.#current.exchange.open?.task;
    return this.#queue.some(predicate) || (open !== undefined && predicate(open));
  }

  /** Sends again at once what waits for its response. */
  hurry(): void {
    for (const { exchange } of this.#sas) {
      if (exchange.open === undefined) continue;
      exchange.open.retransmission.restart(this.context.now);
      this.context.send(exchange.open.datagrams);
    }
  }

  /** Begins a task on an IKE SA other than the one in use. */
  begin(sa: IkeSa, task: Task): void {
    const request = task.request(sa);
    if (request === undefined) return;
    this.context.send(sa.begin(task, request.exchange, request.payloads, this.context.now));
  }

  /** Listens on an IKE SA that is not in use, or not yet. */
  addSa(sa: IkeSa): void {
    this.#sas.add(sa);
    if (this.#sas.size <= MAX_SAS) return;
    for (const other of this.#sas) {
      if (other.endsAt === undefined) continue;
      this.removeSa(other);
      return;
    }
  }

  removeSa(sa: IkeSa): void {
    if (sa === this.#predecessor) this.#predecessor = undefined;
    if (this.#sas.delete(sa)) sa.wipe();
  }

  /** `sa` takes over from `old`, children included; one of the two ends is going to delete `old`. */
  succeed(old: IkeSa, sa: IkeSa): void {
    this.addSa(sa);
    this.#current = sa;
    this.#predecessor = old;
    sa.endsAt = undefined;
    this.leaveBehind(old);
    this.rekeyIkeAt = this.context.softEnd(this.context.settings.lifetimes.ikeMs);
    this.context.emit({ type: 'ike-rekeyed' });
  }

  /** The peer is to delete this IKE SA; if it does not, it ends by itself. */
  leaveBehind(sa: IkeSa): void {
    sa.endsAt = this.context.now + OLD_SA_MS;
  }

  /** The peer deleted an IKE SA; our response is on its way. */
  saDeleted(sa: IkeSa): void {
    if (sa === this.#current) {
      const { open } = sa.exchange;
      const collision = open?.task instanceof RekeyIke ? open.task.collision : undefined;
      if (collision === undefined) {
        this.finish({ byPeer: true, message: `the ${this.context.settings.peer} closed the connection` });
        return;
      }
      // The peer holds its own rekeying for the one that stands: ours is forgotten (section 2.25.2).
      this.succeed(sa, collision.sa);
    }
    if (sa === this.#predecessor) this.#predecessor = undefined;
    sa.exchange.end()?.task.dropped?.();
    this.leaveBehind(sa);
    for (const { exchange } of this.#sas) {
      const task = exchange.open?.task;
      if (task instanceof RekeyIke && task.collision?.sa === sa) task.collision = undefined;
    }
  }

  /** When a rekeying that failed with this notification is tried again. */
  retryAt(notify: number | undefined): number {
    const wait = notify === NotifyType.TEMPORARY_FAILURE ? RETRY_MS : REFUSED_RETRY_MS;
    return this.context.now + wait + this.context.randomBelow(wait);
  }

  #find(header: ParsedHeader): IkeSa | undefined {
    for (const sa of this.#sas) if (sa.matches(header)) return sa;
    return undefined;
  }

  #receiveResponse(sa: IkeSa, datagram: Uint8Array, header: ParsedHeader): void {
    if (!sa.exchange.awaits(header.messageId)) {
      this.context.ignore('a response to nothing');
      return;
    }
    const message = this.#open(sa, datagram, header);
    const open = sa.exchange.open;
    if (message === undefined || open === undefined) return;
    sa.exchange.end();
    const { transmissions, startedAt } = open.retransmission;
    const roundTripMs = this.context.now - startedAt;
    this.context.emit({ type: 'alive', ...(transmissions === 1 ? { roundTripMs } : {}) });
    if (findNotify(message.payloads, NotifyType.INVALID_SYNTAX) !== undefined) {
      this.finish({ byPeer: true, ...failureOf(NotifyType.INVALID_SYNTAX, this.context.settings.peer) });
      return;
    }
    open.task.response(message.payloads, sa);
  }

  #receiveRequest(sa: IkeSa, datagram: Uint8Array, header: ParsedHeader): void {
    const place = sa.exchange.place(header.messageId);
    if (place === 'outside') {
      this.context.ignore('a request outside of the window');
    } else if (place === 'last') {
      this.#repeat(sa, datagram, header);
    } else {
      const message = this.#open(sa, datagram, header);
      if (message !== undefined) this.#answer(sa, message);
    }
  }

  #repeat(sa: IkeSa, datagram: Uint8Array, header: ParsedHeader): void {
    try {
      if (sa.isRepetition(datagram, header)) this.context.send(sa.exchange.answered);
    } catch (error) {
      if (!(error instanceof IkeSyntaxError)) throw error;
      this.context.ignore(error.message);
    }
  }

  /** The authenticated message, or undefined. An authentic one that is malformed ends the session (section 2.21.3). */
  #open(sa: IkeSa, datagram: Uint8Array, header: ParsedHeader): Message | undefined {
    try {
      const message = sa.open(datagram, header);
      if (message !== undefined) this.heard += 1;
      if (message !== undefined && sa === this.#current) this.#predecessor = undefined;
      return message;
    } catch (error) {
      if (!(error instanceof IkeSyntaxError)) throw error;
      if (!error.authenticated) this.context.ignore(error.message);
      else this.#refuse(sa, header, error);
      return undefined;
    }
  }

  #refuse(sa: IkeSa, header: ParsedHeader, error: IkeSyntaxError): void {
    if (!header.response) {
      const payloads = [notification(NotifyType.INVALID_SYNTAX)];
      this.context.send(sa.answer(header.exchange, header.messageId, payloads));
    }
    const message = `the ${this.context.settings.peer} sent a message that breaks the protocol: ${error.message}`;
    this.finish({ byPeer: false, code: 'IKE_PROTOCOL', message });
  }

  #answer(sa: IkeSa, message: Message): void {
    let answer: { payloads: Payload[]; afterwards?: () => void };
    try {
      answer = this.#carryOut(sa, message);
    } catch (error) {
      if (!(error instanceof IkeSyntaxError)) throw error;
      this.#refuse(sa, { ...message, firstPayload: 0 }, error);
      return;
    }
    this.context.send(sa.answer(message.exchange, message.messageId, answer.payloads));
    answer.afterwards?.();
  }

  #carryOut(sa: IkeSa, { exchange, payloads }: Message): { payloads: Payload[]; afterwards?: () => void } {
    for (const payload of payloads) {
      if (payload.type !== 'unknown' || !payload.critical) continue;
      const data = Uint8Array.of(payload.payloadType);
      return { payloads: [notification(NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, data)] };
    }
    if (exchange === ExchangeType.INFORMATIONAL) return answerInformational(this, sa, payloads);
    if (exchange === ExchangeType.CREATE_CHILD_SA) return { payloads: this.#createChild(sa, payloads) };
    throw new IkeSyntaxError(`exchange type ${exchange}`, 'malformed', true);
  }

  #createChild(sa: IkeSa, payloads: readonly Payload[]): Payload[] {
    const offered = findPayload(payloads, 'SA');
    if (offered === undefined) throw new IkeSyntaxError('CREATE_CHILD_SA without SA', 'malformed', true);
    // Replaced already, or one of two that a collision of rekeyings made, of which it is open which one stands.
    if (sa !== this.#current) return [notification(NotifyType.TEMPORARY_FAILURE)];
    const isIke = offered.proposals[0]?.protocol === ProtocolId.IKE;
    return (isIke ? answerIkeRekey : answerChild)(this, sa, payloads, offered);
  }

  #retransmit(sa: IkeSa): void {
    const { open } = sa.exchange;
    if (open === undefined || open.retransmission.dueAt > this.context.now) return;
    if (open.retransmission.again(this.context.now)) {
      this.context.send(open.datagrams);
    } else if (sa === this.#current) {
      const message = `the ${this.context.settings.peer} does not answer any more`;
      this.finish({ byPeer: false, code: 'GATEWAY_TIMEOUT', message });
    } else {
      this.removeSa(sa);
    }
  }

  /** Begins the next of our requests if the window is free. */
  #next(): void {
    while (!this.#closed && this.#current.exchange.open === undefined) {
      const task = this.#queue.shift();
      if (task === undefined) return;
      this.begin(this.#current, task);
    }
  }
}
