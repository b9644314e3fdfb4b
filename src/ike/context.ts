import type {
  Endpoint,
  EspSuite,
  IkeEnvironment,
  IkeOutput,
  IkeProposal,
  Lifetimes,
  RetransmitTiming,
  SessionLimits,
} from './api.js';
import { MAX_SELECTORS } from './selectors.js';

/** What both roles go by. */
export interface Settings {
  /** In order of preference, as all lists here. */
  ike: readonly IkeProposal[];
  esp: readonly EspSuite[];
  lifetimes: Lifetimes;
  timing: RetransmitTiming;
  limits: SessionLimits;
  /** Largest datagram sent to a peer that supports RFC 7383. */
  fragmentSize: number;
  /** What the other side is, for messages. */
  peer: 'gateway' | 'client';
}

/** Fits through any IPv6 path: 1280 less the headers of IPv6 and UDP and the non-ESP marker, and some to spare. */
export const DEFAULT_FRAGMENT_SIZE = 1200;

export const DEFAULT_LIMITS: SessionLimits = { children: 32, selectors: MAX_SELECTORS };

/** What the parts of one session share during a call: the time, the environment, and the outputs so far. */
export class Context {
  readonly settings: Settings;
  readonly env: IkeEnvironment;
  readonly random = (size: number): Uint8Array => this.env.random(size);
  /** Of the call that is being carried out. */
  now = 0;
  /** Our address, the peer's, and the one that the datagram came from that is being received. */
  local: Endpoint;
  remote: Endpoint;
  from: Endpoint;
  #outputs: IkeOutput[] = [];

  constructor(
    settings: Settings,
    env: IkeEnvironment,
    { local, remote }: { local: Endpoint; remote: Endpoint },
  ) {
    this.settings = settings;
    this.env = env;
    this.local = local;
    this.remote = remote;
    this.from = remote;
  }

  emit(output: IkeOutput): void {
    this.#outputs.push(output);
  }

  send(datagrams: readonly Uint8Array[]): void {
    for (const datagram of datagrams) this.emit({ type: 'send', datagram });
  }

  ignore(reason: string): void {
    this.emit({ type: 'ignored', reason });
  }

  /** The outputs since the last call of this. */
  take(): IkeOutput[] {
    const outputs = this.#outputs;
    this.#outputs = [];
    return outputs;
  }

  /** An even random number from 0 to below `limit`, as far as 32 bits go. */
  randomBelow(limit: number): number {
    const bytes = this.random(4);
    const value = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
    return (value / 2 ** 32) * limit;
  }

  /** A random SPI for an IKE SA; 0 is no SPI. */
  newIkeSpi(): bigint {
    for (;;) {
      const bytes = this.random(8);
      const spi = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0);
      if (spi !== 0n) return spi;
    }
  }

  /** Half of the largest prf's key, which suits every prf offered (RFC 7296 section 2.10). */
  newNonce(): Uint8Array {
    return this.random(32);
  }

  /** When something of this lifetime, new now, is rekeyed: a random tenth earlier than it ends. */
  softEnd(lifetimeMs: number): number {
    return this.now + lifetimeMs - this.randomBelow(lifetimeMs / 10);
  }
}
