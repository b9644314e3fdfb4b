/** TUN devices: the interface, the choice of a driver, and the driver that asks the kernel itself. */
import { VpnrError } from '../errors.js';
import {
  check,
  close,
  EACCES,
  EBUSY,
  EINVAL,
  ENODEV,
  ENOENT,
  ENXIO,
  EPERM,
  errno,
  ioctl,
  NativeMemory,
  O_CLOEXEC,
  O_NONBLOCK,
  O_RDWR,
  open,
  systemCallError,
} from './libc.js';
import { type DeviceOffloads, NO_DEVICE_OFFLOADS, setDeviceOffloads } from './offloads.js';
import { openTuntap2 } from './tuntap2.js';

/** A network device whose packets this process reads and writes: one IP packet a read or write. */
export interface TunDevice {
  /** The device's name, as chosen by the kernel if none was asked for. */
  readonly name: string;
  /** A non-blocking descriptor. */
  readonly fd: number;
  /** What is in front of a packet, and how large it may be. */
  readonly offloads: DeviceOffloads;
  /** Closes the descriptor; the device disappears with it. */
  close(): void;
}

export type TunDriver = 'koffi' | 'tuntap2';

export interface TunOptions {
  /** At most 15 bytes. Without it the kernel chooses "tun0", "tun1", ... */
  name?: string;
  driver?: TunDriver;
  /** Asks for all that the kernel has. Without it nothing is in front of a packet. */
  offloads?: boolean;
}

/**
 * Creates a TUN device, down and without addresses. Throws NO_TUN, NOT_ROOT, DEVICE_BUSY, DRIVER_NOT_INSTALLED. `control`:
 * the system call that asks the kernel.
 */
export async function openTun(options: TunOptions = {}, control: typeof ioctl = ioctl): Promise<TunDevice> {
  if (options.name !== undefined) checkName(options.name);
  if (options.driver === 'tuntap2') return openTuntap2(options.name);
  const kind = options.offloads === true ? IFF_TUN | IFF_VNET_HDR : IFF_TUN;
  return openDevice(kind, options.name, control);
}

/** As `openTun`, a TAP device: a read or write is one Ethernet frame, checksums complete, of at most MTU + 14 bytes. */
export function openTap(name: string): TunDevice {
  checkName(name);
  return openDevice(IFF_TAP, name);
}

/** Plugs the cable of a device in or out. */
export function setCarrier(device: TunDevice, on: boolean): void {
  const argument = new NativeMemory(4);
  argument.view.setInt32(0, on ? 1 : 0, true);
  check(ioctl(device.fd, TUNSETCARRIER, argument.address), `set the carrier of ${device.name}`);
}

const CLONE_DEVICE = '/dev/net/tun';
const TUNSETIFF = 0x400454ca;
const TUNGETFEATURES = 0x800454cf;
const TUNSETCARRIER = 0x400454e2;
const IFF_TUN = 0x1;
const IFF_TAP = 0x2;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
/** struct ifreq: 16 bytes name, then a union; `ifr_flags` is its first u16. */
const IFREQ_SIZE = 40;
const IFREQ_FLAGS = 16;
/** IFNAMSIZ, with its terminating zero. */
const NAME_SIZE = 16;

/** What the kernel takes as a device's name (dev_valid_name), and "%", which it would replace by a number. */
function checkName(name: string): void {
  const bytes = Buffer.byteLength(name);
  if (bytes === 0 || bytes >= NAME_SIZE || name === '.' || name === '..' || /[/:%\s\0]/.test(name)) {
    throw new VpnrError('CONFIG_INVALID', `"${name}" cannot be the name of a network device`, {
      remedy: 'use 1 to 15 letters and digits, for example vpnr0',
    });
  }
}

function openDevice(kind: number, name = '', control: typeof ioctl = ioctl): TunDevice {
  const fd = open(CLONE_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) throw openError(errno());
  try {
    const request = new NativeMemory(IFREQ_SIZE);
    const create = (flags: number) => {
      request.bytes.fill(0);
      request.bytes.set(new TextEncoder().encode(name));
      request.view.setUint16(IFREQ_FLAGS, flags | IFF_NO_PI, true);
      return control(fd, TUNSETIFF, request.address) >= 0;
    };
    // A kernel without the header ignores the flag, or refuses it like a name that a device of another kind has.
    const withHeader =
      (kind & IFF_VNET_HDR) !== 0 && (features(fd, control) & IFF_VNET_HDR) !== 0 && create(kind);
    if (!withHeader && !create(kind & ~IFF_VNET_HDR)) throw createError(errno(), name);
    const end = request.bytes.indexOf(0);
    return {
      name: new TextDecoder().decode(request.bytes.subarray(0, end)),
      fd,
      offloads: withHeader ? setDeviceOffloads(fd) : NO_DEVICE_OFFLOADS,
      close: () => void check(close(fd), 'close'),
    };
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** The IFF_ flags that the kernel knows; none if it does not even know the question (before Linux 2.6.27). */
function features(fd: number, control: typeof ioctl): number {
  const argument = new NativeMemory(4);
  return control(fd, TUNGETFEATURES, argument.address) < 0 ? 0 : argument.view.getUint32(0, true);
}

function openError(reason: number): VpnrError {
  if (reason === ENOENT || reason === ENODEV || reason === ENXIO) {
    return new VpnrError('NO_TUN', `this machine has no ${CLONE_DEVICE}`, {
      remedy:
        'load the kernel module (modprobe tun), or give the container the device (--device /dev/net/tun)',
    });
  }
  if (reason === EPERM || reason === EACCES) {
    return new VpnrError('NOT_ROOT', `no right to open ${CLONE_DEVICE}`, {
      remedy: 'run it as root; a container must also be allowed the device (--device /dev/net/tun)',
    });
  }
  return systemCallError(`open ${CLONE_DEVICE}`, reason);
}

function createError(reason: number, name: string): VpnrError {
  if (reason === EPERM) {
    return new VpnrError('NOT_ROOT', 'no right to create a TUN device', {
      remedy: 'run it as root, or with the capability CAP_NET_ADMIN',
    });
  }
  // EINVAL: a device of the name exists and is of another kind.
  if (reason === EBUSY || reason === EINVAL) {
    return new VpnrError('DEVICE_BUSY', `the network device ${name} exists and is in use`, {
      remedy: 'choose another name (tunnel.device), or end the program that uses it',
    });
  }
  return systemCallError(`create the network device ${name}`, reason);
}
