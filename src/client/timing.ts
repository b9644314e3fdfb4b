/** How patient the client is: the times of the failover policy for a configuration. */
import type { ClientConfig } from '../config/client.js';
import type { FailoverSettings } from '../dataplane/api.js';
import type { FailoverOptions } from '../failover/actions.js';
import type { ProbeTiming } from '../failover/timing.js';

const IDLE_AFTER_MS = 2000;

/** With a relay, probes are small packets of the data path itself. */
const PROBES = {
  confirmIntervalMs: 10,
  idleIntervalMs: 1000,
  timeoutFloorMs: 25,
  timeoutCeilingMs: 1000,
  jumpMs: 60,
};
/** Without one they are IKE requests, sent again when they are lost, which a gateway answers on its slow path. */
const LIVENESS_CHECKS = {
  intervalMs: 250,
  confirmIntervalMs: 250,
  standbyIntervalMs: 2000,
  idleIntervalMs: 5000,
  timeoutFloorMs: 600,
  timeoutCeilingMs: 2000,
  jumpMs: 600,
};

/** The failover policy's options. */
export function failoverOptions(config: ClientConfig): FailoverOptions {
  const { mode, prefer, failback } = config.failover;
  return {
    gateways: config.gateways.length,
    mode,
    relay: config.relay !== undefined,
    prefer,
    timing: {
      probe: config.relay === undefined ? livenessChecks(config) : probes(config),
      attemptMs: 4000,
      staggerMs: 500,
      raceMs: 1000,
      backoffFirstMs: 500,
      backoffMaxMs: 10_000,
      backoffSpareMs: 60_000,
      settleMs: 5000,
      relayGraceMs: 10_000,
      rebuildMs: 4000,
      rebuildAloneMs: 8000,
      rebuildAwakeMs: 1500,
      retireMs: 1000,
      forgetMs: 60_000,
      flapWindowMs: 600_000,
      failbackMs: failback === 'never' ? Number.POSITIVE_INFINITY : failback.after,
      holdDownMaxMs: 1_800_000,
      moves: 4,
      movesWindowMs: 600_000,
      latencyShare: 0.2,
      latencyMarginMs: 5,
      latencyForMs: 10_000,
      lossy: 0.1,
      examineMs: 3000,
      examineEveryMs: 30_000,
    },
  };
}

function probes({ failover }: ClientConfig): ProbeTiming {
  const { interval, misses, standby, idle } = failover.probe;
  return {
    ...PROBES,
    intervalMs: interval,
    confirmIntervalMs: Math.min(interval, PROBES.confirmIntervalMs),
    standbyIntervalMs: Math.max(interval, standby),
    idleIntervalMs: Math.max(interval, PROBES.idleIntervalMs),
    idleMaxMs: Math.max(interval, idle),
    idleAfterMs: IDLE_AFTER_MS,
    misses,
  };
}

function livenessChecks({ failover }: ClientConfig): ProbeTiming {
  const { interval, misses, standby, idle } = failover.probe;
  const intervalMs = Math.max(interval, LIVENESS_CHECKS.intervalMs);
  const idleIntervalMs = Math.max(interval, LIVENESS_CHECKS.idleIntervalMs);
  return {
    ...LIVENESS_CHECKS,
    intervalMs,
    confirmIntervalMs: intervalMs,
    standbyIntervalMs: Math.max(standby, LIVENESS_CHECKS.standbyIntervalMs),
    idleIntervalMs,
    idleMaxMs: Math.max(idle, idleIntervalMs),
    idleAfterMs: IDLE_AFTER_MS,
    misses,
  };
}

/** What the data plane keeps and doubles. */
export function planeSettings({ failover }: ClientConfig): FailoverSettings {
  const { mode, replay, duplicate } = failover;
  const keeps = mode === 'replay' || mode === 'duplicate';
  return {
    replay: { bytes: keeps ? replay.bytes : 0, ageMs: replay.age },
    duplicate: (duplicate ?? []).map(({ port, protocol, dscp }) => ({
      ...(port !== undefined && { port }),
      ...(protocol !== undefined && { protocol }),
      ...(dscp !== undefined && { dscp }),
    })),
  };
}
