/**
 * Moving batches between descriptors and the packet core's memory. The core has filled the arrays that the system
 * calls work on, so here only numbers are passed; nothing is allocated for a packet.
 */
import { VpnrError } from '../errors.js';
import {
  addressOf,
  EAGAIN,
  EINTR,
  EMSGSIZE,
  ENOBUFS,
  errno,
  errnoName,
  MSG_DONTWAIT,
  read,
  recvmmsg,
  sendmmsg,
  write,
} from '../io/libc.js';
import {
  BATCH,
  COUNTERS,
  COUNTERS_MAX,
  DROP_RX_DEVICE_WRITE,
  DROP_TX_SEND,
  MAX_PACKET,
  MMSG_SIZE,
  RESULT_TO_CONTROL,
  RESULT_TO_DEVICE,
  RX_MMSG,
  RX_SLOTS,
  SLOT_HEADROOM,
  SLOT_SIZE,
  TO_CONTROL,
  TO_DEVICE,
  TX_LENGTHS,
  TX_SLOTS,
} from '../packet/abi.js';
import type { PacketCore } from '../packet/core.js';

/** No descriptor. */
export const NONE = -1;

export class BatchIo {
  readonly core: PacketCore;
  /** Where the core's memory begins in this process. */
  readonly base: number;
  readonly #lengths: Uint32Array;
  /** Address and length of each packet, in turn. */
  readonly #toDevice: Uint32Array;
  readonly #toDeviceCount: Uint32Array;
  readonly #toControlCount: Uint32Array;
  /** Low and high half of each counter, in turn. */
  readonly #counters: Uint32Array;

  constructor(core: PacketCore) {
    const { buffer } = core.bytes;
    this.core = core;
    this.base = addressOf(buffer);
    this.#lengths = new Uint32Array(buffer, TX_LENGTHS, BATCH);
    this.#toDevice = new Uint32Array(buffer, TO_DEVICE, BATCH * 2);
    this.#toDeviceCount = new Uint32Array(buffer, RESULT_TO_DEVICE, 1);
    this.#toControlCount = new Uint32Array(buffer, RESULT_TO_CONTROL, 1);
    this.#counters = new Uint32Array(buffer, COUNTERS, COUNTERS_MAX * 2);
  }

  /** Adds to one of the core's counters. */
  count(counter: number, amount: number): void {
    const low = (this.#counters[counter * 2] ?? 0) + amount;
    this.#counters[counter * 2] = low;
    if (low > 0xffff_ffff) this.#counters[counter * 2 + 1] = (this.#counters[counter * 2 + 1] ?? 0) + 1;
  }

  /** Reads packets from the device into TX_SLOTS until there are no more or the batch is full; their number. */
  readDevice(fd: number): number {
    let packets = 0;
    while (packets < BATCH) {
      const slot = this.base + TX_SLOTS + packets * SLOT_SIZE + SLOT_HEADROOM;
      // One byte more than the largest packet, so that the core sees which are too big.
      const size = read(fd, slot, MAX_PACKET + 1);
      if (size < 0) {
        const reason = errno();
        if (reason !== EAGAIN && reason !== EINTR) throw deviceGone(reason);
        break;
      }
      this.#lengths[packets++] = size;
    }
    return packets;
  }

  /** Writes the packets in TO_DEVICE. What the device does not take (it is down, say) is dropped. */
  writeDevice(fd: number): void {
    const packets = this.#toDeviceCount[0] ?? 0;
    for (let i = 0; i < packets; i++) {
      const address = this.#toDevice[i * 2] ?? 0;
      const length = this.#toDevice[i * 2 + 1] ?? 0;
      if (write(fd, this.base + address, length) < 0) this.count(DROP_RX_DEVICE_WRITE, 1);
    }
  }

  /** Whether the last receive call left IKE messages. */
  get hasIke(): boolean {
    return this.#toControlCount[0] !== 0;
  }

  /**
   * Copies of the IKE messages that the last receive call left in TO_CONTROL, each with the number of its slot: whoever
   * gets them gets them when the slots hold other datagrams.
   */
  *ikeMessages(): Generator<{ slot: number; datagram: Uint8Array<ArrayBuffer> }, void> {
    const { view, bytes } = this.core;
    const messages = this.#toControlCount[0] ?? 0;
    for (let i = 0; i < messages; i++) {
      const address = view.getUint32(TO_CONTROL + i * 8, true);
      const length = view.getUint32(TO_CONTROL + i * 8 + 4, true);
      const slot = Math.floor((address - RX_SLOTS) / SLOT_SIZE);
      yield { slot, datagram: bytes.slice(address, address + length) };
    }
  }

  /** Receives a batch of datagrams into RX_SLOTS. Their number, or a negative errno of the socket. */
  receive(fd: number): number {
    const datagrams = recvmmsg(fd, this.base + RX_MMSG, BATCH, MSG_DONTWAIT, 0);
    if (datagrams >= 0) return datagrams;
    const reason = errno();
    return reason === EAGAIN || reason === EINTR ? 0 : -reason;
  }
}

function deviceGone(reason: number): VpnrError {
  return new VpnrError('SYSTEM_CALL', `reading from the network device failed with ${errnoName(reason)}`, {
    remedy: 'the device was removed by another program: find out which, then start again',
  });
}

/**
 * Sends the messages of one mmsghdr array. When the socket's buffer is full it keeps the rest, and the caller, who
 * must not touch the array meanwhile, calls `resume` when the socket is writable again.
 */
export class BatchSender {
  readonly #io: BatchIo;
  readonly #list: number;
  readonly #failed: (fd: number, reason: number) => void;
  #fd = NONE;
  #next = 0;
  #end = 0;

  /** `list`: of the array, in the core's memory. `failed` is told each errno that speaks of the path to the peer. */
  constructor(io: BatchIo, list: number, failed: (fd: number, reason: number) => void = () => {}) {
    this.#io = io;
    this.#list = io.base + list;
    this.#failed = failed;
  }

  /** The descriptor that has to become writable, or NONE. */
  get blockedOn(): number {
    return this.#fd;
  }

  /** Sends the first `messages` messages. Only when not blocked. */
  send(fd: number, messages: number): void {
    this.#fd = fd;
    this.#next = 0;
    this.#end = messages;
    this.resume();
  }

  resume(): void {
    let refused = false;
    while (this.#next < this.#end) {
      const list = this.#list + this.#next * MMSG_SIZE;
      const sent = sendmmsg(this.#fd, list, this.#end - this.#next, MSG_DONTWAIT);
      if (sent > 0) {
        this.#next += sent;
        refused = false;
        continue;
      }
      const reason = errno();
      if (reason === EAGAIN) return;
      if (reason !== ENOBUFS && reason !== EMSGSIZE) {
        this.#failed(this.#fd, reason);
        // The first time it may be the error of an earlier datagram, which does not keep this one from being sent.
        if (!refused) {
          refused = true;
          continue;
        }
      }
      this.#next++;
      this.#io.count(DROP_TX_SEND, 1);
      refused = false;
    }
    this.#fd = NONE;
  }

  /** Drops the messages that wait. */
  abandon(): void {
    this.#io.count(DROP_TX_SEND, this.#end - this.#next);
    this.#next = this.#end;
    this.#fd = NONE;
  }
}
