/** The client's data plane, as the main thread sees it. */
import { isIPv4 } from 'node:net';
import { VpnrError } from '../errors.js';
import type { ChildSa, Endpoint } from '../ike/api.js';
import { close } from '../io/libc.js';
import { offloadsWanted } from '../io/offloads.js';
import { localEndpoint, openUdp, sendDatagram, sendIkeDatagram } from '../io/udp.js';
import { PATH_MAX, RULES_MAX } from '../packet/abi.js';
import type { ActivationKind, ClientDataPlane, ClientEvents, FailoverSettings, RelayBinding } from './api.js';
import { ChildTable } from './children.js';
import { WorkerHost } from './host.js';
import type { ClientCommand, ClientReport, CommonReport } from './messages.js';
import { type Offloads, offloadBits, type Tun } from './offloads.js';
import { takeBytes } from './secrets.js';
import { EVENT_QUEUE } from './shared.js';

type Report = Exclude<ClientReport, CommonReport>;

/** RFC 3948 sections 2.3 and 4. Sent whether or not there is other traffic, for one byte is no burden. */
const NAT_KEEPALIVE = Uint8Array.of(0xff);
const KEEPALIVE_MS = 20_000;

export function createClientDataPlane(): ClientDataPlane {
  return new ClientPlane();
}

class ClientPlane implements ClientDataPlane {
  #host: WorkerHost<ClientCommand, Report> | undefined;
  #events: ClientEvents | undefined;
  readonly #children = new ChildTable((command, transfer) => this.#running().post(command, transfer));
  /** Descriptors of the open paths. */
  readonly #sockets = new Map<number, number>();
  /** Descriptors that the worker was told to leave alone, and has not confirmed yet. */
  readonly #closing = new Set<number>();
  #keepalive: NodeJS.Timeout | undefined;

