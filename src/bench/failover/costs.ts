/** What a mode costs while nothing fails: probes on the wire, processor time and memory of the client. */
import type { DemoCity } from '../../demo/stage.js';
import type { FailoverMode } from '../../failover/actions.js';
import { SERVER_ADDRESS, Transfer, until } from '../../lab/index.js';
import { RELAY_HEADER, RELAY_PROBE_BODY, REPLAY_BLOCK } from '../../packet/abi.js';
import { type BenchContext, unlessAborted } from '../context.js';
import { rounded } from '../statistics.js';
import { cpuSeconds, peakMemoryMB } from '../tunnel/usage.js';
import type { CostResult } from './result.js';

const IDLE_MS = 10_000;
const BUSY_MS = 5000;
/** After the last packet, until nothing counts as traffic any more. */
const CALM_MS = 4000;
const RATE = 6_000_000;
/**
 * Of a probe in mode clear on the wire without its padding: IP 20, UDP 8, ESP 8 + 8 + 2 + 16, IP 20, UDP 8, relay, body. What is missing
 * is told by 128 bytes more, but nothing is while nothing fails.
 */
const PROBE_BYTES = 90 + RELAY_HEADER + RELAY_PROBE_BODY;

export async function measureCosts(
  context: BenchContext,
  city: DemoCity,
  mode: FailoverMode,
  configuration: Record<string, unknown>,
): Promise<CostResult> {
  const within = <T>(promise: Promise<T>) => unlessAborted(context, promise);
  const connection = city.connect(configuration);
  const pid = () => connection.process.pid as number;
  /** CPU in percent of a core, probes a second. */
  const over = async (ms: number) => {
    const probes = async () => (await connection.status()).traffic.counters['probes-sent'] ?? 0;
    const before = { probes: await probes(), cpu: cpuSeconds([pid()]), at: performance.now() };
    await until('time passes', 2 * ms, () => (performance.now() - before.at >= ms ? true : undefined));
    const seconds = (performance.now() - before.at) / 1000;
    const cpu = cpuSeconds([pid()]) - before.cpu;
    return { cpu: (cpu / seconds) * 100, probes: ((await probes()) - before.probes) / seconds };
  };
  try {
    context.progress.step(`what ${mode} costs`, 0, 2);
    await within(connection.event('connected'));
    const calmAt = performance.now() + CALM_MS;
    await within(until('calm', 2 * CALM_MS, () => (performance.now() >= calmAt ? true : undefined)));
    const idle = await within(over(IDLE_MS));
    context.progress.step(`what ${mode} costs under load`, 1, 2);
    const ends = { client: city.client, server: city.server, address: SERVER_ADDRESS };
    const transfer = await within(Transfer.start({ ...ends, bytes: 1, rate: RATE, untilTold: true }));
    const busy = await within(over(BUSY_MS));
    const blocks = (await connection.status()).traffic.counters['replay-blocks'] ?? 0;
    transfer.finish();
    await within(transfer.result(BUSY_MS));
    return {
      mode,
      idleCpuPercent: rounded(idle.cpu, 2),
      idleProbesPerSecond: rounded(idle.probes, 2),
      busyCpuPercent: rounded(busy.cpu, 1),
      busyProbesPerSecond: rounded(busy.probes, 1),
      busyProbeKbits: rounded((busy.probes * PROBE_BYTES * 8) / 1000, 1),
      peakMemoryMB: rounded(peakMemoryMB([pid()]), 1),
      ringMB: rounded((blocks * REPLAY_BLOCK) / 1e6, 2),
    };
  } finally {
    await connection.stop();
  }
}
