/**
 * What the relay adds, measured in the laboratory: a client, vpnr's gateway, the relay's machine and a server, each in a network
 * namespace. Without the relay its machine just forwards. The two take turns, each time with a new connection.
 */
import { VpnrError } from '../../errors.js';
import { findProgram } from '../../lab/command.js';
import {
  City,
  type Configuration,
  GATEWAYS,
  labObstacle,
  ownProgram,
  SERVER_ADDRESS,
  VpnrGateway,
} from '../../lab/index.js';
import { type BenchContext, unlessAborted } from '../context.js';
import type { Skipped } from '../model.js';
import { median, type Spread, spread } from '../statistics.js';

export const ADDED_TESTS = ['tcp-up', 'tcp-down', 'ping'] as const;
export type AddedTest = (typeof ADDED_TESTS)[number];

/** Of all rounds. Mbit/s; milliseconds for ping. */
export interface AddedResult extends Spread {
  test: AddedTest;
  relay: boolean;
}

interface Effort {
  rounds: number;
  seconds: number;
  pings: number;
}

const FULL: Effort = { rounds: 5, seconds: 3, pings: 300 };
const QUICK: Effort = { rounds: 1, seconds: 1, pings: 100 };
const PING_INTERVAL_S = 0.005;
const PORT = '5201';
const NETWORKS = ['10.20.0.0/16', '10.30.0.0/16'];
const { tokyo } = GATEWAYS;

type BenchCity = City<'tokyo', VpnrGateway>;

/** Why this machine cannot do it, or undefined. */
export function addedObstacle(): string | undefined {
  return labObstacle(['ping', 'openssl']);
}

export async function measureAdded(context: BenchContext, skipped: Skipped[]): Promise<AddedResult[]> {
  const effort = context.quick ? QUICK : FULL;
  const tests = ADDED_TESTS.filter(test => test === 'ping' || findProgram('iperf3') !== undefined);
  if (!tests.includes('tcp-up')) skipped.push({ what: 'throughput', why: 'iperf3 is not installed' });
  const values = new Map<string, number[]>();
  const city = await build();
  try {
    await unlessAborted(context, city.startRelay());
    if (tests.includes('tcp-up')) city.server.spawn(['iperf3', '-s', '-p', PORT], { name: 'iperf3' });
    for (let round = 0; round < effort.rounds; round++) {
      for (const relay of [false, true]) {
        await connected(context, city, relay, async () => {
          for (const [index, test] of tests.entries()) {
            const done = (round * 2 + (relay ? 1 : 0)) * tests.length + index;
            const what = `${test} ${relay ? 'with' : 'without'} relay, round ${round + 1} of ${effort.rounds}`;
            context.progress.step(what, done, effort.rounds * 2 * tests.length);
            const value = await unlessAborted(context, run(city, test, effort));
            const key = `${test} ${relay}`;
            values.set(key, [...(values.get(key) ?? []), value]);
          }
        });
      }
    }
  } finally {
    city.close();
  }
  return tests.flatMap(test =>
    [false, true].map(relay => ({ test, relay, ...spread(values.get(`${test} ${relay}`) ?? []) })),
  );
}

function build(): Promise<BenchCity> {
  const program = ownProgram();
  return City.build<'tokyo', VpnrGateway>({
    program,
    sites: { tokyo },
    makeGateway: (host, site) => new VpnrGateway(host, { ...site, program, networks: NETWORKS }),
  });
}

/** Runs `body` while the client is connected; the connection has ended when this returns. */
async function connected(
  context: BenchContext,
  city: BenchCity,
  relay: boolean,
  body: () => Promise<void>,
): Promise<void> {
  const configuration: Configuration = city.clientConfiguration();
  if (!relay) delete configuration.relay;
  const connection = city.connect(configuration);
  await unlessAborted(context, connection.event('connected'));
  await body();
  await unlessAborted(context, connection.stop());
}

function run(city: BenchCity, test: AddedTest, effort: Effort): Promise<number> {
  return test === 'ping' ? ping(city, effort.pings) : iperf(city, effort.seconds, test === 'tcp-down');
}

/** Mbit/s of one TCP stream, as they arrive. */
async function iperf({ client }: BenchCity, seconds: number, reverse: boolean): Promise<number> {
  const command = ['iperf3', '-c', SERVER_ADDRESS, '-p', PORT, '-t', String(seconds), '-J'];
  const options = { timeoutMs: (seconds + 20) * 1000 };
  const output = await client.run(reverse ? [...command, '-R'] : command, options);
  const { end } = JSON.parse(output) as { end: { sum_received: { bits_per_second: number } } };
  return end.sum_received.bits_per_second / 1e6;
}

/** The median of the round trips, in milliseconds. */
async function ping({ client }: BenchCity, count: number): Promise<number> {
  const command = ['ping', '-n', '-c', String(count), '-i', String(PING_INTERVAL_S), SERVER_ADDRESS];
  const { stdout } = await client.try(command, { timeoutMs: 30_000 });
  const times = [...stdout.matchAll(/time=([\d.]+) ms/g)].map(match => Number(match[1]));
  if (times.length === 0) throw new VpnrError('LAB_FAILED', `no answer to ping from ${SERVER_ADDRESS}`);
  return median(times);
}
