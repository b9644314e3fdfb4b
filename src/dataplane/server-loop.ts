/**
 * A server's worker, relay or gateway: a loop that moves packets between the device and the sockets on which all clients
 * send. A turn waits for something to do, carries out commands, then handles at most one batch of each descriptor, so
 * that none starves another. While messages wait for room in a send buffer the device is not read: its queue fills, which
 * slows its senders down without loss.
 */
import { addressBytes } from '../address.js';
import { VpnrError } from '../errors.js';
import { monotonicMs } from '../io/clock.js';
import { POLLERR, POLLIN, POLLOUT, PollSet } from '../io/poll.js';
import { takeSocketError } from '../io/udp.js';
import { OK } from '../packet/abi.js';
import { type BatchIo, type BatchSender, NONE } from './batch.js';
import type { Channel } from './channel.js';
import type { ServerSettings, StopCommand } from './messages.js';

/** Longest wait for something to do: a process that ends in haste waits no longer for this thread. */
const IDLE_MS = 1000;
/** How long a full send buffer may hold up the rest before what waits is dropped; a server's link is fast. */
const BLOCKED_MS = 50;

const WAKE = 0;
const DEVICE = 1;
const FIRST_SOCKET = 2;

export interface ServerSocket {
  fd: number;
  sender: BatchSender;
  /** Handles the first `datagrams` of RX_MMSG. */
  receive(datagrams: number): void;
}

export interface ServerRole<Command> {
  sockets: readonly ServerSocket[];
  /** Receiving sends answers: it must wait too while messages do, for they stand in the same arrays. */
  answers: boolean;
  /** Handles and sends the packets in TX_SLOTS. */
  transmit(packets: number): void;
  carryOut(command: Exclude<Command, StopCommand>): void;
  /** Sends what is to be sent besides, while no messages wait; how soon, in ms, it is to be called again. */
  goOn?(): number;
}

export class ServerLoop<Command extends { type: string }, Report> {
  readonly #channel: Channel<Command, Report>;
  readonly #io: BatchIo;
  readonly #tunFd: number;
  readonly #role: ServerRole<Command>;
  readonly #poll: PollSet;
  /** The device waits until what waits was sent. */
  #held = false;
  #heldSince = 0;
  /** No packet is moved any more. */
  #halted = false;

  constructor(channel: Channel<Command, Report>, io: BatchIo, tunFd: number, role: ServerRole<Command>) {
    this.#channel = channel;
    this.#io = io;
    this.#tunFd = tunFd;
    this.#role = role;
    this.#poll = new PollSet(FIRST_SOCKET + role.sockets.length);
    this.#poll.watch(WAKE, channel.wakeFd, POLLIN);
    this.#watch();
  }

  /** Returns when the main thread says so. */
  run(): void {
    const publish = this.#channel.publisher(this.#io.core);
    const { sockets, answers } = this.#role;
    for (let [waitMs, wasReady] = [IDLE_MS, false]; ; ) {
      this.#poll.wait(this.#held ? BLOCKED_MS : waitMs);
      this.#io.core.setClock(monotonicMs());
      if (this.#poll.ready(WAKE) !== 0 && !this.#carryOutAll()) return;
      if (this.#halted) {
        waitMs = IDLE_MS;
        publish();
        continue;
      }
      if (this.#blocked) this.#resume();
      if (!this.#blocked && this.#poll.ready(DEVICE) !== 0) {
        // Where it was not ready a turn ago, too, there is likely to be one packet.
        this.#role.transmit(this.#io.readDevice(this.#tunFd, wasReady));
      }
      wasReady = this.#poll.ready(DEVICE) !== 0;
      for (let i = 0; i < sockets.length; i++) {
        const ready = this.#poll.ready(FIRST_SOCKET + i);
        if (ready !== 0 && !(answers && this.#blocked)) this.#receive(sockets[i] as ServerSocket, ready);
      }
      waitMs = this.#blocked ? IDLE_MS : Math.min(IDLE_MS, this.#role.goOn?.() ?? IDLE_MS);
      if (this.#blocked !== this.#held) this.#hold();
      publish();
    }
  }

  /** Drops what waits. */
  abandon(): void {
    for (const { sender } of this.#role.sockets) sender.abandon();
  }

  /** Handles no packet from now on; what waits to be sent still is, if the sockets take it at once. */
  halt(): void {
    for (const { sender } of this.#role.sockets) if (sender.blockedOn !== NONE) sender.resume();
    this.abandon();
    this.#halted = true;
    this.#poll.clear(DEVICE);
    for (let i = 0; i < this.#role.sockets.length; i++) this.#poll.clear(FIRST_SOCKET + i);
  }

  #receive(socket: ServerSocket, ready: number): void {
    if ((ready & POLLERR) !== 0) takeSocketError(socket.fd);
    const datagrams = this.#io.receive(socket.fd);
    if (datagrams > 0) socket.receive(datagrams);
  }

  /** False if the loop is to end. */
  #carryOutAll(): boolean {
    for (const command of this.#channel.commands()) {
      if (command.type === 'stop') return false;
      this.#role.carryOut(command as Exclude<Command, StopCommand>);
    }
    return true;
  }

  /** Whether messages wait for room in a send buffer. */
  get #blocked(): boolean {
    const { sockets } = this.#role;
    for (let i = 0; i < sockets.length; i++) if (sockets[i]?.sender.blockedOn !== NONE) return true;
    return false;
  }

  /** Sends what waits, if it can be sent now; drops it if it has waited too long. */
  #resume(): void {
    for (const { sender } of this.#role.sockets) if (sender.blockedOn !== NONE) sender.resume();
    if (this.#blocked && monotonicMs() - this.#heldSince >= BLOCKED_MS) this.abandon();
  }

  /** Begins or ends to wait for nothing but room in the send buffers. */
  #hold(): void {
    this.#held = this.#blocked;
    this.#heldSince = monotonicMs();
    this.#watch();
  }

  #watch(): void {
    this.#poll.watch(DEVICE, this.#tunFd, this.#held ? 0 : POLLIN);
    this.#role.sockets.forEach(({ fd, sender }, i) => {
      const receives = !(this.#role.answers && this.#held);
      const events = (receives ? POLLIN : 0) | (sender.blockedOn !== NONE ? POLLOUT : 0);
      this.#poll.watch(FIRST_SOCKET + i, fd, events);
    });
  }
}

/** Prepares the core for one of the server roles. Throws CONFIG_INVALID for a pool that is too large. */
export function initServer(
  { base, core }: BatchIo,
  init: 'relayInit' | 'gatewayInit',
  { pool, maxSegment }: ServerSettings,
): void {
  const address = BigInt(base);
  const status = core.exports[init](
    Number(address & 0xffff_ffffn),
    Number(address >> 32n),
    packetAddress(pool.address),
    pool.length,
    maxSegment,
  );
  if (status !== OK) throw new VpnrError('CONFIG_INVALID', `a pool of /${pool.length} is too large`);
}

/** An IPv4 address as it lies in packets, read as the core reads it. */
export function packetAddress(text: string): number {
  const bytes = addressBytes(text);
  return new DataView(bytes.buffer).getUint32(0, true);
}
