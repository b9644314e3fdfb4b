/** The worker's hold on the main thread: commands in, reports out. */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { EventFd } from '../io/eventfd.js';
import { COUNTERS, COUNTERS_MAX } from '../packet/abi.js';
import type { PacketCore } from '../packet/core.js';
import type { WorkerStart } from './messages.js';
import { QUEUES, REPORTS_MAX, SharedState } from './shared.js';

export class Channel<Command, Report> {
  /** Readable when there are commands. */
  readonly wakeFd: number;
  readonly #wake: EventFd;
  readonly #port: MessagePort;
  readonly #shared: SharedState;
  /** Reports posted so far to each queue, modulo 2^32. */
  readonly #posted = new Uint32Array(QUEUES);

  constructor(start: WorkerStart) {
    this.wakeFd = start.wakeFd;
    this.#wake = new EventFd(start.wakeFd);
    this.#port = start.port;
    this.#shared = new SharedState(start.shared);
  }

  /** All commands that are waiting, in order. */
  *commands(): Generator<Command, void> {
    // Before looking, so that the signal for a command posted while we look is kept.
    this.#wake.drain();
    for (
      let next = receiveMessageOnPort(this.#port);
      next !== undefined;
      next = receiveMessageOnPort(this.#port)
    ) {
      yield next.message;
    }
  }

  /** Posts what the main thread has asked for, or will see once only. */
  post(report: Report): void {
    this.#port.postMessage(report);
  }

  /** Reports that the queue still takes. */
  room(queue: number): number {
    const waiting = ((this.#posted[queue] ?? 0) - this.#shared.taken(queue)) >>> 0;
    return REPORTS_MAX - waiting;
  }

  /** Posts what the network caused, unless its queue is full; whether it was posted. */
  postTo(queue: number, report: Report, transfer: readonly ArrayBuffer[] = []): boolean {
    if (this.room(queue) <= 0) return false;
    this.#posted[queue] = (this.#posted[queue] ?? 0) + 1;
    this.#port.postMessage(report, transfer);
    return true;
  }

  /** A function that shows the core's counters and offloads, as they are then, to the main thread. */
  publisher(core: PacketCore): () => void {
    const counters = new BigUint64Array(core.bytes.buffer, COUNTERS, COUNTERS_MAX);
    return () => {
      this.#shared.counters.set(counters);
      this.#shared.offloads = core.offloads;
      this.#shared.turned();
    };
  }
}
