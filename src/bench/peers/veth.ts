/** No tunnel at all: what the machine can carry, and what every tunnel's ping is compared with. */
import { release } from 'node:os';
import { GATEWAY_ADDRESS, type Peer } from './peer.js';

export const veth: Peer = {
  system: 'veth',
  obstacle: () => undefined,
  version: async () => `Linux ${release()}`,
  start: async () => ({ address: GATEWAY_ADDRESS, client: [], gateway: [] }),
};
