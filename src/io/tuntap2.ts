/**
 * A TUN driver on top of the npm package `tuntap2`, an optional peer dependency. Only its device is used: the
 * package's stream reads one packet at a time on a thread pool, so packets go through the device's descriptor.
 */
import { VpnrError } from '../errors.js';
import {
  check,
  close,
  F_GETFL,
  F_SETFL,
  fcntl,
  ioctl,
  NativeMemory,
  O_CLOEXEC,
  O_NONBLOCK,
  socket,
} from './libc.js';
import { NO_DEVICE_OFFLOADS } from './offloads.js';
import { AF_INET } from './sockaddr.js';
import type { TunDevice } from './tun.js';

const PACKAGE = 'tuntap2';
const SOCK_DGRAM = 2;
const SIOCSIFNAME = 0x8923;
const IFREQ_SIZE = 40;
const IFREQ_NEW_NAME = 16;

/** What is used of the package. */
interface Tuntap2 {
  Tun: new () => { readonly name: string; readonly _fd: number; release(): void };
}

/** `load` stands for `import` in tests. */
export async function openTuntap2(
  name: string | undefined,
  load: (packageName: string) => Promise<unknown> = packageName => import(packageName),
): Promise<TunDevice> {
  const { Tun } = await loadPackage(load);
  const device = new Tun();
  try {
    const fd = device._fd;
    check(fcntl(fd, F_SETFL, check(fcntl(fd, F_GETFL, 0), 'fcntl') | O_NONBLOCK), 'fcntl');
    if (name !== undefined) rename(device.name, name);
    return {
      name: name ?? device.name,
      fd,
      offloads: NO_DEVICE_OFFLOADS,
      close: () => device.release(),
    };
  } catch (error) {
    device.release();
    throw error;
  }
}

async function loadPackage(load: (packageName: string) => Promise<unknown>): Promise<Tuntap2> {
  let loaded: Partial<Tuntap2> & { default?: Partial<Tuntap2> };
  try {
    loaded = (await load(PACKAGE)) as typeof loaded;
  } catch (cause) {
    throw new VpnrError('DRIVER_NOT_INSTALLED', `the TUN driver ${PACKAGE} is not installed`, {
      remedy:
        'install it (npm install github:PupilTong/node-tuntap2, as the npm registry no longer has it), ' +
        'or leave out tunnel.driver',
      cause,
    });
  }
  const Tun = loaded.Tun ?? loaded.default?.Tun;
  if (Tun === undefined) {
    throw new VpnrError('DRIVER_NOT_INSTALLED', `the installed package ${PACKAGE} has no class Tun`, {
      remedy: 'install the version of github:PupilTong/node-tuntap2, or leave out tunnel.driver',
    });
  }
  return { Tun };
}

/** The package lets the kernel choose the name; a device that is down may be renamed. */
function rename(from: string, to: string): void {
  const request = new NativeMemory(IFREQ_SIZE);
  const encoder = new TextEncoder();
  request.bytes.set(encoder.encode(from));
  request.bytes.set(encoder.encode(to), IFREQ_NEW_NAME);
  const fd = check(socket(AF_INET, SOCK_DGRAM | O_CLOEXEC, 0), 'socket');
  try {
    check(ioctl(fd, SIOCSIFNAME, request.address), `rename ${from} to ${to}`);
  } finally {
    close(fd);
  }
}