  async start(tun: Tun, events: ClientEvents): Promise<void> {
    if (this.#host !== undefined) throw new VpnrError('INTERNAL', 'the data plane was started twice');
    this.#events = events;
    this.#host = await WorkerHost.start<ClientCommand, Report>(
      { name: 'client', tunFd: tun.fd, offloads: offloadBits(tun) },
      { report: report => this.#receive(report), failed: error => events.failed(error) },
    );
  }

  allocateSpi(): number {
    return this.#children.allocateSpi();
  }

  releaseSpi(spi: number): void {
    this.#children.releaseSpi(spi);
  }

  openPath(path: number, gateway: Endpoint, local?: Endpoint): { local: Endpoint } {
    if (path < 0 || path >= PATH_MAX) throw new VpnrError('INTERNAL', `there is no path ${path}`);
    if (this.#sockets.has(path)) throw new VpnrError('INTERNAL', `path ${path} is open already`);
    const host = this.#running();
    const fd = openPathSocket(gateway, local);
    this.#sockets.set(path, fd);
    this.#keepalive ??= setInterval(() => this.#sendKeepalives(), KEEPALIVE_MS).unref();
    host.post({ type: 'open-path', path, fd });
    return { local: localEndpoint(fd) };
  }

  movePath(path: number, gateway: Endpoint, local?: Endpoint): { local: Endpoint } {
    const before = this.#sockets.get(path);
    if (before === undefined) throw new VpnrError('INTERNAL', `path ${path} is not open`);
    const fd = openPathSocket(gateway, local);
    this.#sockets.set(path, fd);
    this.#giveUp(before, { type: 'move-path', path, fd });
    return { local: localEndpoint(fd) };
  }

  closePath(path: number): void {
    const fd = this.#sockets.get(path);
    if (fd === undefined) return;
    this.#sockets.delete(path);
    this.#giveUp(fd, { type: 'close-path', path });
  }

  sendIke(path: number, datagram: Uint8Array): void {
    const fd = this.#sockets.get(path);
    if (fd === undefined) throw new VpnrError('INTERNAL', `path ${path} is not open`);
    // What the kernel does not take is lost like any datagram: IKE sends it again.
    sendIkeDatagram(fd, datagram);
  }

  installChild(path: number, child: ChildSa, receiveOnly = false): void {
    this.#children.install(path, child, receiveOnly);
  }

  sendOnChild(path: number, inboundSpi: number): void {
    this.#children.sendOn(path, inboundSpi);
  }

  removeChild(inboundSpi: number): void {
    this.#children.remove(inboundSpi);
  }

  setVirtualAddress(path: number, address: string): void {
    this.#running().post({ type: 'virtual-address', path, address });
  }

  setAddresses({
    device,
    control,
    maxSegment,
  }: {
    device?: string;
    control?: string;
    maxSegment: number;
  }): void {
    this.#running().post({ type: 'addresses', device, control, maxSegment });
  }

  setRelay(relay: Endpoint): void {
    requireIpv4(relay);
    this.#running().post({ type: 'relay', relay });
  }

  bindRelay({ mode, relay, clientPort, sessionIndex, lease, resumed, ...keys }: RelayBinding): void {
    requireIpv4(relay);
    const sendKey = takeBytes(keys.sendKey);
    const receiveKey = takeBytes(keys.receiveKey);
    const session = { mode, clientPort, index: sessionIndex, lease, sendKey, receiveKey };
    const transfer = [sendKey.buffer, receiveKey.buffer];
    this.#running().post({ type: 'bind-relay', relay, session, resumed }, transfer);
  }

  relayGone(gone: boolean): void {
    this.#running().post({ type: 'relay-gone', gone });
  }

  setFailover(settings: FailoverSettings): void {
    if (settings.duplicate.length > RULES_MAX)
      throw new VpnrError('INTERNAL', `more than ${RULES_MAX} flow rules`);
    this.#running().post({ type: 'failover', settings });
  }

  activate(path: number | undefined, epoch: number, kind: ActivationKind = 'failed'): void {
    this.#running().post({ type: 'activate', path, epoch, kind });
  }

  setSecondPath(path: number | undefined): void {
    this.#running().post({ type: 'second-path', path });
  }

  probe(path: number, id: number): void {
    this.#running().post({ type: 'probe', path, id });
  }

  counters(): Record<string, number> {
    return this.#running().counters();
  }

  offloads(): Offloads {
    return this.#running().offloads();
  }

  async stop(): Promise<void> {
    if (this.#host === undefined) return;
    clearInterval(this.#keepalive);
    await this.#host.stop();
    for (const fd of [...this.#sockets.values(), ...this.#closing]) close(fd);
    this.#sockets.clear();
    this.#closing.clear();
  }

  /** Closes a descriptor once the worker has carried out the command that makes it leave it alone. */
  #giveUp(fd: number, command: ClientCommand): void {
    const host = this.#running();
    if (!host.running) {
      close(fd);
      return;
    }
    this.#closing.add(fd);
    host.post(command);
  }

  #sendKeepalives(): void {
    for (const fd of this.#sockets.values()) sendDatagram(fd, [NAT_KEEPALIVE]);
  }

  #running(): WorkerHost<ClientCommand, Report> {
    if (this.#host === undefined) throw new VpnrError('INTERNAL', 'the data plane has not been started');
    return this.#host;
  }

  #receive(report: Report): void {
    const shared = this.#running().shared;
    switch (report.type) {
      case 'path-closed':
        this.#closing.delete(report.fd);
        close(report.fd);
        return;
      case 'ike':
        shared.take(report.path);
        this.#events?.ike(report.path, report.datagram);
        return;
      case 'probe-reply':
        shared.take(EVENT_QUEUE);
        this.#events?.probeReply(report.path, report.id, report.roundTripMs, report.heardMsAgo);
        return;
      case 'suspected':
        shared.take(EVENT_QUEUE);
        this.#events?.suspected(report.path, report.silentMs);
        return;
      case 'switched':
        this.#events?.switched(report.path, report.epoch, report.ms, report.answered);
        return;
      case 'drain':
        shared.take(EVENT_QUEUE);
        this.#events?.drain();
        return;
      case 'traffic':
        shared.take(EVENT_QUEUE);
        this.#events?.traffic(report.sent, report.received);
        return;
      case 'path-error':
        shared.take(EVENT_QUEUE);
        this.#events?.pathError(report.path, report.code);
        return;
    }
  }
}

function openPathSocket(remote: Endpoint, local: Endpoint | undefined): number {
  return openUdp({ remote, together: offloadsWanted(), ...(local !== undefined && { local }) });
}

function requireIpv4({ address }: Endpoint): void {
  if (isIPv4(address)) return;
  throw new VpnrError('CONFIG_INVALID', `the relay's address ${address} is not an IPv4 address`, {
    remedy: 'give the relay an IPv4 address behind the gateways',
  });
}
