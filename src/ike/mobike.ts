// MOBIKE (RFC 4555): an IKE SA and its children go on at other addresses.
//
// The client decides and the gateway follows: "initiator" and "responder" mean the ends of the first IKE SA of the
// session, also after rekeyings. A datagram's addresses change nothing by themselves; only UPDATE_SA_ADDRESSES does
// (section 3.8), and it takes the addresses from the datagram, as a NAT has made them. ESP is always in UDP here, so
// NAT traversal is never switched on or off.
import { addressBytes } from '../address.js';
import type { Endpoint } from './api.js';
import { concat } from './bytes.js';
import { ExchangeType, NotifyType } from './constants.js';
import type { Context } from './context.js';
import type { Established } from './established.js';
import { errorNotify } from './failure.js';
import type { IkeSa } from './ike-sa.js';
import { NOWHERE, natDetection } from './nat.js';
import { notification } from './payloads/notify.js';
import { findNotify, type Payload } from './payloads/payload.js';
import type { Task } from './task.js';

/** Section 4.2.5: 8 to 64 bytes. */
const COOKIE2_MIN = 8;
const COOKIE2_MAX = 64;
const OWN_COOKIE2_SIZE = 16;
const UNSPECIFIED = new Set(['0.0.0.0', '::']);

/** What a session that both ends support MOBIKE for does about addresses. */
export class Mobility {
  readonly #established: Established;
  readonly #context: Context;
  readonly #isInitiator: boolean;
  /** Counts the changes of our address that the gateway is to learn of. */
  #changes = 0;
  /** The last of them that it has answered. */
  #answered = 0;

  constructor(established: Established) {
    this.#established = established;
    this.#context = established.context;
    this.#isInitiator = established.context.settings.peer === 'gateway';
  }

  // --- As initiator

