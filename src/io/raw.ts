/** A raw socket for IP in IP (RFC 2003): the kernel makes and checks the outer header. */

import { VpnrError } from '../errors.js';
import {
  check,
  close,
  EACCES,
  EPERM,
  errno,
  O_CLOEXEC,
  O_NONBLOCK,
  socket,
  systemCallError,
} from './libc.js';
import { AF_INET } from './sockaddr.js';
import { bindSocket, setOption, sizeBuffers } from './udp.js';

const SOCK_RAW = 3;
const IPPROTO_IPIP = 4;
const IPPROTO_IP = 0;
const IP_MTU_DISCOVER = 10;
const IP_PMTUDISC_OMIT = 5;

/**
 * Opens a non-blocking raw socket for protocol 4 on a local IPv4 address. What it receives begins with the outer
 * IP header; what it sends begins with the inner one. "Don't fragment" as in `openUdp`.
 */
export function openIpip(address: string): number {
  const fd = socket(AF_INET, SOCK_RAW | O_NONBLOCK | O_CLOEXEC, IPPROTO_IPIP);
  if (fd < 0) {
    const reason = errno();
    if (reason !== EPERM && reason !== EACCES) throw systemCallError('socket', reason);
    throw new VpnrError('NOT_ROOT', 'no right to open a raw socket', {
      remedy: 'run it as root, or with the capability CAP_NET_RAW',
    });
  }
  try {
    setOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
    sizeBuffers(fd);
    bindSocket(fd, { address, port: 0 });
    return check(fd, 'socket');
  } catch (error) {
    close(fd);
    throw error;
  }
}
