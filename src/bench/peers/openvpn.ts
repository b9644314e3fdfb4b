/** OpenVPN as most people run it: UDP, AES-256-GCM, certificates, everything else as it comes. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCertificate } from '../../lab/certificate.js';
import { runCommand } from '../../lab/command.js';
import type { Host, LabProcess } from '../../lab/index.js';
import { CLIENT_ADDRESS, GATEWAY_ADDRESS, type Peer, pidsOf, programObstacle } from './peer.js';

const PORT = 1194;
/** Of the two ends, inside. */
const CLIENT_INSIDE = '10.8.0.2';
const GATEWAY_INSIDE = '10.8.0.1';
const START_MS = 15_000;
const CIPHER = 'AES-256-GCM';
const DEVICE = 'ovpn0';

/** What `openvpn --version` prints; its exit status depends on the version. */
async function introduction(): Promise<string> {
  return (await runCommand(['openvpn', '--version'])).stdout;
}

interface End {
  role: 'tls-client' | 'tls-server';
  local: string;
  remote: string;
  inside: string;
  otherInside: string;
}

const CLIENT_END: End = {
  role: 'tls-client',
  local: CLIENT_ADDRESS,
  remote: GATEWAY_ADDRESS,
  inside: CLIENT_INSIDE,
  otherInside: GATEWAY_INSIDE,
};

const GATEWAY_END: End = {
  role: 'tls-server',
  local: GATEWAY_ADDRESS,
  remote: CLIENT_ADDRESS,
  inside: GATEWAY_INSIDE,
  otherInside: CLIENT_INSIDE,
};

/** Each end trusts the other's self-signed certificate only: all versions know how. */
function configuration(end: End, version: string): string {
  // What the kernel's module carries is not a program in user space any more.
  const offload = version.includes('[DCO]') ? ['disable-dco'] : [];
  return [
    `dev ${DEVICE}`,
    'dev-type tun',
    'proto udp',
    `port ${PORT}`,
    `local ${end.local}`,
    `remote ${end.remote} ${PORT}`,
    `ifconfig ${end.inside} ${end.otherInside}`,
    end.role,
    ...(end.role === 'tls-server' ? ['dh none'] : []),
    'cert own.crt',
    'key own.key',
    'ca other.crt',
    // The name in versions before 2.5, then that of the others.
    `cipher ${CIPHER}`,
    'setenv opt data-ciphers AES-256-GCM',
    ...offload,
    '',
  ].join('\n');
}

function startEnd(host: Host, end: End, version: string): LabProcess {
  const file = join(host.folder, 'openvpn.conf');
  writeFileSync(file, configuration(end, version), { mode: 0o600 });
  return host.spawn(['openvpn', '--cd', host.folder, '--config', file]);
}

export const openvpn: Peer = {
  system: 'openvpn',
  obstacle: () => programObstacle('openvpn'),
  version: async () => /^OpenVPN (\S+)/m.exec(await introduction())?.[1] ?? 'unknown',
  async start({ client, gateway }) {
    const version = await introduction();
    const file = (host: Host, name: string) => join(host.folder, name);
    for (const [host, other] of [
      [client, gateway],
      [gateway, client],
    ] as const) {
      const own = { certificate: file(host, 'own.crt'), key: file(host, 'own.key') };
      makeCertificate(own, host.name);
      writeFileSync(file(other, 'other.crt'), readFileSync(own.certificate));
    }
    const gatewayEnd = startEnd(gateway, GATEWAY_END, version);
    const clientEnd = startEnd(client, CLIENT_END, version);
    await Promise.all(
      [gatewayEnd, clientEnd].map(end => end.line(/Initialization Sequence Completed/, START_MS)),
    );
    return { address: GATEWAY_INSIDE, client: pidsOf(clientEnd), gateway: pidsOf(gatewayEnd) };
  },
};
