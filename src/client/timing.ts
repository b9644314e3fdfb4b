/** How patient the client is: the times of the failover policy for a configuration. */
import type { ClientConfig } from '../config/client.js';
import type { ColdTiming } from '../failover/cold.js';

/** With a relay, probes are small packets of the data path itself. */
const RELAY_PROBES = { idleIntervalMs: 1000, timeoutFloorMs: 200, timeoutCeilingMs: 1000 };
/** Without one they are IKE requests, one at a time, which a gateway answers on its slow path. */
const IKE_PROBES = { intervalMs: 250, idleIntervalMs: 5000, timeoutFloorMs: 600, timeoutCeilingMs: 2000 };
const IDLE_AFTER_MS = 2000;

export function failoverTiming(config: ClientConfig): ColdTiming {
  const { interval, misses } = config.failover.probe;
  const bounds = config.relay === undefined ? IKE_PROBES : RELAY_PROBES;
  const intervalMs = config.relay === undefined ? Math.max(interval, IKE_PROBES.intervalMs) : interval;
  return {
    probe: {
      ...bounds,
      intervalMs,
      idleIntervalMs: Math.max(intervalMs, bounds.idleIntervalMs),
      idleAfterMs: IDLE_AFTER_MS,
      misses,
    },
    attemptMs: 4000,
    backoffFirstMs: 500,
    backoffMaxMs: 10_000,
    settleMs: 5000,
    relayGraceMs: 10_000,
    forgetMs: 60_000,
  };
}
