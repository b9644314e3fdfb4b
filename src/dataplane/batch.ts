/**
 * Moving batches between descriptors and the packet core's memory. The core has filled the arrays that the system
 * calls work on, so here only numbers are passed; nothing is allocated for a packet.
 */
import { VpnrError } from '../errors.js';
import {
  addressOf,
  EAGAIN,
  EINTR,
  EINVAL,
  EIO,
  EMSGSIZE,
  ENOBUFS,
  errno,
  errnoName,
  MSG_DONTWAIT,
  read,
  recvmmsg,
  sendmmsg,
  write,
  writev,
} from '../io/libc.js';
import {
  BATCH,
  BIG_RX_SLOTS,
  BIG_SLOT_SIZE,
  BIG_TX_SLOTS,
  COUNTERS,
  COUNTERS_MAX,
  DEVICE_IOV,
  DROP_RX_DEVICE_WRITE,
  DROP_TX_SEND,
  MAX_PACKET,
  MMSG_SIZE,
  OFFLOAD_HEADER,
  OFFLOAD_RECEIVE,
  OFFLOAD_SEND,
  RESULT_TO_CONTROL,
  RESULT_TO_DEVICE,
  RX_MMSG,
  RX_SLOTS,
  SECOND_MESSAGE,
  SLOT_HEADROOM,
  SLOT_SIZE,
  SUPER_MAX,
  TO_CONTROL,
  TO_DEVICE,
  TX_LENGTHS,
  TX_MMSG,
  TX_SLOTS,
  TX_SPLIT_MMSG,
  VNET_HEADER,
} from '../packet/abi.js';
import type { PacketCore } from '../packet/core.js';

/** No descriptor. */
export const NONE = -1;

/** Bytes of super-packets, and packets to be cut off them, after which a batch is not filled further. */
const SUPER_BYTES = 256 << 10;
const SUPER_PACKETS = 1024;
/** Messages that a batch of datagrams received together has at most: about as many bytes as another. */
const TOGETHER_BATCH = 16;

/** Where messages for a client's second path are split, while others may wait to be sent. */
const SECOND_SPLIT = TX_SPLIT_MMSG + SECOND_MESSAGE * MMSG_SIZE;

