/** What has happened so far. Times are milliseconds since the demonstration began. */
import { bytesAt, type Sample, throughput } from '../report/plot.js';
import type { GatewayName } from './stage.js';

export interface Moment {
  ms: number;
  text: string;
  /** A fault is what was done to the gateway, a recovery what ended its consequences. */
  kind: 'preparation' | 'event' | 'fault' | 'recovery';
}

/** From `ms` on, this gateway carries the traffic, or none. */
export interface Carrier {
  ms: number;
  gateway: GatewayName | undefined;
}

export class Recording {
  readonly moments: Moment[] = [];
  readonly carriers: Carrier[] = [];
  readonly #samples: Sample[] = [];

  /** When the download began; undefined before. */
  get from(): number | undefined {
    return this.#samples[0]?.ms;
  }

  /** The time of the last that is known about the download. */
  get to(): number {
    return this.#samples.at(-1)?.ms ?? 0;
  }

  get bytes(): number {
    return this.#samples.at(-1)?.bytes ?? 0;
  }

  sample(ms: number, bytes: number): void {
    this.#samples.push({ ms, bytes });
  }

  carries(ms: number, gateway: GatewayName | undefined): void {
    this.carriers.push({ ms, gateway });
  }

  carrierAt(ms: number): GatewayName | undefined {
    return this.carriers.findLast(carrier => carrier.ms <= ms)?.gateway;
  }

  /** Megabits a second in each of `count` equal parts of the time from `from` to `to`; undefined where not known. */
  rates(from: number, to: number, count: number): (number | undefined)[] {
    return throughput(this.#samples, from, to, count);
  }

  /** Bytes that came while this gateway carried the traffic. */
  carriedBy(gateway: GatewayName): number {
    const spans = this.carriers.map(({ ms, gateway: name }, index) => {
      const end = this.carriers[index + 1]?.ms ?? this.to;
      return name === gateway ? this.#clampedAt(end) - this.#clampedAt(ms) : 0;
    });
    return spans.reduce((sum, bytes) => sum + bytes, 0);
  }

  #clampedAt(ms: number): number {
    return bytesAt(this.#samples, Math.min(Math.max(ms, this.from ?? 0), this.to)) ?? 0;
  }
}
