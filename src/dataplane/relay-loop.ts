/**
 * The relay server's worker: like the client's, with at most one batch of each descriptor in a turn:
 *   device:      read -> relayTransmit -> sendmmsg on the data socket and on the raw socket
 *   data socket: recvmmsg -> relayReceive -> write to the device, answer probes
 *   raw socket:  recvmmsg -> relayReceiveIpip -> write to the device
 * After that, clients that have changed their path are sent again what they lack.
 */
import { VpnrError } from '../errors.js';
import { readSockaddr } from '../io/sockaddr.js';
import {
  DROP_RX_CONTROL_FULL,
  EVENT_SESSION_MOVED,
  EVENT_SIZE,
  EVENTS,
  OK,
  PROBE_BITMAP,
  PROBE_BITMAP_MAX,
  RELAY_PROBE_BODY,
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
import { PacketCore, RELAY_MODES } from '../packet/core.js';
import { BatchIo, BatchSender, NONE } from './batch.js';
import type { Channel } from './channel.js';
import type {
  RelayCommand,
  RelayReport,
  RelayRole,
  ServerSession,
  SessionReport,
  StopCommand,
} from './messages.js';
import { initServer, packetAddress, ServerLoop, type ServerSocket } from './server-loop.js';
import { EVENT_QUEUE } from './shared.js';

export class RelayLoop {
  readonly #channel: Channel<RelayCommand, RelayReport>;
  readonly #tunFd: number;
  readonly #dataFd: number;
  readonly #rawFd: number;
  readonly #core = new PacketCore();
  readonly #io = new BatchIo(this.#core);
  readonly #dataSender = new BatchSender(this.#io, TX_MMSG);
  readonly #rawSender = new BatchSender(this.#io, TX_RAW_MMSG);
  readonly #loop: ServerLoop<RelayCommand, RelayReport>;

  constructor(role: RelayRole, channel: Channel<RelayCommand, RelayReport>) {
    this.#channel = channel;
    this.#tunFd = role.tunFd;
    this.#dataFd = role.dataFd;
    this.#rawFd = role.rawFd ?? NONE;
    initServer(this.#io, 'relayInit', role);
    this.#core.useOffloads(role.offloads);
    const { bytes, sessionBytes, ageMs } = role.replay ?? { bytes: 0, sessionBytes: 0, ageMs: 0 };
    this.#core.exports.relayReplay(bytes, sessionBytes, ageMs);
    const data = { fd: role.dataFd, sender: this.#dataSender, receive: (n: number) => this.#receive(n) };
    const raw = { fd: this.#rawFd, sender: this.#rawSender, receive: (n: number) => this.#receiveRaw(n) };
    const sockets: ServerSocket[] = role.rawFd === undefined ? [data] : [data, raw];
    this.#loop = new ServerLoop(channel, this.#io, role.tunFd, {
      sockets,
      answers: true,
      transmit: packets => this.#transmit(packets),
      carryOut: command => this.#carryOut(command),
      goOn: () => this.#resend(),
    });
  }

  /** Returns when the main thread says so. */
  run(): void {
    this.#loop.run();
  }

  // --- Packets ------------------------------------------------------------------------------------------------

  #transmit(packets: number): void {
    const messages = this.#core.exports.relayTransmit(packets);
    const rawMessages = this.#core.view.getUint32(RESULT_RAW, true);
    if (messages > 0) this.#dataSender.send(this.#dataFd, messages);
    if (rawMessages > 0) this.#rawSender.send(this.#rawFd, rawMessages);
  }

  #receive(datagrams: number): void {
    this.#core.exports.relayReceive(datagrams);
    this.#io.writeDevice(this.#tunFd);
    const replies = this.#core.view.getUint32(RESULT_REPLIES, true);
    if (replies > 0) this.#dataSender.send(this.#dataFd, replies);
    this.#reportEvents();
  }

  #receiveRaw(packets: number): void {
    this.#core.exports.relayReceiveIpip(packets);
    this.#io.writeDevice(this.#tunFd);
  }

  /** Sends again what clients have lacked since they changed their path. How soon there is more to send, in ms. */
  #resend(): number {
    const { exports } = this.#core;
    if (!exports.relayIsResending()) return Number.POSITIVE_INFINITY;
    const messages = exports.relayResend();
    if (messages > 0) this.#dataSender.send(this.#dataFd, messages);
    return messages > 0 && exports.relayIsResending() ? 0 : 1;
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

  #carryOut(command: Exclude<RelayCommand, StopCommand>): void {
    switch (command.type) {
      case 'install-session':
        this.#install(command.session);
        return;
      case 'remove-session':
        this.#core.exports.relaySessionRemove(command.index);
        return;
      case 'drain':
        this.#drain();
        return;
      case 'activity':
        this.#channel.post({
          type: 'activity',
          request: command.request,
          activity: command.indices.flatMap(index => this.#activity(index)),
        });
        return;
      case 'halt':
        this.#loop.halt();
        this.#channel.post({
          type: 'halted',
          request: command.request,
          received: command.indices.flatMap(index => this.#received(index)),
        });
        return;
    }
  }

  /** Trailing zeros of a bitmap say nothing. */
  #received(index: number): [index: number, state: Uint8Array][] {
    if (this.#core.exports.relaySessionReceived(index) !== OK) return [];
    const { bytes } = this.#core;
    const body = bytes.subarray(SCRATCH, SCRATCH + PROBE_BITMAP + PROBE_BITMAP_MAX);
    const last = body.findLastIndex(byte => byte !== 0);
    return [[index, body.slice(0, Math.max(last + 1, RELAY_PROBE_BODY))]];
  }

  #install({ index, mode, lease, sendKey, receiveKey }: ServerSession): void {
    this.#core.writeSessionKeys(mode, receiveKey, sendKey);
    receiveKey.fill(0);
    sendKey.fill(0);
    const status = this.#core.exports.relaySessionInstall(index, RELAY_MODES[mode], packetAddress(lease));
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

  /** Tells every client that the relay is about to stop. One batch after another, and each client once: what cannot be sent is dropped. */
  #drain(): void {
    this.#loop.abandon();
    for (let place = 0; place < SESSION_MAX; place = this.#core.view.getUint32(RESULT_NEXT, true)) {
      const messages = this.#core.exports.relayDrain(place);
      if (messages > 0) this.#dataSender.send(this.#dataFd, messages);
      this.#dataSender.abandon();
    }
  }
}
