/** Round trips, by ping of iputils. */
import { VpnrError } from '../../errors.js';
import type { Host } from '../../lab/index.js';

/** Between two pings, seconds. */
const INTERVAL = 0.002;
/** Of one ping in IP: 20 bytes of header, 8 of ICMP, 56 of data. */
const PACKET_BYTES = 84;
const SLACK_MS = 10_000;

export interface RoundTrips {
  /** Milliseconds. */
  average: number;
  /** Of requests sent and replies received, in IP. */
  bytes: number;
}

/** Pings every 2 ms for so many (whole) seconds; throws LAB_FAILED when nothing comes back. */
export async function runPing(host: Host, address: string, seconds: number): Promise<RoundTrips> {
  const command = ['ping', '-n', '-q', '-i', `${INTERVAL}`, '-w', `${seconds}`, address];
  const { stdout, stderr } = await host.try(command, { timeoutMs: seconds * 1000 + SLACK_MS });
  return parsePing(stdout, stderr);
}

/** Reads the summary that `ping -q` prints. */
export function parsePing(stdout: string, stderr = ''): RoundTrips {
  const counts = /^(\d+) packets transmitted, (\d+) received/m.exec(stdout);
  const times = /^rtt min\/avg\/max\/mdev = [\d.]+\/([\d.]+)\//m.exec(stdout);
  if (counts === null || times === null) {
    const said = `${stderr}\n${counts?.[0] ?? ''}`.trim().split('\n')[0];
    throw new VpnrError('LAB_FAILED', `ping: ${said || 'no result'}`);
  }
  const packets = Number(counts[1]) + Number(counts[2]);
  return { average: Number(times[1]), bytes: packets * PACKET_BYTES };
}
