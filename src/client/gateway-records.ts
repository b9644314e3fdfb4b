/** What is known of each configured gateway: its tunnel, its attempts, what went wrong. */
import type { GatewayEntry } from '../config/client.js';
import { VpnrError } from '../errors.js';
import type { ColdFailover } from '../failover/cold.js';
import { formatHostPort } from './host-port.js';
import type { GatewayStatus } from './status.js';
import type { Tunnel } from './tunnel.js';

export interface GatewayRecord {
  tunnel: Tunnel | undefined;
  /** Counts attempts, so that what belongs to an earlier one is recognised. */
  attempt: number;
  /** When the last attempt began. */
  startedAt: number;
  /** The address it assigned last. */
  virtualAddress: string | undefined;
  /** Times it failed or could not be connected. */
  failures: number;
  /** Why, since the last attempt began. */
  lastError: VpnrError | undefined;
}

export class GatewayRecords {
  readonly #entries: readonly GatewayEntry[];
  readonly #records: GatewayRecord[];

  constructor(entries: readonly GatewayEntry[]) {
    this.#entries = entries;
    this.#records = entries.map(() => ({
      tunnel: undefined,
      attempt: 0,
      startedAt: 0,
      virtualAddress: undefined,
      failures: 0,
      lastError: undefined,
    }));
  }

  at(gateway: number): GatewayRecord {
    const record = this.#records[gateway];
    if (record === undefined) throw new VpnrError('INTERNAL', `there is no gateway ${gateway}`);
    return record;
  }

  nameOf(gateway: number): string {
    return this.#entries[gateway]?.name ?? String(gateway);
  }

  closeTunnels(): void {
    for (const record of this.#records) record.tunnel?.close();
  }

  /** Why nothing could be connected: the preferred gateway's reason, and the others' in the message. */
  summary(): VpnrError {
    const errors = this.#records.flatMap(({ lastError }) => lastError ?? []);
    const [first] = errors;
    if (first === undefined) return new VpnrError('GATEWAY_TIMEOUT', 'no gateway could be connected');
    return new VpnrError(first.code, errors.map(error => error.message).join('; '), {
      ...(first.remedy === undefined ? {} : { remedy: first.remedy }),
      cause: first,
    });
  }

  statuses(policy: ColdFailover): GatewayStatus[] {
    return this.#entries.map((entry, gateway) => {
      const record = this.at(gateway);
      const roundTrip = policy.active === gateway ? policy.smoothedRoundTripMs : undefined;
      return {
        name: entry.name,
        address: formatHostPort(entry.address),
        state: policy.stateOf(gateway),
        virtualAddress: record.tunnel?.virtualAddress ?? null,
        roundTripMs: roundTrip === undefined ? null : Number(roundTrip.toFixed(3)),
        failures: record.failures,
        lastError: record.lastError?.message ?? null,
      };
    });
  }
}
