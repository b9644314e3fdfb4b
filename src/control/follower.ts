/** One who reads events as they happen. What it does not read in time it misses: nobody waits for it. */
import type { LogEntry } from './event-log.js';

/** The part of a socket that is needed. */
export interface FollowerSocket {
  write(text: string): boolean;
  /** Bytes written but not taken by the kernel yet. */
  readonly writableLength: number;
}

/** Beyond what the kernel keeps for the socket. */
const QUEUE_BYTES = 256 * 1024;

export class Follower {
  readonly #socket: FollowerSocket;
  readonly #queueBytes: number;
  #lost = 0;

  constructor(socket: FollowerSocket, queueBytes = QUEUE_BYTES) {
    this.#socket = socket;
    this.#queueBytes = queueBytes;
  }

  /** Sends the event, or counts it as lost; how many were lost is said as soon as there is room. */
  take(event: LogEntry): void {
    if (this.#socket.writableLength > this.#queueBytes) {
      this.#lost++;
      return;
    }
    this.tellLoss();
    this.#socket.write(`${JSON.stringify(event)}\n`);
  }

  /** To be called when there is room again, so that the loss is known before the next event. */
  tellLoss(): void {
    if (this.#lost === 0) return;
    const entry: LogEntry = { lost: this.#lost };
    this.#lost = 0;
    this.#socket.write(`${JSON.stringify(entry)}\n`);
  }
}
