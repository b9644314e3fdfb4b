import type { DemoFault, GatewayKind, GatewayName } from './stage.js';
import { DEMO_FAULTS } from './stage.js';

/** What came out, as `--json` prints it. Durations in milliseconds. */
export interface DemoResult {
  /** The TCP connection went on through another gateway, its content intact. */
  survived: boolean;
  fault: DemoFault;
  /** From the fault until the client knew; null if it never did. */
  detectMs: number | null;
  /** From then until another gateway carried the traffic. */
  switchMs: number | null;
  /** The longest time between two arrivals of data at the application. */
  pauseMs: number | null;
  /** That the application received. */
  bytes: number;
  /** What was received is what was sent (SHA-256). */
  digestOk: boolean;
  /** TCP connections that were reset. */
  resets: number;
  /** Why the connection broke, as in "ETIMEDOUT". */
  broken: string | null;
  /** What the application is seen as; the same before and after. */
  address: string;
  /** How the failure was seen: "probes", "closed-by-gateway", ... */
  reason: string | null;
  kind: GatewayKind;
  gateways: GatewayResult[];
  /** The same in the paper. */
  paper: { recoveryMs: number };
  /** The whole demonstration, with building and removing. */
  totalMs: number;
}

export interface GatewayResult {
  name: GatewayName;
  state: 'failed' | 'active' | 'spare';
  /** Of its line, both ways. */
  roundTripMs: number;
  /** Of the download. */
  bytes: number;
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
const milliseconds = (ms: number | null) => (ms === null ? 'never' : `${Math.round(ms)} ms`);

/** The result in plain sentences. */
export function describeResult(result: DemoResult): string[] {
  const { fault, detectMs, switchMs, pauseMs, bytes, resets, gateways, address, paper } = result;
  const nameOf = (state: 'failed' | 'active') => gateways.find(gateway => gateway.state === state)?.name;
  const failed = nameOf('failed') ?? 'the gateway';
  const cause = `${failed} ${DEMO_FAULTS[fault]}`;
  if (!result.survived) {
    const after = detectMs === null ? 'which vpnr did not notice' : `noticed after ${milliseconds(detectMs)}`;
    const end =
      result.broken !== null
        ? `the connection broke (${result.broken})`
        : result.digestOk
          ? 'no other gateway took over'
          : 'what arrived is not what was sent';
    return [`The TCP download did NOT survive: ${cause}, ${after}; ${end}.`];
  }
  const times =
    pauseMs === null || pauseMs === 0 ? '' : `, ${(paper.recoveryMs / pauseMs).toFixed(1)} times as long`;
  return [
    `The TCP download survived: ${cause}, and ${nameOf('active')} took over.`,
    `  detected in     ${milliseconds(detectMs)} after the fault`,
    `  switched in     ${milliseconds(switchMs)} after that`,
    `  longest pause   ${milliseconds(pauseMs)} of the TCP connection`,
    `  in the paper    ${milliseconds(paper.recoveryMs)} (2012)${times}`,
    `  delivered       ${megabytes(bytes)}, bit for bit as sent (SHA-256)`,
    `  resets          ${resets}; the application's address stayed ${address}`,
  ];
}
