/**
 * The client's worker: a loop that moves packets between the device and the gateways. A turn waits for something
 * to do, carries out commands, then handles at most one batch of each descriptor, so that none starves another:
 *   device: read -> clientTransmit -> sendmmsg on the active path's socket, and on that of the second path
 *   path:   recvmmsg -> clientReceive -> write to the device; IKE and events to the main thread
 */
import { monotonicMs, monotonicNs } from '../io/clock.js';
import { errnoName } from '../io/libc.js';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, PollSet } from '../io/poll.js';
import { takeSocketError } from '../io/udp.js';
import {
  DROP_RX_CONTROL_FULL,
  EVENT_DRAIN,
  EVENT_PROBE_REPLY,
  EVENT_SIZE,
  EVENT_SUSPECT,
  EVENT_SWITCHED,
  EVENTS,
  MMSG_SIZE,
  OK,
  OWN_MESSAGE,
  PATH_MAX,
  RESULT_EVENTS,
  RESULT_SECOND,
  SECOND_MESSAGE,
  SWITCH_NONE,
  TRAFFIC_RECEIVED,
  TRAFFIC_SENT,
  TX_MMSG,
} from '../packet/abi.js';
import { PacketCore } from '../packet/core.js';
import { carryOutForChild } from './associations.js';
import { BatchIo, BatchSender, NONE } from './batch.js';
import type { Channel } from './channel.js';
import type { ClientCommand, ClientReport, ClientRole } from './messages.js';
import { EVENT_QUEUE } from './shared.js';
import { Switchover } from './switchover.js';
import { TrafficReporter } from './traffic.js';

/** Longest wait for something to do: a process that ends in haste waits no longer for this thread. */
const IDLE_MS = 1000;
/** How long a full send buffer may hold up the device before what waits is dropped: a link of 5 Mbit/s needs less. */
const BLOCKED_MS = 500;
/** Packets, both ways, after which what was kept of them is acknowledged, when no probe does so before. */
const ACKNOWLEDGE_PACKETS = 1024;
/** Least time between two reports of errors on the same path. */
const PATH_ERROR_MS = 100;

const WAKE = 0;
const DEVICE = 1;
const FIRST_PATH = 2;

