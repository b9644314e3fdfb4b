/** iperf3: streams of TCP and UDP, and what arrived of them. */
import { VpnrError } from '../../errors.js';
import { type Host, until } from '../../lab/index.js';

const READY_MS = 5_000;
/** Beyond the time of the stream itself; a stream that hangs is ended. */
const SLACK_MS = 15_000;
const BUSY_MS = 10_000;

/** Starts iperf3's server, which ends with its host. It serves one run after the other. */
export async function startIperfServer(host: Host, address: string): Promise<void> {
  const server = host.spawn(['iperf3', '--server', '--bind', address, '--forceflush']);
  await server.line(/Server listening/, READY_MS);
}

export interface Streams {
  /** What the server is bound to. */
  address: string;
  /** Whole seconds: iperf3 takes no others. */
  seconds: number;
  count?: number;
  /** From the gateway to the client. */
  reverse?: boolean;
  /** UDP instead of TCP. */
  datagrams?: Datagrams;
}

export interface Datagrams {
  /** Of UDP's payload. */
  bytes: number;
  /** What is sent, bits a second of payload; 0: as much as the sender can. */
  rate: number;
}

/** What has arrived. */
export interface Arrived {
  /** Of payload. */
  bytes: number;
  bitsPerSecond: number;
}

export function iperfArguments({ address, seconds, count, reverse, datagrams }: Streams): string[] {
  return [
    '--json',
    ...['--client', address],
    ...['--time', `${seconds}`],
    ...(count === undefined ? [] : ['--parallel', `${count}`]),
    ...(reverse ? ['--reverse'] : []),
    ...(datagrams === undefined
      ? []
      : ['--udp', '--length', `${datagrams.bytes}`, '--bitrate', `${Math.round(datagrams.rate)}`]),
  ];
}

/** Runs iperf3's client in `host`; throws LAB_FAILED with iperf3's own reason. */
export async function runIperf(host: Host, streams: Streams): Promise<Arrived> {
  const timeoutMs = streams.seconds * 1000 + SLACK_MS;
  return until('the iperf3 server is free', BUSY_MS, async () => {
    const { stdout, stderr } = await host.try(['iperf3', ...iperfArguments(streams)], { timeoutMs });
    return isBusy(stdout) ? undefined : parseIperf(stdout, stderr);
  });
}

/** Whether the server has not put away the streams of the run before yet, so that there was none. */
export function isBusy(stdout: string): boolean {
  return /"error":\s*"the server is busy/.test(stdout);
}

/** Reads what `iperf3 --json` prints. Its exit status is 0 whatever happened. */
export function parseIperf(stdout: string, stderr = ''): Arrived {
  let report: { error?: string; end?: { sum_received?: { bytes?: number; bits_per_second?: number } } };
  try {
    report = JSON.parse(stdout);
  } catch {
    throw new VpnrError('LAB_FAILED', `iperf3 said no result: ${stderr.trim().split('\n')[0] || 'nothing'}`);
  }
  if (report.error !== undefined) throw new VpnrError('LAB_FAILED', `iperf3: ${report.error}`);
  const { bytes, bits_per_second: bitsPerSecond } = report.end?.sum_received ?? {};
  if (bytes === undefined || bitsPerSecond === undefined) {
    throw new VpnrError(
      'LAB_FAILED',
      'iperf3 does not say what has been received (version 3.7 or newer does)',
    );
  }
  return { bytes, bitsPerSecond };
}