  /**
   * What we send now comes from another address, be it ours or a NAT's. What waits for a response goes at once from
   * there, for it holds the window; then the gateway is told (section 3.5).
   */
  announce(): void {
    if (!this.#isInitiator) return;
    this.#changes += 1;
    this.#established.hurry();
    this.#tell();
  }

  /** Added to a liveness check: how does the gateway see us (section 3.8)? */
  enquiry(sa: IkeSa): Payload[] {
    if (!this.#isInitiator) return [];
    // No address at all, as in IKE_SA_INIT: the gateway goes on taking us to be behind a NAT.
    return natDetection(sa, { source: NOWHERE, destination: this.#context.remote });
  }

  /** The response to an enquiry: announces us when the gateway sees us elsewhere than before. */
  answered(payloads: readonly Payload[], sa: IkeSa): void {
    const before = sa.mapping;
    this.#remember(payloads, sa);
    if (before === undefined || sa.mapping === undefined) return;
    if (Buffer.compare(before, sa.mapping) !== 0) this.announce();
  }

  #remember(payloads: readonly Payload[], sa: IkeSa): void {
    sa.mapping = findNotify(payloads, NotifyType.NAT_DETECTION_DESTINATION_IP)?.data ?? sa.mapping;
  }

  #tell(): void {
    const established = this.#established;
    const isUnderWay = established.isUnderWay(task => task instanceof UpdateAddresses);
    if (!isUnderWay) established.enqueueFirst(new UpdateAddresses(this));
    // The gateway asks for the response that makes the IKE SA in use known to it where we no longer are.
    const { predecessor } = established;
    if (predecessor !== undefined && predecessor.exchange.open === undefined) {
      established.begin(predecessor, new UpdateAddresses(this));
    }
  }

  /** The payloads of an update, and which change of our address it tells. */
  updateRequest(sa: IkeSa): { payloads: Payload[]; change: number } {
    const payloads = [notification(NotifyType.UPDATE_SA_ADDRESSES), ...this.enquiry(sa)];
    return { payloads, change: this.#changes };
  }

  /** The gateway answered an update. */
  updated(payloads: readonly Payload[], sa: IkeSa, change: number): void {
    const error = errorNotify(payloads);
    this.#remember(payloads, sa);
    // It may have seen the request at any of the addresses that this was sent from (section 3.6).
    if (change !== this.#changes) {
      this.#tell();
      return;
    }
    if (this.#answered === change) return;
    this.#answered = change;
    if (error === undefined) this.#context.emit({ type: 'addresses-updated' });
    else this.#context.emit({ type: 'addresses-refused', message: refusalText(error.notify) });
  }

  /** The IKE SA that carried an update ended before the response. */
  updateDropped(): void {
    if (!this.#established.isClosed && this.#answered !== this.#changes) this.#tell();
  }

  // --- As either

  /** What MOBIKE has to say to an INFORMATIONAL request, which may have moved the peer. */
  answer(payloads: readonly Payload[], sa: IkeSa): Payload[] {
    const cookie = findNotify(payloads, NotifyType.COOKIE2)?.data;
    const isEchoed = cookie !== undefined && cookie.length >= COOKIE2_MIN && cookie.length <= COOKIE2_MAX;
    const echo = isEchoed ? [notification(NotifyType.COOKIE2, cookie)] : [];
    if (isTranslated(this.#context, payloads)) {
      return [...echo, notification(NotifyType.UNEXPECTED_NAT_DETECTED)];
    }
    const isUpdate = findNotify(payloads, NotifyType.UPDATE_SA_ADDRESSES) !== undefined;
    if (isUpdate && !this.#isInitiator) this.#follow();
    const isAsked = findNotify(payloads, NotifyType.NAT_DETECTION_DESTINATION_IP) !== undefined;
    const { local, from } = this.#context;
    return [...echo, ...(isAsked ? natDetection(sa, { source: local, destination: from }) : [])];
  }

  // --- As responder

  /** The request came from where the client is to be reached from now on. */
  #follow(): void {
    const context = this.#context;
    const { from, remote } = context;
    context.remote = from;
    context.emit({ type: 'peer-moved', remote: from });
    // Section 3.7 lets the check follow the move where that is acceptable: ESP from the new address would move the
    // client all the same. Another port of the same address is the same machine, or its NAT.
    if (from.address === remote.address) return;
    if (!this.#established.isUnderWay(task => task instanceof ReturnRoutability)) this.check();
  }

  /** Makes sure that the client can receive where it says that it is. */
  check(): void {
    if (!this.#established.isClosed) this.#established.enqueueFirst(new ReturnRoutability(this));
  }

  newCookie(): { cookie: Uint8Array; address: string } {
    return { cookie: this.#context.random(OWN_COOKIE2_SIZE), address: this.#context.remote.address };
  }

  /** The answer to a check of `address`. It cannot be made up by anyone who has not received the request. */
  checked(payloads: readonly Payload[], cookie: Uint8Array, address: string): void {
    const echo = findNotify(payloads, NotifyType.COOKIE2)?.data;
    if (echo === undefined || Buffer.compare(echo, cookie) !== 0) {
      const message = 'the client gave another COOKIE2 back than it was sent';
      this.#established.finish({ byPeer: false, code: 'IKE_PROTOCOL', message });
    } else if (address !== this.#context.remote.address) {
      this.check();
    }
  }
}

/** Tells the gateway our new address. */
class UpdateAddresses implements Task {
  readonly subject = 'addresses';
  readonly #mobility: Mobility;
  #change = 0;

  constructor(mobility: Mobility) {
    this.#mobility = mobility;
  }

  request(sa: IkeSa): { exchange: number; payloads: Payload[] } {
    const { payloads, change } = this.#mobility.updateRequest(sa);
    this.#change = change;
    return { exchange: ExchangeType.INFORMATIONAL, payloads };
  }

  response(payloads: readonly Payload[], sa: IkeSa): void {
    this.#mobility.updated(payloads, sa, this.#change);
  }

  dropped(): void {
    this.#mobility.updateDropped();
  }
}

/** Asks the client for something that only who receives at its new address knows (section 3.7). */
class ReturnRoutability implements Task {
  readonly subject = 'addresses';
  readonly #mobility: Mobility;
  #cookie: Uint8Array = new Uint8Array(0);
  #address = '';

  constructor(mobility: Mobility) {
    this.#mobility = mobility;
  }

  request(): { exchange: number; payloads: Payload[] } {
    const { cookie, address } = this.#mobility.newCookie();
    this.#cookie = cookie;
    this.#address = address;
    return { exchange: ExchangeType.INFORMATIONAL, payloads: [notification(NotifyType.COOKIE2, cookie)] };
  }

  response(payloads: readonly Payload[]): void {
    this.#mobility.checked(payloads, this.#cookie, this.#address);
  }

  dropped(): void {
    this.#mobility.check();
  }
}

/** Whether the sender allows no NAT, and there is one (section 3.9). */
export function isTranslated({ from, local }: Context, payloads: readonly Payload[]): boolean {
  const claim = findNotify(payloads, NotifyType.NO_NATS_ALLOWED)?.data;
  if (claim === undefined) return false;
  // A socket for all addresses of this machine does not tell which of them the datagram was for.
  const isAnywhere = UNSPECIFIED.has(local.address);
  const size = addressBytes(from.address).length;
  const destination = isAnywhere ? claim.subarray(size, 2 * size) : addressBytes(local.address);
  return Buffer.compare(claim, concat(addressBytes(from.address), destination, ports(from, local))) !== 0;
}

function ports(source: Endpoint, destination: Endpoint): Uint8Array {
  const bytes = new Uint8Array(4);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, source.port);
  view.setUint16(2, destination.port);
  return bytes;
}

function refusalText(notify: number): string {
  if (notify === NotifyType.UNACCEPTABLE_ADDRESSES) return 'the gateway does not accept our new address';
  if (notify === NotifyType.UNEXPECTED_NAT_DETECTED) return 'the gateway does not accept a NAT on the way';
  return `the gateway refused our new address with notification ${notify}`;
}
