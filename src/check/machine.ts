/** Points about the machine and its files that client, relay and gateway have in common. */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { readSecret } from '../config/secrets.js';
import type { HostPort, SecretSource } from '../config/values.js';
import { runtimeFolder } from '../control/folders.js';
import { VpnrError } from '../errors.js';
import type { Endpoint } from '../ike/api.js';
import { heldCapabilities } from '../io/capabilities.js';
import { Journal } from '../io/journal.js';
import { close } from '../io/libc.js';
import { findLink } from '../io/network.js';
import { formatEndpoint } from '../io/sockaddr.js';
import { openTun, type TunDriver } from '../io/tun.js';
import { openUdp } from '../io/udp.js';
import { MetricsServer } from '../metrics/server.js';

const DAY_MS = 86_400_000;
const FORWARDING = '/proc/sys/net/ipv4/ip_forward';

export function checkSecret(source: SecretSource, folder: string): string {
  const secret = readSecret(source, folder, 'the secret');
  secret.wipe();
  return 'can be read, by its owner only';
}

export function checkRights(): string {
  if (!heldCapabilities().includes('CAP_NET_ADMIN')) {
    throw new VpnrError('NOT_ROOT', 'no right to create devices and routes (CAP_NET_ADMIN)', {
      remedy: 'run it with sudo',
    });
  }
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch (error) {
    const isThere = existsSync('/dev/net/tun');
    throw new VpnrError('NO_TUN', `${isThere ? 'no right to open' : 'there is no'} /dev/net/tun`, {
      remedy: isThere
        ? 'run it as root, and in a container pass the device through'
        : 'load the kernel module: modprobe tun',
      cause: error,
    });
  }
  return `${process.geteuid?.() === 0 ? 'root' : 'CAP_NET_ADMIN'}, and /dev/net/tun is there`;
}

/** A clock that is behind the program's own making was never set: certificates seem not to be valid yet. */
export function checkClock(): string {
  const now = Date.now();
  const made = statSync(process.execPath).mtimeMs;
  if (now < made - DAY_MS) {
    throw new VpnrError(
      'CLOCK_WRONG',
      `it is ${new Date(now).toISOString()} here, before this program was made`,
      {
        remedy: 'set the clock (timedatectl set-ntp true)',
      },
    );
  }
  return `${new Date(now).toISOString()}`;
}

export function checkName(name: string): string {
  const owner = Journal.owner(name, runtimeFolder());
  if (owner !== undefined) {
    throw new VpnrError('ALREADY_RUNNING', `"${name}" is running already (process ${owner.pid})`, {
      remedy: `end it with "vpnr disconnect ${name}", or give this one another name`,
    });
  }
  return `no other "${name}" is running`;
}

/** `key`: of the configuration, where another name can be given. */
export async function checkDevice(name: string, key: string, driver?: TunDriver): Promise<string> {
  if ((await findLink(name)) !== undefined) {
    throw new VpnrError('DEVICE_BUSY', `the network device ${name} exists already`, {
      remedy: `choose another name (${key}), or end the program that uses it`,
    });
  }
  (await openTun({ name, ...(driver !== undefined && { driver }) })).close();
  return `${name} can be created`;
}

export function checkUdpPort(local: Endpoint): string {
  close(openUdp({ local }));
  return `${formatEndpoint(local)} is free`;
}

export function checkTcpPort(local: Endpoint): Promise<string> {
  const { address: host, port } = local;
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const used = error.code === 'EADDRINUSE';
      reject(
        new VpnrError(
          used ? 'ADDRESS_IN_USE' : 'SYSTEM_CALL',
          `TCP ${formatEndpoint(local)}: ${error.message}`,
          {
            remedy: used
              ? 'end that program (ss -tlpn shows it), or listen on another port'
              : 'use an address of this machine',
            cause: error,
          },
        ),
      );
    });
    server.listen({ host, port }, () => server.close(() => resolve(`${formatEndpoint(local)} is free`)));
  });
}

/** Where the figures are to be served. */
export async function checkMetrics({ host, port }: HostPort): Promise<string> {
  await (await MetricsServer.listen({ host, port }, () => [])).close();
  return `${formatEndpoint({ address: host, port })} is free`;
}

/** A server turns on that the machine forwards packets. */
export function checkForwarding(): string {
  try {
    accessSync(FORWARDING, constants.W_OK);
  } catch (error) {
    throw new VpnrError('SYSTEM_CALL', 'net.ipv4.ip_forward cannot be turned on here', {
      remedy: 'in a container, set it outside; else run it with sudo',
      cause: error,
    });
  }
  return 'can be turned on';
}
