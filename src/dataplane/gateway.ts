/** The gateway's data plane, as the main thread sees it. */
import { VpnrError } from '../errors.js';
import type { ChildSa, Endpoint } from '../ike/api.js';
import { close } from '../io/libc.js';
import { offloadsWanted } from '../io/offloads.js';
import { localEndpoint, openUdp, sendIkeDatagram } from '../io/udp.js';
import { PEER_MAX } from '../packet/abi.js';
import { formatAddress, parsePrefix } from '../prefix.js';
import type { GatewayDataPlane, GatewayPlaneEvents } from './api.js';
import { ChildTable } from './children.js';
import { Enquiries } from './enquiries.js';
import { WorkerHost } from './host.js';
import { IndexPool } from './indices.js';
import type { CommonReport, GatewayCommand, GatewayReport } from './messages.js';
import { type Offloads, offloadBits, type Tun } from './offloads.js';
import { EVENT_QUEUE } from './shared.js';

type Report = Exclude<GatewayReport, CommonReport>;

export function createGatewayDataPlane(): GatewayDataPlane {
  return new GatewayPlane();
}

class GatewayPlane implements GatewayDataPlane {
  #host: WorkerHost<GatewayCommand, Report> | undefined;
  #events: GatewayPlaneEvents | undefined;
  #socket: number | undefined;
  readonly #children = new ChildTable((command, transfer) => this.#running().post(command, transfer));
  readonly #places = new IndexPool(PEER_MAX, 'clients');
  readonly #peers = new Set<number>();
  readonly #enquiries = new Enquiries<[number, number]>();

  async start(
    options: { tun: Tun; listen: Endpoint; pool: string; maxSegment: number },
    events: GatewayPlaneEvents,
  ): Promise<{ local: Endpoint }> {
    if (this.#host !== undefined) throw new VpnrError('INTERNAL', 'the data plane was started twice');
    this.#events = events;
    const prefix = parsePrefix(options.pool);
    const pool = { address: formatAddress(prefix), length: prefix.length };
    try {
      const udpFd = openUdp({ local: options.listen, together: offloadsWanted() });
      this.#socket = udpFd;
      this.#host = await WorkerHost.start<GatewayCommand, Report>(
        {
          name: 'gateway',
          tunFd: options.tun.fd,
          offloads: offloadBits(options.tun),
          udpFd,
          pool,
          maxSegment: options.maxSegment,
        },
        { report: report => this.#receive(report), failed: error => this.#failed(error) },
      );
      return { local: localEndpoint(udpFd) };
    } catch (error) {
      this.#close();
      throw error;
    }
  }

  allocateSpi(): number {
    return this.#children.allocateSpi();
  }

  releaseSpi(spi: number): void {
    this.#children.releaseSpi(spi);
  }

  sendIke(to: Endpoint, datagram: Uint8Array): void {
    if (this.#socket === undefined) throw new VpnrError('INTERNAL', 'the data plane has not been started');
    // What the kernel does not take is lost like any datagram: IKE sends it again.
    sendIkeDatagram(this.#socket, datagram, to);
  }

  addPeer(address: string, remote: Endpoint): number {
    const peer = this.#places.take();
    this.#peers.add(peer);
    this.#running().post({ type: 'add-peer', peer, address, remote });
    return peer;
  }

  movePeer(peer: number, remote: Endpoint): void {
    if (this.#peers.has(peer)) this.#running().post({ type: 'move-peer', peer, remote });
  }

  removePeer(peer: number): void {
    if (!this.#peers.delete(peer)) return;
    this.#children.removeAll(peer);
    this.#running().post({ type: 'remove-peer', peer });
    // The place given back last waits longest, so that a late report is not taken for one of a new peer.
    this.#places.giveBack(peer);
  }

  installChild(peer: number, child: ChildSa, receiveOnly = false): void {
    this.#children.install(peer, child, receiveOnly);
  }

  sendOnChild(peer: number, inboundSpi: number): void {
    this.#children.sendOn(peer, inboundSpi);
  }

  removeChild(inboundSpi: number): void {
    this.#children.remove(inboundSpi);
  }

  async activity(): Promise<Map<number, number>> {
    const host = this.#running();
    const peers = [...this.#peers];
    const received = await this.#enquiries.ask(request => {
      host.post({ type: 'activity', request, peers });
      if (!host.running) this.#enquiries.end();
    });
    return new Map(received);
  }

  counters(): Record<string, number> {
    return this.#running().counters();
  }

  offloads(): Offloads {
    return this.#running().offloads();
  }

  async stop(): Promise<void> {
    await this.#host?.stop();
    this.#enquiries.end();
    this.#close();
  }

  #running(): WorkerHost<GatewayCommand, Report> {
    if (this.#host === undefined) throw new VpnrError('INTERNAL', 'the data plane has not been started');
    return this.#host;
  }

  #receive(report: Report): void {
    const { shared } = this.#running();
    switch (report.type) {
      case 'ike':
        shared.take(report.queue);
        this.#events?.ike(report.from, report.datagram);
        return;
      case 'peer-moved':
        shared.take(EVENT_QUEUE);
        if (this.#peers.has(report.peer)) this.#events?.peerMoved(report.peer, report.remote);
        return;
      case 'activity':
        this.#enquiries.answer(report.request, report.activity);
        return;
    }
  }

  #failed(error: VpnrError): void {
    this.#enquiries.end();
    this.#events?.failed(error);
  }

  #close(): void {
    if (this.#socket !== undefined) close(this.#socket);
    this.#socket = undefined;
  }
}