/** In a struct msghdr, u64: its iovecs, each of which is a datagram. */
const MSG_DATAGRAMS = 24;
/** In a struct virtio_net_hdr: u8 how to cut the packet up, zero for not at all; u16 the payload of each part. */
const VNET_TYPE = 1;
const VNET_SIZE = 4;

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
    this.#toDevice = new Uint32Array(buffer, TO_DEVICE, (DEVICE_IOV - TO_DEVICE) / 4);
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

  /**
   * Reads packets from the device into TX_SLOTS or BIG_TX_SLOTS; their number. `goesOn`: until there are no more or the
   * batch is full, otherwise only one: to find that there is no second one takes a system call, which a lone packet need
   * not wait for.
   */
  readDevice(fd: number, goesOn: boolean): number {
    return (this.core.offloads & OFFLOAD_HEADER) !== 0
      ? this.#readSuper(fd, goesOn)
      : this.#readPlain(fd, goesOn ? BATCH : 1);
  }

  #readPlain(fd: number, most: number): number {
    let packets = 0;
    while (packets < most) {
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

  #readSuper(fd: number, goesOn: boolean): number {
    const { view } = this.core;
    const most = goesOn ? BATCH : 1;
    let packets = 0;
    let bytes = 0;
    for (let parts = 0; packets < most && bytes < SUPER_BYTES && parts < SUPER_PACKETS; packets++) {
      const slot = BIG_TX_SLOTS + packets * BIG_SLOT_SIZE + SLOT_HEADROOM - VNET_HEADER;
      const size = read(fd, this.base + slot, SUPER_MAX + VNET_HEADER);
      if (size < 0) {
        const reason = errno();
        if (reason !== EAGAIN && reason !== EINTR) throw deviceGone(reason);
        break;
      }
      this.#lengths[packets] = size;
      bytes += size;
      parts +=
        view.getUint8(slot + VNET_TYPE) === 0 ? 1 : size / (view.getUint16(slot + VNET_SIZE, true) + 1);
    }
    return packets;
  }

  /** Writes the packets in TO_DEVICE. What the device does not take (it is down, say) is dropped. */
  writeDevice(fd: number): void {
    const packets = this.#toDeviceCount[0] ?? 0;
    const put = (this.core.offloads & OFFLOAD_HEADER) !== 0 ? writev : write;
    for (let i = 0; i < packets; i++) {
      const address = this.#toDevice[i * 2] ?? 0;
      const length = this.#toDevice[i * 2 + 1] ?? 0;
      if (put(fd, this.base + address, length) < 0) this.count(DROP_RX_DEVICE_WRITE, 1);
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
    const together = (this.core.offloads & OFFLOAD_RECEIVE) !== 0;
    const slots = together ? BIG_RX_SLOTS : RX_SLOTS;
    const slotSize = together ? BIG_SLOT_SIZE : SLOT_SIZE;
    for (let i = 0; i < messages; i++) {
      const address = view.getUint32(TO_CONTROL + i * 8, true);
      const length = view.getUint32(TO_CONTROL + i * 8 + 4, true);
      const slot = Math.floor((address - slots) / slotSize);
      yield { slot, datagram: bytes.slice(address, address + length) };
    }
  }

  /** Receives a batch of messages into RX_SLOTS or BIG_RX_SLOTS. Their number, or a negative errno of the socket. */
  receive(fd: number): number {
    const most = (this.core.offloads & OFFLOAD_RECEIVE) !== 0 ? TOGETHER_BATCH : BATCH;
    const messages = recvmmsg(fd, this.base + RX_MMSG, most, MSG_DONTWAIT, 0);
    if (messages >= 0) return messages;
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
  /** In the core's memory. */
  readonly #list: number;
  readonly #failed: (fd: number, reason: number) => void;
  #fd = NONE;
  /** What is being sent: #list, or what its messages were split into. */
  #sending = 0;
  #next = 0;
  #end = 0;

  /** `list`: of the array, in the core's memory. `failed` is told each errno that speaks of the path to the peer. */
  constructor(io: BatchIo, list: number, failed: (fd: number, reason: number) => void = () => {}) {
    this.#io = io;
    this.#list = list;
    this.#failed = failed;
  }

  /** The descriptor that has to become writable, or NONE. */
  get blockedOn(): number {
    return this.#fd;
  }

  /** Sends the first `messages` messages. Only when not blocked. */
  send(fd: number, messages: number): void {
    this.#fd = fd;
    this.#sending = this.#list;
    this.#next = 0;
    this.#end = messages;
    this.resume();
  }

  resume(): void {
    let refused = false;
    while (this.#next < this.#end) {
      const message = this.#sending + this.#next * MMSG_SIZE;
      const sent = sendmmsg(this.#fd, this.#io.base + message, this.#end - this.#next, MSG_DONTWAIT);
      if (sent > 0) {
        this.#next += sent;
        refused = false;
        continue;
      }
      const reason = errno();
      if (reason === EAGAIN) return;
      if (isRefusal(reason) && this.#datagrams(message) > 1) {
        this.#split(reason);
        continue;
      }
      if (reason !== ENOBUFS && reason !== EMSGSIZE) {
        this.#failed(this.#fd, reason);
        // The first time it may be the error of an earlier datagram, which does not keep this one from being sent.
        if (!refused) {
          refused = true;
          continue;
        }
      }
      this.#next++;
      this.#io.count(DROP_TX_SEND, this.#datagrams(message));
      refused = false;
    }
    this.#fd = NONE;
  }

  /** Drops the messages that wait. */
  abandon(): void {
    for (; this.#next < this.#end; this.#next++) {
      this.#io.count(DROP_TX_SEND, this.#datagrams(this.#sending + this.#next * MMSG_SIZE));
    }
    this.#fd = NONE;
  }

  #datagrams(message: number): number {
    return this.#io.core.view.getUint32(message + MSG_DATAGRAMS, true);
  }

  /**
   * Sends each datagram by itself from here on. EIO: the route's device cannot have them together, which is then not tried
   * again. Otherwise they are too large for the route's MTU: by themselves they are fragmented.
   */
  #split(reason: number): void {
    const { core } = this.#io;
    if (reason === EIO) core.useOffloads(core.offloads & ~OFFLOAD_SEND);
    const target = this.#list === TX_MMSG + SECOND_MESSAGE * MMSG_SIZE ? SECOND_SPLIT : TX_SPLIT_MMSG;
    this.#end = core.exports.messageSplit(this.#sending, this.#next, this.#end, target);
    this.#next = 0;
    this.#sending = target;
  }
}

/** Whether the kernel may take, one by one, datagrams that it did not take together. */
function isRefusal(reason: number): boolean {
  return reason === EIO || reason === EINVAL || reason === EMSGSIZE;
}
