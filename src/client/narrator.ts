/** Tells what happens to a connection, in the gateways' names and whole milliseconds. */
import type { VpnrError } from '../errors.js';
import type { FailoverAction } from '../failover/actions.js';
import type { ConnectionEvent } from './events.js';

type News = Extract<FailoverAction, { type: 'failed' | 'stuck' | 'standby-failed' | 'blame' | 'recovered' }>;

export class Narrator {
  readonly #emit: (event: ConnectionEvent) => void;
  readonly #nameOf: (gateway: number) => string;

  constructor(emit: (event: ConnectionEvent) => void, nameOf: (gateway: number) => string) {
    this.#emit = emit;
    this.#nameOf = nameOf;
  }

  /** What the failover policy has found out. */
  found(news: News): void {
    const gateway = this.#nameOf(news.gateway);
    switch (news.type) {
      case 'failed':
        this.#emit({ event: 'gateway-failed', gateway, reason: news.reason, ms: Math.round(news.silentMs) });
        return;
      case 'stuck':
        this.#emit({ event: 'stuck', gateway, reason: news.reason, ms: Math.round(news.silentMs) });
        return;
      case 'standby-failed':
      case 'blame':
        this.#emit({ event: news.type, gateway, reason: news.reason });
        return;
      case 'recovered':
        this.#emit({ event: 'recovered', gateway });
        return;
    }
  }

  connecting(gateway: number, address: string): void {
    this.#emit({ event: 'connecting', gateway: this.#nameOf(gateway), address });
  }

  tunnelUp(gateway: number, address: string, virtualAddress: string, ms: number): void {
    const name = this.#nameOf(gateway);
    this.#emit({ event: 'tunnel-up', gateway: name, address, virtualAddress, ms: Math.round(ms) });
  }

  connectFailed(gateway: number, { code, message }: VpnrError, ms: number): void {
    const name = this.#nameOf(gateway);
    this.#emit({ event: 'connect-failed', gateway: name, code, message, ms: Math.round(ms) });
  }

  drain(gateway: number): void {
    this.#emit({ event: 'drain', gateway: this.#nameOf(gateway) });
  }

  relaySession(gateway: number, lease: string, keys: 'fresh' | 'kept', ms: number): void {
    const name = this.#nameOf(gateway);
    this.#emit({ event: 'relay-session', gateway: name, lease, keys, ms: Math.round(ms) });
  }

  relayDrain(): void {
    this.#emit({ event: 'relay-drain' });
  }

  relayLost(gateway: number, { code, message }: VpnrError): void {
    this.#emit({ event: 'relay-lost', gateway: this.#nameOf(gateway), code, message });
  }

  notice(message: string): void {
    this.#emit({ event: 'notice', message });
  }

  resumed(sleptMs: number): void {
    this.#emit({ event: 'resumed', ms: Math.round(sleptMs) });
  }

  waiting(ms: number): void {
    this.#emit({ event: 'waiting', ms: Math.round(ms) });
  }
}
