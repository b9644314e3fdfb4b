/** Kernel parameters of the network, as files below /proc/sys. */
import { readFileSync, writeFileSync } from 'node:fs';
import { VpnrError } from '../errors.js';

/**
 * `name` is written with slashes (`net/ipv4/conf/eth0.5/proxy_arp`), since device names may have dots.
 * Undefined when there is no such parameter.
 */
export function readSysctl(name: string): string | undefined {
  try {
    return readFileSync(pathOf(name), 'utf8').trim();
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw sysctlError(name, error);
  }
}

/** False when there is no such parameter. */
export function writeSysctl(name: string, value: string): boolean {
  try {
    writeFileSync(pathOf(name), value, { flag: 'r+' });
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw sysctlError(name, error);
  }
}

function pathOf(name: string): string {
  if (!/^net(\/[\w.:@-]+)+$/.test(name) || /(^|\/)\.\.?(\/|$)/.test(name)) {
    throw new VpnrError('INTERNAL', `"${name}" is not the name of a network parameter`);
  }
  return `/proc/sys/${name}`;
}

function isAbsent(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENODEV';
}

function sysctlError(name: string, error: unknown): VpnrError {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EACCES' || code === 'EPERM') {
    return new VpnrError('NOT_ROOT', `the kernel parameter ${name} may not be changed: ${message}`, {
      remedy: 'run vpnr as root',
      cause: error,
    });
  }
  if (code === 'EROFS') {
    return new VpnrError('SYSTEM_CALL', `the kernel parameter ${name} is read-only here`, {
      remedy: `set ${name.replaceAll('/', '.')} outside the container`,
      cause: error,
    });
  }
  return new VpnrError('SYSTEM_CALL', `the kernel parameter ${name}: ${message}`, { cause: error });
}
