/**
 * The paper's other two figures: round trip and throughput of a client in three cities, with and without the layer below its sockets
 * and the relay. The client uses one gateway at a time; without a tunnel its packets take the same lines.
 */
import { type DemoCity, GATEWAY_NAMES, type GatewayKind, type GatewayName } from '../../demo/stage.js';
import { VpnrError } from '../../errors.js';
import { findProgram } from '../../lab/command.js';
import { SERVER_ADDRESS, until } from '../../lab/index.js';
import { type BenchContext, unlessAborted } from '../context.js';
import type { Skipped } from '../model.js';
import { rounded } from '../statistics.js';
import { runIperf, startIperfServer } from '../tunnel/iperf.js';
import { runPing } from '../tunnel/ping.js';
import type { Stage } from './stage.js';
import { firstLine } from './trial.js';

/** `none`: no VPN. */
export const LAYERS = ['none', 'vpnr', 'vpnr-relay'] as const;
export type Layer = (typeof LAYERS)[number];

export interface LayerResult {
  city: GatewayName;
  gateways: GatewayKind;
  layer: Layer;
  /** Average of ping. */
  roundTripMs: number;
  /** TCP, server to client; the lines carry 100 with all headers. */
  mbits: number;
}

interface Effort {
  /** Whole seconds of each. */
  ping: number;
  tcp: number;
}

const FULL: Effort = { ping: 3, tcp: 5 };
const QUICK: Effort = { ping: 1, tcp: 2 };
const REACHABLE_MS = 10_000;

export async function measureLayers(
  context: BenchContext,
  stage: Stage,
  kind: GatewayKind,
  skipped: Skipped[],
): Promise<LayerResult[]> {
  if (findProgram('iperf3') === undefined) {
    skipped.push({
      what: 'round trip and throughput with and without the layer',
      why: 'iperf3 is not installed',
    });
    return [];
  }
  const results: LayerResult[] = [];
  const city = await stage.city();
  await unlessAborted(context, startIperfServer(city.server, SERVER_ADDRESS));
  const steps = GATEWAY_NAMES.flatMap(name => LAYERS.map(layer => ({ name, layer })));
  for (const [done, { name, layer }] of steps.entries()) {
    context.progress.step(`${kind}, ${name}, ${LAYER_TEXTS[layer]}`, done, steps.length);
    try {
      const figures = await within(context, stage, name, layer, () =>
        measured(context, city, context.quick ? QUICK : FULL),
      );
      results.push({ city: name, gateways: kind, layer, ...figures });
    } catch (error) {
      context.signal.throwIfAborted();
      if (!(error instanceof VpnrError)) throw error;
      skipped.push({ what: `${name}, ${LAYER_TEXTS[layer]}`, why: firstLine(error) });
    }
  }
  return results;
}

export const LAYER_TEXTS: Record<Layer, string> = {
  none: 'no VPN',
  vpnr: 'vpnr',
  'vpnr-relay': 'vpnr with the relay',
};

/** Runs `body` while the client reaches the server in this way, by way of this city. */
async function within<T>(
  context: BenchContext,
  stage: Stage,
  name: GatewayName,
  layer: Layer,
  body: () => Promise<T>,
): Promise<T> {
  const city = await stage.city();
  if (layer === 'none') {
    await city.openPlainRoute(name);
    return body();
  }
  const usual = await stage.configuration('cold');
  const configuration = {
    ...usual,
    gateways: usual.gateways.filter((gateway: { name: string }) => gateway.name === name),
    ...(layer === 'vpnr' ? { relay: undefined } : {}),
  };
  const connection = city.connect(configuration);
  try {
    await unlessAborted(context, connection.event('connected'));
    return await body();
  } finally {
    await connection.stop();
  }
}

async function measured(
  context: BenchContext,
  { client }: DemoCity,
  effort: Effort,
): Promise<Pick<LayerResult, 'roundTripMs' | 'mbits'>> {
  await unlessAborted(
    context,
    until('the server answers', REACHABLE_MS, async () => {
      const { status } = await client.try(['ping', '-c', '1', '-W', '1', SERVER_ADDRESS]);
      return status === 0 || undefined;
    }),
  );
  const { average } = await unlessAborted(context, runPing(client, SERVER_ADDRESS, effort.ping));
  const { bitsPerSecond } = await unlessAborted(
    context,
    runIperf(client, { address: SERVER_ADDRESS, seconds: effort.tcp, reverse: true }),
  );
  return { roundTripMs: rounded(average, 2), mbits: rounded(bitsPerSecond / 1e6, 1) };
}