export class ClientLoop {
  readonly #channel: Channel<ClientCommand, ClientReport>;
  readonly #tunFd: number;
  readonly #core = new PacketCore();
  readonly #io = new BatchIo(this.#core);
  readonly #poll = new PollSet(FIRST_PATH + PATH_MAX);
  /** Descriptor of each path. */
  readonly #sockets = new Int32Array(PATH_MAX).fill(NONE);
  readonly #sender = new BatchSender(this.#io, TX_MMSG, (fd, reason) => this.#sendFailed(fd, reason));
  readonly #ownSender = new BatchSender(this.#io, TX_MMSG + OWN_MESSAGE * MMSG_SIZE);
  readonly #secondSender = new BatchSender(this.#io, TX_MMSG + SECOND_MESSAGE * MMSG_SIZE, (fd, reason) =>
    this.#sendFailed(fd, reason),
  );
  readonly #switchover = new Switchover(this.#core, {
    sendProbe: () => this.#sendOwn(this.#activePath),
    done: (epoch, ms, answered) => {
      const path = this.#activePath;
      if (path !== undefined) this.#channel.post({ type: 'switched', path, epoch, ms, answered });
    },
  });
  #activePath: number | undefined;
  #secondPath: number | undefined;
  /** What is sent is kept, and how many packets of applications had moved when that was last acknowledged, modulo 2^32. */
  #keeps = false;
  #acknowledged = 0;
  /** Of the last probe on each path that came back, in ms. */
  readonly #roundTrips: (number | undefined)[] = [];
  /** An event was reported in this turn. */
  #reported = false;
  /** The device is read. */
  #reads = true;
  #blockedSince = 0;
  /** When an error on each path was reported last. */
  readonly #errorReported = new Float64Array(PATH_MAX).fill(Number.NEGATIVE_INFINITY);

  constructor(role: ClientRole, channel: Channel<ClientCommand, ClientReport>) {
    this.#channel = channel;
    this.#tunFd = role.tunFd;
    this.#core.initClient(BigInt(this.#io.base));
    this.#core.useOffloads(role.offloads);
    this.#poll.watch(WAKE, channel.wakeFd, POLLIN);
    this.#poll.watch(DEVICE, this.#tunFd, POLLIN);
  }

  /** Returns when the main thread says so. */
  run(): void {
    const publish = this.#channel.publisher(this.#core);
    const traffic = new TrafficReporter(this.#core, (sent, received) => {
      this.#channel.postTo(EVENT_QUEUE, { type: 'traffic', sent, received });
    });
    for (let wasReady = false; ; ) {
      this.#poll.wait(Math.min(this.#waitMs(), traffic.waitMs));
      this.#core.setClock(monotonicMs());
      if (this.#poll.ready(WAKE) !== 0 && !this.#carryOutAll()) return;
      if (this.#sender.blockedOn !== NONE) this.#resume();
      this.#switchover.advance();
      if (this.#sender.blockedOn === NONE) {
        if (this.#switchover.isResending) this.#resend();
        else if (this.#poll.ready(DEVICE) !== 0) this.#transmit(wasReady);
      }
      wasReady = this.#poll.ready(DEVICE) !== 0;
      for (let path = 0; path < PATH_MAX; path++) {
        if (this.#poll.ready(FIRST_PATH + path) !== 0) this.#receive(path);
      }
      this.#watchDevice(this.#sender.blockedOn === NONE && !this.#switchover.isResending);
      if (this.#keeps) this.#acknowledge();
      publish();
      traffic.look(this.#reported);
      this.#reported = false;
    }
  }

  // --- Packets ------------------------------------------------------------------------------------------------

  /** `goesOn`: the device was ready a turn ago, too, so there is more than one packet. */
  #transmit(goesOn: boolean): void {
    const packets = this.#io.readDevice(this.#tunFd, goesOn);
    const messages = this.#core.exports.clientTransmit(packets);
    this.#send(messages);
    const seconds = this.#core.view.getUint32(RESULT_SECOND, true);
    if (seconds === 0 || this.#secondPath === undefined) return;
    const fd = this.#sockets[this.#secondPath] as number;
    if (fd === NONE) return;
    // A copy that cannot be sent now is of no use later.
    this.#secondSender.send(fd, seconds);
    this.#secondSender.abandon();
  }

  /** Sends again what was lost on the path of before. */
  #resend(): void {
    this.#send(this.#switchover.resend());
  }

  #send(messages: number): void {
    if (messages <= 0 || this.#activePath === undefined) return;
    this.#sender.send(this.#sockets[this.#activePath] as number, messages);
    if (this.#sender.blockedOn !== NONE) this.#block(this.#activePath);
  }

  #waitMs(): number {
    if (this.#sender.blockedOn !== NONE) return BLOCKED_MS;
    return Math.min(IDLE_MS, this.#switchover.waitMs);
  }

  #watchDevice(reads: boolean): void {
    if (reads === this.#reads) return;
    this.#reads = reads;
    this.#poll.watch(DEVICE, this.#tunFd, reads ? POLLIN : 0);
  }

  /** Lets both ends forget what has arrived, so that what they keep stays within the processor's cache. */
  #acknowledge(): void {
    const { view } = this.#core;
    const moved = view.getUint32(TRAFFIC_SENT, true) + view.getUint32(TRAFFIC_RECEIVED, true);
    if (this.#activePath === undefined || (moved - this.#acknowledged) >>> 0 < ACKNOWLEDGE_PACKETS) return;
    this.#acknowledged = moved >>> 0;
    this.#probe(this.#activePath, 0, true);
  }

  #receive(path: number): void {
    const fd = this.#sockets[path] as number;
    const ready = this.#poll.ready(FIRST_PATH + path);
    if ((ready & (POLLERR | POLLHUP)) !== 0) this.#pathError(path, takeSocketError(fd));
    if ((ready & POLLIN) === 0) return;
    const datagrams = this.#io.receive(fd);
    if (datagrams < 0) this.#pathError(path, errnoName(-datagrams));
    if (datagrams <= 0) return;
    const { exports } = this.#core;
    exports.clientCredit(path, this.#channel.room(path));
    exports.clientReceive(path, datagrams);
    this.#io.writeDevice(this.#tunFd);
    if (this.#io.hasIke) this.#reportIke(path);
    this.#reportEvents();
  }

  /** The send buffer is full: the device's queue fills instead, which slows its senders down without loss. */
  #block(path: number): void {
    this.#blockedSince = monotonicMs();
    this.#poll.watch(FIRST_PATH + path, this.#sender.blockedOn, POLLIN | POLLOUT);
  }

  /** Sends what waits, if it can be sent now; drops it if it has waited too long. */
  #resume(): void {
    const fd = this.#sender.blockedOn;
    const path = this.#sockets.indexOf(fd);
    if ((this.#poll.ready(FIRST_PATH + path) & (POLLOUT | POLLERR)) !== 0) this.#sender.resume();
    if (this.#sender.blockedOn === NONE) this.#unblock(path, fd);
    else if (monotonicMs() - this.#blockedSince >= BLOCKED_MS) this.#abandon();
  }

  #abandon(): void {
    const fd = this.#sender.blockedOn;
    if (fd === NONE) return;
    this.#sender.abandon();
    this.#unblock(this.#sockets.indexOf(fd), fd);
  }

  #unblock(path: number, fd: number): void {
    this.#poll.watch(FIRST_PATH + path, fd, POLLIN);
  }

  // --- Reports ------------------------------------------------------------------------------------------------

  #reportIke(path: number): void {
    for (const { datagram } of this.#io.ikeMessages()) {
      // The core has kept to the credit, so there is room.
      this.#channel.postTo(path, { type: 'ike', path, datagram }, [datagram.buffer]);
    }
  }

  #reportEvents(): void {
    const { view } = this.#core;
    const events = view.getUint32(RESULT_EVENTS, true);
    for (let i = 0; i < events; i++) {
      const event = EVENTS + i * EVENT_SIZE;
      const kind = view.getUint32(event, true);
      const path = view.getUint32(event + 4, true);
      if (kind === EVENT_PROBE_REPLY) {
        const id = view.getUint32(event + 8, true);
        const heardMsAgo = view.getUint32(event + 12, true);
        const roundTripMs = Number(monotonicNs() - view.getBigUint64(event + 16, true)) / 1e6;
        this.#roundTrips[path] = roundTripMs;
        this.#reportEvent({ type: 'probe-reply', path, id, roundTripMs, heardMsAgo });
      } else if (kind === EVENT_SUSPECT) {
        this.#reportEvent({ type: 'suspected', path, silentMs: view.getUint32(event + 8, true) });
      } else if (kind === EVENT_SWITCHED) {
        this.#switchover.answered();
      } else if (kind === EVENT_DRAIN) {
        this.#reportEvent({ type: 'drain' });
      }
    }
  }

  #reportEvent(report: ClientReport): void {
    this.#reported = true;
    if (!this.#channel.postTo(EVENT_QUEUE, report)) this.#io.count(DROP_RX_CONTROL_FULL, 1);
  }

  #sendFailed(fd: number, reason: number): void {
    const path = this.#sockets.indexOf(fd);
    if (path >= 0) this.#pathError(path, errnoName(reason));
  }

  /** Tells the main thread of an error of a path's socket, at most once in PATH_ERROR_MS. It ends nothing. */
  #pathError(path: number, code: string | undefined): void {
    const now = monotonicMs();
    if (code === undefined || now - (this.#errorReported[path] as number) < PATH_ERROR_MS) return;
    this.#errorReported[path] = now;
    this.#channel.postTo(EVENT_QUEUE, { type: 'path-error', path, code });
  }

  // --- Commands -----------------------------------------------------------------------------------------------

  /** False if the loop is to end. */
  #carryOutAll(): boolean {
    for (const command of this.#channel.commands()) {
      if (command.type === 'stop') return false;
      this.#carryOut(command);
    }
    return true;
  }

  #carryOut(command: Exclude<ClientCommand, { type: 'stop' }>): void {
    const core = this.#core;
    switch (command.type) {
      case 'open-path':
        this.#sockets[command.path] = command.fd;
        this.#poll.watch(FIRST_PATH + command.path, command.fd, POLLIN);
        return;
      case 'move-path':
        this.#movePath(command.path, command.fd);
        return;
      case 'close-path':
        this.#closePath(command.path);
        return;
      case 'install-child':
      case 'send-on':
      case 'remove-child':
        carryOutForChild(core, command, (path, outbound) => core.setPath(path, outbound));
        return;
      case 'virtual-address':
        core.setVirtualAddresses(command.path, command.address);
        return;
      case 'addresses':
        core.setDeviceAddresses(...(command.device === undefined ? [] : [command.device]));
        core.setControlAddresses(...(command.control === undefined ? [] : [command.control]));
        core.setMaxSegment(command.maxSegment);
        return;
      case 'relay':
        core.setRelay(command.relay);
        return;
      case 'bind-relay':
        this.#bind(command);
        return;
      case 'relay-gone':
        core.exports.clientRelayGone(command.gone);
        return;
      case 'activate':
        this.#activate(command);
        return;
      case 'failover': {
        const { replay, duplicate } = command.settings;
        core.setReplay(replay.bytes, replay.ageMs);
        this.#keeps = replay.bytes > 0;
        core.setFlows(duplicate);
        return;
      }
      case 'second-path':
        this.#secondPath = command.path;
        core.setSecondPath(command.path);
        this.#tellSecondPath();
        return;
      case 'probe':
        this.#probe(command.path, command.id, false);
        return;
    }
  }

  #bind({ relay, session, resumed }: Extract<ClientCommand, { type: 'bind-relay' }>): void {
    const core = this.#core;
    const parameters = { ...session, sessionIndex: session.index };
    core.setRelay(relay);
    if (resumed === undefined) core.bindRelay(parameters);
    else core.rebindRelay(parameters, resumed.received);
    session.sendKey.fill(0);
    session.receiveKey.fill(0);
    const path = this.#activePath;
    this.#switchover.renewed(path === undefined ? undefined : this.#roundTrips[path]);
  }

  #movePath(path: number, fd: number): void {
    const before = this.#sockets[path] as number;
    if (before === this.#sender.blockedOn) this.#abandon();
    this.#sockets[path] = fd;
    this.#poll.watch(FIRST_PATH + path, fd, POLLIN);
    this.#channel.post({ type: 'path-closed', fd: before });
  }

  #closePath(path: number): void {
    const fd = this.#sockets[path] as number;
    if (fd === this.#sender.blockedOn) this.#abandon();
    this.#sockets[path] = NONE;
    this.#poll.clear(FIRST_PATH + path);
    this.#core.setPath(path, undefined);
    this.#core.setVirtualAddresses(path);
    this.#channel.post({ type: 'path-closed', fd });
  }

  #activate({ path, epoch, kind }: Extract<ClientCommand, { type: 'activate' }>): void {
    const before = this.#activePath;
    // What waits was sealed for the path of before.
    if (path !== before) this.#abandon();
    this.#activePath = path;
    if (path === this.#secondPath) this.#secondPath = undefined;
    this.#core.activate(path, epoch, kind);
    if (path === undefined) return;
    const roundTripBefore = before === undefined ? undefined : this.#roundTrips[before];
    this.#switchover.begin(epoch, kind, roundTripBefore, this.#roundTrips[path]);
    // The relay follows at once.
    if (kind === 'alive' || this.#core.exports.clientSwitchState() === SWITCH_NONE)
      this.#probe(path, 0, true);
    this.#tellSecondPath();
  }

  #tellSecondPath(): void {
    if (this.#secondPath !== undefined) this.#probe(this.#secondPath, 0, true);
  }

  /** `quiet`: no report comes of its reply. */
  #probe(path: number, id: number, quiet: boolean): void {
    const now = monotonicNs();
    const [low, high] = [Number(now & 0xffff_ffffn), Number(now >> 32n)];
    if (this.#core.exports.clientProbe(path, id, low, high, quiet) === OK) this.#sendOwn(path);
  }

  /** Sends the core's own message, now or not at all. */
  #sendOwn(path: number | undefined): void {
    const fd = path === undefined ? NONE : (this.#sockets[path] as number);
    if (fd === NONE) return;
    this.#ownSender.send(fd, 1);
    this.#ownSender.abandon();
  }
}
