/**
 * Finds out whether a gateway that does not answer us has forgotten us, as one that was started anew has. It may say nothing
 * to messages of an IKE SA that it does not know (RFC 7296 section 2.21.4), but it answers an IKE_SA_INIT: whoever answers that, and
 * not our own request sent again right after it, is to be connected anew. Anyone can forge the answer; what is lost
 * by that is a tunnel that carries nothing.
 */
import { Alarm } from './alarm.js';
import { type Clock, systemClock } from './clock.js';

/** The question is asked so often, and the longer our request has waited, the more seldom: after a quarter of that again. */
const SHORTEST_MS = 500;
const LONGEST_MS = 8000;
const SHARE = 1 / 4;
/** How long our request may take, beyond twice what the answer to the question took. */
const GRACE_MS = 300;
/** For so long a gateway keeps what a stranger has begun (strongSwan's half_open_timeout): the same question makes it begin nothing new. */
const QUESTION_MS = 30_000;
const IKE_SPI_SIZE = 8;

export interface RecallEvents {
  /** An IKE_SA_INIT, as a stranger sends it. */
  makeQuestion(): Uint8Array;
  send(question: Uint8Array): void;
  /** Strangers are answered: our own request is to be sent again, now. */
  askAgain(): void;
  /** And it was not answered. */
  forgotten(): void;
}

export class Recall {
  readonly #events: RecallEvents;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  #question: { datagram: Uint8Array; madeAt: number } | undefined;
  /** What an answer takes, as far as is known. */
  #roundTripMs = 0;
  /** While a request of ours is not answered. */
  #waitingSince: number | undefined;
  #sentAt: number | undefined;
  /** The question was answered, and our request is awaited. */
  #answered = false;

  constructor(events: RecallEvents, clock = systemClock) {
    this.#events = events;
    this.#clock = clock;
    this.#alarm = new Alarm(() => this.#ring(), clock);
  }

  /** A request of ours is under way. */
  wait(): void {
    if (this.#waitingSince !== undefined) return;
    this.#waitingSince = this.#clock.now();
    this.#alarm.set(this.#nextAt);
  }

  /** The gateway answered it, after `roundTripMs` if that is known, or the tunnel ends. */
  end(roundTripMs = this.#roundTripMs): void {
    this.#roundTripMs = roundTripMs;
    this.#waitingSince = undefined;
    this.#answered = false;
    this.#sentAt = undefined;
    this.#alarm.clear();
  }

  /** Whether the datagram is the answer to the question, and for nobody else. */
  receive(datagram: Uint8Array): boolean {
    const spi = this.#question?.datagram.subarray(0, IKE_SPI_SIZE);
    if (spi === undefined || Buffer.compare(spi, datagram.subarray(0, IKE_SPI_SIZE)) !== 0) return false;
    if (this.#answered || this.#sentAt === undefined) return true;
    const now = this.#clock.now();
    this.#answered = true;
    // It may be the answer to an earlier one.
    this.#alarm.set(now + 2 * Math.max(now - this.#sentAt, this.#roundTripMs) + GRACE_MS);
    this.#events.askAgain();
    return true;
  }

  #ring(): void {
    const now = this.#clock.now();
    if (this.#answered) {
      this.#answered = false;
      this.#sentAt = undefined;
      this.#alarm.set(this.#nextAt);
      this.#events.forgotten();
      return;
    }
    if (this.#question === undefined || now - this.#question.madeAt >= QUESTION_MS) {
      this.#question = { datagram: this.#events.makeQuestion(), madeAt: now };
    }
    this.#sentAt = now;
    this.#alarm.set(this.#nextAt);
    this.#events.send(this.#question.datagram);
  }

  get #nextAt(): number {
    const now = this.#clock.now();
    const waited = now - (this.#waitingSince ?? now);
    return now + Math.min(Math.max(SHORTEST_MS, waited * SHARE), LONGEST_MS);
  }
}
