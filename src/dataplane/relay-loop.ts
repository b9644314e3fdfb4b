/**
 * The relay server's worker: like the client's, with at most one batch of each descriptor in a turn:
 *   device:      read -> relayTransmit -> sendmmsg on the data socket and on the raw socket
 *   data socket: recvmmsg -> relayReceive -> write to the device, answer probes
 *   raw socket:  recvmmsg -> relayReceiveIpip -> write to the device
 */

import { addressBytes } from '../address.js';
import { VpnrError } from '../errors.js';
import { monotonicMs } from '../io/clock.js';
import { POLLERR, POLLIN, POLLOUT, PollSet } from '../io/poll.js';
import { readSockaddr } from '../io/sockaddr.js';
import { takeSocketError } from '../io/udp.js';
import {
  DROP_RX_CONTROL_FULL,
  EVENT_SESSION_MOVED,
  EVENT_SIZE,
  EVENTS,
  OK,
  RELAY_MODE_CLEAR,
  RELAY_MODE_IPIP,
  RESULT_EVENTS,
  RESULT_NEXT,
  RESULT_RAW,
  RESULT_REPLIES,
  SCRATCH,
  SESSION_INFO_EPOCH,
  SESSION_INFO_PATH,
  SESSION_INFO_RECEIVED,
  SESSION_MAX,
  TX_MMSG,
  TX_RAW_MMSG,
} from '../packet/abi.js';
import { PacketCore } from '../packet/core.js';
import { BatchIo, BatchSender, NONE } from './batch.js';
import type { Channel } from './channel.js';
import type { RelayCommand, RelayReport, RelayRole, ServerSession, SessionReport } from './messages.js';
import { EVENT_QUEUE } from './shared.js';

/** As in the client's loop; but here a full send buffer stops receiving too, and a relay's link is fast. */
const IDLE_MS = 1000;
const BLOCKED_MS = 50;

const WAKE = 0;
const DEVICE = 1;
const DATA = 2;
const RAW = 3;
const SLOTS = 4;

const MODES = { clear: RELAY_MODE_CLEAR, ipip: RELAY_MODE_IPIP } as const;
const KEY_SIZE = 16;

export class RelayLoop {
  readonly #channel: Channel<RelayCommand, RelayReport>;
  readonly #tunFd: number;
  readonly #dataFd: number;
  readonly #rawFd: number;
  readonly #core = new PacketCore();
  readonly #io = new BatchIo(this.#core);
  readonly #poll = new PollSet(SLOTS);
  readonly #dataSender = new BatchSender(this.#io, TX_MMSG);
  readonly #rawSender = new BatchSender(this.#io, TX_RAW_MMSG);
  /** Nothing is received until what waits was sent. */
  #held = false;
  #heldSince = 0;

  constructor(role: RelayRole, channel: Channel<RelayCommand, RelayReport>) {
    this.#channel = channel;
    this.#tunFd = role.tunFd;
    this.#dataFd = role.dataFd;
    this.#rawFd = role.rawFd ?? NONE;
    const base = BigInt(this.#io.base);
    const { pool, maxSegment } = role;
    const status = this.#core.exports.relayInit(
      Number(base & 0xffff_ffffn),
      Number(base >> 32n),
      packetAddress(pool.address),
      pool.length,
      maxSegment,
    );
    if (status !== OK) throw new VpnrError('CONFIG_INVALID', `a pool of /${pool.length} is too large`);
    this.#poll.watch(WAKE, channel.wakeFd, POLLIN);
    this.#watch();
  }

