/** strongSwan with ESP in user space (kernel-libipsec) at both ends, ChaCha20-Poly1305. */
import { randomBytes } from 'node:crypto';
import { VpnrError } from '../../errors.js';
import { runCommand } from '../../lab/command.js';
import {
  gatewayConfiguration,
  ROAD_WARRIOR,
  roadWarriorConfiguration,
  StrongSwan,
  strongSwanObstacle,
} from '../../lab/index.js';
import { GATEWAY_ADDRESS, INSIDE_ADDRESS, INSIDE_NETWORK, type Peer, pidsOf } from './peer.js';

const GATEWAY = 'gateway.example.net';
const CLIENT = 'client1';
const POOL = '10.61.0.0/24';
const INITIATE_SECONDS = 10;

export const strongswan: Peer = {
  system: 'strongswan',
  obstacle: strongSwanObstacle,
  version: async () => {
    const { stdout } = await runCommand(['swanctl', '--help']);
    return /strongSwan (\S+)/.exec(stdout)?.[1] ?? 'unknown';
  },
  async start(site) {
    // In hexadecimal: swanctl decodes what begins with "0x" or "0s".
    const psk = randomBytes(24).toString('hex');
    // Each end's first proposal is ChaCha20-Poly1305.
    const gateway = new StrongSwan(site.gateway, {
      swanctl: gatewayConfiguration({
        identity: GATEWAY,
        pool: POOL,
        networks: [INSIDE_NETWORK],
        clients: [{ identity: CLIENT, psk }],
      }),
    });
    const client = new StrongSwan(site.client, {
      swanctl: roadWarriorConfiguration({
        identity: CLIENT,
        psk,
        gateway: { address: GATEWAY_ADDRESS, identity: GATEWAY },
        networks: [INSIDE_NETWORK],
      }),
    });
    await gateway.start();
    await client.start();
    const { status, stderr } = await client.swanctl(
      '--initiate',
      '--child',
      ROAD_WARRIOR,
      '--timeout',
      `${INITIATE_SECONDS}`,
    );
    if (status !== 0) throw new VpnrError('LAB_FAILED', `swanctl --initiate: ${stderr.trim()}`);
    return { address: INSIDE_ADDRESS, client: pidsOf(client), gateway: pidsOf(gateway) };
  },
};
