/** What the demonstration is played on: the paper's three gateways, with its round trips. */

import type { Program, Site } from '../lab/index.js';
import {
  City,
  type Fault,
  type Gateway,
  gatewayConfiguration,
  StrongSwan,
  VpnrGateway,
} from '../lab/index.js';

/**
 * Matsuhashi, Shinagawa, Ishii, Hirooka, Kato: Transparent VPN failure recovery with virtualization. Future
 * Generation Computer Systems, 2012. Milliseconds from the failure until TCP sends again.
 */
export const PAPER_RECOVERY_MS = 3900;

/** Round trips to the gateways, milliseconds, as the paper measured them. */
export const ROUND_TRIPS = { tokyo: 13.2, yokohama: 12.6, fukuoka: 32 } as const;

export type GatewayName = keyof typeof ROUND_TRIPS;
export const GATEWAY_NAMES = Object.keys(ROUND_TRIPS) as GatewayName[];

export const GATEWAY_KINDS = ['vpnr', 'strongswan'] as const;
export type GatewayKind = (typeof GATEWAY_KINDS)[number];

/** What can happen to the gateway in use; each is the rest of a sentence that begins with its name. */
export const DEMO_FAULTS = {
  kill: 'was killed (SIGKILL)',
  'link-down': 'lost its line to the internet',
  blackhole: 'fell silent (every packet to and from it vanished)',
  'leased-line': 'lost the leased line behind it',
} as const satisfies Partial<Record<Fault, string>>;

export type DemoFault = keyof typeof DEMO_FAULTS;

/** Of each gateway's line to the internet. */
const LINE_MBITS = 100;
/** Of a leased line, one way. */
const LEASED_DELAY_MS = 0.1;

const RELAY_SIDE = ['10.20.0.0/16', '10.30.0.0/16'];

function site(name: GatewayName, subnet: string, number: number): Site {
  return {
    outer: `${subnet}.10`,
    router: `${subnet}.1`,
    inner: `10.20.0.${10 + number}`,
    pool: `10.6${number}.0.0/24`,
    identity: `${name}.example.net`,
    line: { delayMs: ROUND_TRIPS[name] / 2, rateMbits: LINE_MBITS },
    leased: { delayMs: LEASED_DELAY_MS },
  };
}

/** Addresses for documentation (RFC 5737) and for tests (RFC 2544); 192.0.2.0/24 is the client's. */
const SITES: Record<GatewayName, Site> = {
  tokyo: site('tokyo', '198.51.100', 1),
  yokohama: site('yokohama', '203.0.113', 2),
  fukuoka: site('fukuoka', '198.18.0', 3),
};

export type DemoCity = City<GatewayName, Gateway>;

/** Builds it; its gateways run when this resolves. */
export function buildStage(kind: GatewayKind, program: Program): Promise<DemoCity> {
  return City.build<GatewayName, Gateway>({
    program,
    sites: SITES,
    makeGateway: (host, site) =>
      kind === 'strongswan'
        ? new StrongSwan(host, { swanctl: gatewayConfiguration(site) })
        : new VpnrGateway(host, { ...site, program, networks: RELAY_SIDE }),
  });
}
