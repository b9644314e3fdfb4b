/** The tests, each on one system for one round. */
import { runIperf, type Streams } from './iperf.js';
import { runPing } from './ping.js';
import type { Scene } from './scene.js';
import { cpuSeconds } from './usage.js';

export const TESTS = ['tcp-up', 'tcp-down', 'tcp-8', 'udp-1400', 'udp-64', 'ping', 'ping-loaded'] as const;
export type TestName = (typeof TESTS)[number];

/** One round of a test. */
export interface Sample {
  /** Mbit/s of payload received, or milliseconds. */
  value: number;
  /** CPU time of the system's programs at both ends. */
  cpuSeconds: number;
  /** What they carried meanwhile. */
  bytes: number;
}

const STREAMS = 8;
/** Headers of IPv4 and UDP. */
const UDP_HEADERS = 28;
/** For each offered rate. */
const UDP_SECONDS = 1;
/** After what arrived, so much more is offered. */
const UDP_STEP = 1.3;
/** Offered rates tried in a round. */
const UDP_STEPS = 6;
/** Gains below this are noise. */
const UDP_GAIN = 1.03;

type Test = (scene: Scene, seconds: number) => Promise<Sample>;

const RUNS: Record<TestName, Test> = {
  'tcp-up': (scene, seconds) => streams(scene, { seconds }),
  'tcp-down': (scene, seconds) => streams(scene, { seconds, reverse: true }),
  'tcp-8': (scene, seconds) => streams(scene, { seconds, count: STREAMS }),
  'udp-1400': scene => datagrams(scene, 1400),
  'udp-64': scene => datagrams(scene, 64),
  ping: (scene, seconds) => pings(scene, seconds),
  'ping-loaded': (scene, seconds) => pingsUnderLoad(scene, seconds),
};

/** `seconds`: whole ones; of UDP each offered rate has one of its own. */
export function runTest(test: TestName, scene: Scene, seconds: number): Promise<Sample> {
  return RUNS[test](scene, seconds);
}

async function metered(
  { tunnel }: Scene,
  body: () => Promise<{ value: number; bytes: number }>,
): Promise<Sample> {
  const pids = [...tunnel.client, ...tunnel.gateway];
  const before = cpuSeconds(pids);
  const result = await body();
  return { ...result, cpuSeconds: cpuSeconds(pids) - before };
}

function streams(scene: Scene, options: Omit<Streams, 'address'>): Promise<Sample> {
  return metered(scene, async () => {
    const { bytes, bitsPerSecond } = await runIperf(scene.client, {
      ...options,
      address: scene.tunnel.address,
    });
    return { value: bitsPerSecond / 1e6, bytes };
  });
}

/**
 * The best rate received, whatever was lost of it. A sender without limit takes the processor from those who carry its
 * datagrams, so that fewer arrive than could; therefore rates are offered from there upward until no more arrives.
 * A packet, with its headers, has `packetBytes`, or fewer where it would not pass in one piece.
 */
async function datagrams(scene: Scene, packetBytes: number): Promise<Sample> {
  const bytes = Math.min(packetBytes, scene.mtu) - UDP_HEADERS;
  const offer = (rate: number) => streams(scene, { seconds: UDP_SECONDS, datagrams: { bytes, rate } });
  let best = await offer(0);
  for (let step = 1; step < UDP_STEPS; step++) {
    const next = await offer(best.value * 1e6 * UDP_STEP);
    const gained = next.value > best.value * UDP_GAIN;
    if (next.value > best.value) best = next;
    if (!gained) break;
  }
  return best;
}

function pings(scene: Scene, seconds: number): Promise<Sample> {
  return metered(scene, async () => {
    const { average, bytes } = await runPing(scene.client, scene.tunnel.address, seconds);
    return { value: average, bytes };
  });
}

/** Beside one TCP stream to the gateway, which begins before and ends after. */
function pingsUnderLoad(scene: Scene, seconds: number): Promise<Sample> {
  const { client, tunnel } = scene;
  return metered(scene, async () => {
    const load = runIperf(client, { address: tunnel.address, seconds: seconds + 1 });
    const pinged = await runPing(client, tunnel.address, seconds).finally(() => load.catch(() => {}));
    return { value: pinged.average, bytes: pinged.bytes + (await load).bytes };
  });
}
