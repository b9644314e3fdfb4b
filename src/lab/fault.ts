import type { City } from './city.js';
import type { Gateway } from './gateway.js';

/** Ways for a gateway to fail, as a client meets them. */
export const FAULTS = {
  kill: 'its process gets SIGKILL',
  freeze: 'its process stops without ending (SIGSTOP)',
  'link-down': 'the line to the gateway is cut',
  blackhole: 'packets to and from the gateway vanish',
  'blackhole-in': 'packets to the gateway vanish',
  'blackhole-out': 'packets from the gateway vanish',
  'leased-line': 'the line from the gateway to the relay is cut',
} as const;

export type Fault = keyof typeof FAULTS;

export async function injectFault<Name extends string>(
  city: City<Name, Gateway>,
  gateway: NoInfer<Name>,
  fault: Fault,
): Promise<void> {
  const host = city.lab.host(gateway);
  switch (fault) {
    case 'kill':
      return city.gateways[gateway].kill();
    case 'freeze':
      return city.gateways[gateway].freeze();
    case 'link-down':
      return host.link(gateway).down();
    case 'blackhole':
      return host.link(gateway).drop({ direction: 'both' });
    case 'blackhole-in':
      return host.link(gateway).drop({ direction: 'in' });
    case 'blackhole-out':
      return host.link(gateway).drop({ direction: 'out' });
    case 'leased-line':
      return host.link('inner').down();
  }
}

/** Takes a fault back: the gateway is as it was, without the associations it had if it was killed. */
export async function repairFault<Name extends string>(
  city: City<Name, Gateway>,
  gateway: NoInfer<Name>,
  fault: Fault,
): Promise<void> {
  const host = city.lab.host(gateway);
  switch (fault) {
    case 'kill':
      return city.gateways[gateway].start();
    case 'freeze':
      return city.gateways[gateway].thaw();
    case 'link-down':
      return host.link(gateway).up();
    case 'blackhole':
    case 'blackhole-in':
    case 'blackhole-out':
      return host.link(gateway).restore();
    case 'leased-line':
      return host.link('inner').up();
  }
}