  /** Returns when the main thread says so. */
  run(): void {
    const publish = this.#channel.publisher(this.#core);
    for (;;) {
      this.#poll.wait(this.#held ? BLOCKED_MS : IDLE_MS);
      if (this.#poll.ready(WAKE) !== 0 && !this.#carryOutAll()) return;
      if (this.#blocked) this.#resume();
      // Answers and packets from the device share a message array: while some wait, nothing is received either.
      if (!this.#blocked && this.#poll.ready(DEVICE) !== 0) this.#transmit();
      if (!this.#blocked && this.#poll.ready(DATA) !== 0) this.#receive();
      if (!this.#blocked && this.#poll.ready(RAW) !== 0) this.#receiveRaw();
      if (this.#blocked !== this.#held) this.#hold();
      publish();
    }
  }

  // --- Packets ------------------------------------------------------------------------------------------------

  #transmit(): void {
    const packets = this.#io.readDevice(this.#tunFd);
    const messages = this.#core.exports.relayTransmit(packets);
    const rawMessages = this.#core.view.getUint32(RESULT_RAW, true);
    if (messages > 0) this.#dataSender.send(this.#dataFd, messages);
    if (rawMessages > 0) this.#rawSender.send(this.#rawFd, rawMessages);
  }

  #receive(): void {
    if ((this.#poll.ready(DATA) & POLLERR) !== 0) takeSocketError(this.#dataFd);
    const datagrams = this.#io.receive(this.#dataFd);
    if (datagrams <= 0) return;
    this.#core.exports.relayReceive(datagrams);
    this.#io.writeDevice(this.#tunFd);
    const replies = this.#core.view.getUint32(RESULT_REPLIES, true);
    if (replies > 0) this.#dataSender.send(this.#dataFd, replies);
    this.#reportEvents();
  }

  #receiveRaw(): void {
    if ((this.#poll.ready(RAW) & POLLERR) !== 0) takeSocketError(this.#rawFd);
    const packets = this.#io.receive(this.#rawFd);
    if (packets <= 0) return;
    this.#core.exports.relayReceiveIpip(packets);
    this.#io.writeDevice(this.#tunFd);
  }

  /** Whether messages wait for room in a send buffer. */
  get #blocked(): boolean {
    return this.#dataSender.blockedOn !== NONE || this.#rawSender.blockedOn !== NONE;
  }

  /** Sends what waits, if it can be sent now; drops it if it has waited too long. */
  #resume(): void {
    if (this.#dataSender.blockedOn !== NONE) this.#dataSender.resume();
    if (this.#rawSender.blockedOn !== NONE) this.#rawSender.resume();
    if (this.#blocked && monotonicMs() - this.#heldSince >= BLOCKED_MS) this.#abandon();
  }

  #abandon(): void {
    this.#dataSender.abandon();
    this.#rawSender.abandon();
  }

  /** Begins or ends to wait for nothing but room in the send buffers. */
  #hold(): void {
    this.#held = this.#blocked;
    this.#heldSince = monotonicMs();
    this.#watch();
  }

  #watch(): void {
    const events = (sender: BatchSender) => (sender.blockedOn !== NONE ? POLLOUT : this.#held ? 0 : POLLIN);
    this.#poll.watch(DEVICE, this.#tunFd, this.#held ? 0 : POLLIN);
    this.#poll.watch(DATA, this.#dataFd, events(this.#dataSender));
    if (this.#rawFd !== NONE) this.#poll.watch(RAW, this.#rawFd, events(this.#rawSender));
  }

  #reportEvents(): void {
    const { view } = this.#core;
    const events = view.getUint32(RESULT_EVENTS, true);
    for (let i = 0; i < events; i++) {
      const event = EVENTS + i * EVENT_SIZE;
      if (view.getUint32(event, true) !== EVENT_SESSION_MOVED) continue;
      const index = view.getUint32(event + 4, true);
      const epoch = view.getUint32(event + 12, true);
      const report: RelayReport = {
        type: 'session-moved',
        index,
        path: readSockaddr(view, event + 16),
        epoch,
      };
      if (!this.#channel.postTo(EVENT_QUEUE, report)) this.#io.count(DROP_RX_CONTROL_FULL, 1);
    }
  }

  // --- Commands -----------------------------------------------------------------------------------------------

  /** False if the loop is to end. */
  #carryOutAll(): boolean {
    for (const command of this.#channel.commands()) {
      switch (command.type) {
        case 'stop':
          return false;
        case 'install-session':
          this.#install(command.session);
          break;
        case 'remove-session':
          this.#core.exports.relaySessionRemove(command.index);
          break;
        case 'drain':
          this.#drain();
          break;
        case 'activity':
          this.#channel.post({
            type: 'activity',
            request: command.request,
            sessions: command.indices.flatMap(index => this.#activity(index)),
          });
          break;
      }
    }
    return true;
  }

  #install({ index, mode, lease, sendKey, receiveKey }: ServerSession): void {
    this.#core.bytes.set(receiveKey, SCRATCH);
    this.#core.bytes.set(sendKey, SCRATCH + KEY_SIZE);
    receiveKey.fill(0);
    sendKey.fill(0);
    const status = this.#core.exports.relaySessionInstall(index, MODES[mode], packetAddress(lease));
    if (status !== OK)
      throw new VpnrError('INTERNAL', `relaySessionInstall of the packet core returned ${status}`);
  }

  /** Nothing, or what is known of the session. */
  #activity(index: number): SessionReport[] {
    if (this.#core.exports.relaySessionInfo(index) !== OK) return [];
    const { view } = this.#core;
    const received = Number(view.getBigUint64(SESSION_INFO_RECEIVED, true));
    const epoch = view.getUint32(SESSION_INFO_EPOCH, true);
    if (view.getUint16(SESSION_INFO_PATH, true) === 0) return [{ index, received, epoch }];
    return [{ index, received, epoch, path: readSockaddr(view, SESSION_INFO_PATH) }];
  }

  /** Asks every client to leave. One batch after another, and each client once: what cannot be sent is dropped. */
  #drain(): void {
    this.#abandon();
    for (let place = 0; place < SESSION_MAX; place = this.#core.view.getUint32(RESULT_NEXT, true)) {
      const messages = this.#core.exports.relayDrain(place);
      if (messages > 0) this.#dataSender.send(this.#dataFd, messages);
      this.#dataSender.abandon();
    }
  }
}

/** An IPv4 address as it lies in packets, read as the core reads it. */
function packetAddress(text: string): number {
  const bytes = addressBytes(text);
  return new DataView(bytes.buffer).getUint32(0, true);
}
