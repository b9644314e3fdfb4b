/** wireguard-go, whichever is first in PATH, told what to do over its own socket as `wg` would. */
import { generateKeyPairSync } from 'node:crypto';
import { connect } from 'node:net';
import { join } from 'node:path';
import { VpnrError } from '../../errors.js';
import { runCommand } from '../../lab/command.js';
import { type Host, type LabProcess, until } from '../../lab/index.js';
import { CLIENT_ADDRESS, GATEWAY_ADDRESS, type Peer, pidsOf, programObstacle } from './peer.js';

const PORT = 51820;
const CLIENT_INSIDE = '10.9.0.2';
const GATEWAY_INSIDE = '10.9.0.1';
const DEVICE = 'wg0';
/** As wg-quick computes it for a path of 1,500 bytes, where the tunnel's outside may be IPv6. */
const MTU = 1420;
const START_MS = 10_000;
const ANSWER_MS = 5_000;

/** An X25519 key pair, in hexadecimal as the socket takes it. */
function makeKeys(): { secret: string; open: string } {
  const { d, x } = generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' });
  const hex = (text: string | undefined) => Buffer.from(text ?? '', 'base64url').toString('hex');
  return { secret: hex(d), open: hex(x) };
}

/**
 * https://www.wireguard.com/xplatform/: settings a line each, an empty line, and "errno=0" comes back. Resolves with
 * undefined when nobody listens yet.
 */
function tell(socket: string, settings: readonly string[]): Promise<true | undefined> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      connection.destroy();
      reject(new VpnrError('LAB_FAILED', `wireguard-go does not take its settings: ${why}`));
    };
    const connection = connect(socket, () => connection.write(`set=1\n${settings.join('\n')}\n\n`));
    let answer = '';
    connection.setTimeout(ANSWER_MS, () => fail('no answer'));
    connection.setEncoding('utf8').on('data', chunk => {
      answer += chunk;
      if (!answer.endsWith('\n\n')) return;
      if (answer.trim() !== 'errno=0') return fail(answer.trim());
      connection.destroy();
      resolve(true);
    });
    connection.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(undefined);
      else fail(error.message);
    });
  });
}

async function startEnd(host: Host, address: string, settings: readonly string[]): Promise<LabProcess> {
  const child = host.spawn(['wireguard-go', '--foreground', DEVICE], { env: { LOG_LEVEL: 'error' } });
  const socket = join(host.runFolder, 'wireguard', `${DEVICE}.sock`);
  await until(`wireguard-go in ${host.name} can be told`, START_MS, () => {
    if (!child.running) {
      throw new VpnrError(
        'LAB_FAILED',
        `wireguard-go has ended: ${child.errors.at(-1) ?? 'it said nothing'}`,
      );
    }
    return tell(socket, settings);
  });
  await host.run(['ip', 'address', 'add', `${address}/24`, 'dev', DEVICE]);
  await host.run(['ip', 'link', 'set', DEVICE, 'mtu', `${MTU}`, 'up']);
  return child;
}

export const wireguardGo: Peer = {
  system: 'wireguard-go',
  obstacle: () => programObstacle('wireguard-go'),
  version: async () => {
    const { stdout } = await runCommand(['wireguard-go', '--version']);
    return /^wireguard-go v?(\S+)/m.exec(stdout)?.[1] ?? 'unknown';
  },
  async start({ client, gateway }) {
    const keys = { client: makeKeys(), gateway: makeKeys() };
    const gatewayEnd = await startEnd(gateway, GATEWAY_INSIDE, [
      `private_key=${keys.gateway.secret}`,
      `listen_port=${PORT}`,
      `public_key=${keys.client.open}`,
      `endpoint=${CLIENT_ADDRESS}:${PORT}`,
      `allowed_ip=${CLIENT_INSIDE}/32`,
    ]);
    const clientEnd = await startEnd(client, CLIENT_INSIDE, [
      `private_key=${keys.client.secret}`,
      `listen_port=${PORT}`,
      `public_key=${keys.gateway.open}`,
      `endpoint=${GATEWAY_ADDRESS}:${PORT}`,
      `allowed_ip=${GATEWAY_INSIDE}/32`,
    ]);
    return { address: GATEWAY_INSIDE, client: pidsOf(clientEnd), gateway: pidsOf(gatewayEnd) };
  },
};
