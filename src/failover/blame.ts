/** Names what failed, from who answered since. */
import type { FailureReason } from './actions.js';
import type { Path } from './path.js';

/** The relay may hear us for so long by a path on which an answer to an earlier probe was lost. */
const LATE_ARRIVALS_MS = 40;

/** Why a path that misses its probes fails. `relay`: probes go through the gateway to a relay behind it. */
export function blame(path: Path, relay: boolean): FailureReason {
  if (path.failure?.reason !== undefined) return path.failure.reason;
  if (!relay) return 'gateway';
  const since = path.health.missedSince;
  const heard = path.heardByRelay;
  // Our probes still arrive. The last ones before the failure do so a little later when the path is full.
  if (heard !== undefined && heard.at > since + LATE_ARRIVALS_MS) return 'path-inbound';
  // What was under way when the path failed has arrived by the time of the first miss.
  if (path.health.receivedAfter >= (path.health.suspectAt ?? Number.POSITIVE_INFINITY))
    return 'path-outbound';
  return path.aliveAt > since ? 'path' : 'gateway';
}

/**
 * Why none of the paths, the active one first, is answered. Undefined: not known yet, as gateways that were asked may still answer
 * (`waited`: they had their time).
 */
export function blameAll(paths: readonly Path[], relay: boolean, waited: boolean): FailureReason | undefined {
  const [active] = paths;
  const since = active?.health.missedSince ?? 0;
  const alive = paths.some(({ aliveAt }) => aliveAt > since);
  if (relay && !alive && !waited) return undefined;
  if (active !== undefined && paths.length === 1) return blame(active, relay);
  return alive ? 'relay' : 'network';
}
