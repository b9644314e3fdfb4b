import { counterIndices, isDrop } from './counters.js';

/** What the data plane counted. */
export interface Traffic {
  /** Packets and bytes that moved, probes, keep-alives. */
  counters: Record<string, number>;
  /** Dropped packets by reason; only reasons that occurred. */
  drops: Record<string, number>;
}

/** Divides the core's counters into what moved and what was dropped. */
export function trafficOf(counters: Record<string, number>): Traffic {
  const traffic: Traffic = { counters: {}, drops: {} };
  for (const [name, value] of Object.entries(counters)) {
    if (!isDrop(counterIndices.get(name) ?? 0)) traffic.counters[name] = value;
    else if (value > 0) traffic.drops[name] = value;
  }
  return traffic;
}
