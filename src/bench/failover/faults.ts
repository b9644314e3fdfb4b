/** What can happen to the gateways, the lines and the relay in the middle of a transfer, and how it is put right again. */
import { type DemoCity, GATEWAY_NAMES, type GatewayName, ROUND_TRIPS } from '../../demo/stage.js';
import { type Fault, FAULTS as GATEWAY_FAULTS, injectFault, repairFault } from '../../lab/index.js';

export interface Trial {
  city: DemoCity;
  /** The gateway that carries the traffic. */
  active: GatewayName;
  restartRelay(): Promise<void>;
}

interface FaultPlan {
  text: string;
  inject(trial: Trial): Promise<void>;
  /** The city is as before. */
  repair(trial: Trial): Promise<void>;
  /** Traffic has to move to another gateway. Otherwise the connection has to go on, wherever. */
  moves: boolean;
  /** Nothing fails: there is nothing to be detected. */
  planned?: true;
  /** Something is lost for certain and no other gateway can help. */
  outage?: true;
  /** Only vpnr's own gateways can do it. */
  ownGatewaysOnly?: true;
}

const LOSS = 0.3;
const JUMP_MS = 200;
const nothing = async () => {};

function gatewayFault(fault: Fault): FaultPlan {
  return {
    text: GATEWAY_FAULTS[fault],
    inject: ({ city, active }) => injectFault(city, active, fault),
    repair: ({ city, active }) => repairFault(city, active, fault),
    moves: true,
  };
}

function line({ city, active }: Trial) {
  return city.lab.host(active).link(active);
}

export const FAULTS = {
  kill: gatewayFault('kill'),
  freeze: gatewayFault('freeze'),
  'link-down': gatewayFault('link-down'),
  blackhole: gatewayFault('blackhole'),
  // As the client sees it: what it sends goes into the gateway.
  'blackhole-out': gatewayFault('blackhole-in'),
  'blackhole-in': gatewayFault('blackhole-out'),
  'leased-line': gatewayFault('leased-line'),
  'relay-restart': {
    text: 'the relay is ended and started again',
    inject: ({ restartRelay }) => restartRelay(),
    repair: nothing,
    moves: false,
    outage: true,
  },
  'loss-30': {
    text: '30 % of the packets to and from the gateway are lost',
    inject: async trial => line(trial).shape({ loss: LOSS }),
    repair: async trial => line(trial).shape({ loss: 0 }),
    moves: false,
  },
  'delay-200': {
    text: 'the gateway is 200 ms further away all of a sudden',
    inject: async trial => line(trial).shape({ delayMs: (ROUND_TRIPS[trial.active] + JUMP_MS) / 2 }),
    repair: async trial => line(trial).shape({ delayMs: ROUND_TRIPS[trial.active] / 2 }),
    moves: false,
  },
  'all-down': {
    text: 'the lines to all gateways are cut, and one comes back',
    inject: async ({ city, active }) => {
      await Promise.all(GATEWAY_NAMES.map(name => injectFault(city, name, 'link-down')));
      // Until everything has been given up: longer than any detection.
      await new Promise(resolve => setTimeout(resolve, ALL_DOWN_MS));
      await repairFault(city, othersThan(active)[0] as GatewayName, 'link-down');
    },
    repair: async ({ city }) => {
      await Promise.all(GATEWAY_NAMES.map(name => repairFault(city, name, 'link-down')));
    },
    moves: true,
    outage: true,
  },
  drain: {
    text: 'the gateway sends its clients elsewhere (vpnr drain)',
    inject: async ({ city, active }) => {
      await city.lab.host(active).ask('gateway', { command: 'drain' });
    },
    repair: async ({ city, active }) => {
      await city.gateways[active].stop();
      await city.gateways[active].start();
    },
    moves: true,
    planned: true,
    ownGatewaysOnly: true,
  },
  switch: {
    text: 'the operator wants another gateway (vpnr switch)',
    inject: async ({ city, active }) => {
      await city.client.ask('work', { command: 'switch', gateway: othersThan(active)[0] as GatewayName });
    },
    repair: nothing,
    moves: true,
    planned: true,
  },
} as const satisfies Record<string, FaultPlan>;

const ALL_DOWN_MS = 1500;

export type FaultName = keyof typeof FAULTS;
export const FAULT_NAMES = Object.keys(FAULTS) as FaultName[];

/** What a rough result is made of: the ways to fail that differ most. */
export const MAIN_FAULTS: readonly FaultName[] = [
  'kill',
  'link-down',
  'blackhole-in',
  'leased-line',
  'drain',
  'switch',
];

export function planOf(fault: FaultName): FaultPlan {
  return FAULTS[fault];
}

function othersThan(active: GatewayName): GatewayName[] {
  return GATEWAY_NAMES.filter(name => name !== active);
}
