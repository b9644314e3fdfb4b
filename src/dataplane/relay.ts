/** The relay server's data plane, as the main thread sees it. */
import { VpnrError } from '../errors.js';
import type { Endpoint } from '../ike/api.js';
import { close } from '../io/libc.js';
import { offloadsWanted } from '../io/offloads.js';
import { openIpip } from '../io/raw.js';
import { localEndpoint, openUdp } from '../io/udp.js';
import { SESSION_INDEX_MASK } from '../packet/abi.js';
import { contains, formatAddress, type Prefix, parseAddress, parsePrefix } from '../prefix.js';
import type { RelayDataPlane, RelayEvents, RelaySession, SessionActivity } from './api.js';
import { Enquiries } from './enquiries.js';
import { WorkerHost } from './host.js';
import type { CommonReport, RelayCommand, RelayReport, SessionReport } from './messages.js';
import { type Offloads, offloadBits } from './offloads.js';
import { takeBytes } from './secrets.js';
import { EVENT_QUEUE } from './shared.js';

type Report = Exclude<RelayReport, CommonReport>;

export function createRelayDataPlane(): RelayDataPlane {
  return new RelayPlane();
}

class RelayPlane implements RelayDataPlane {
  #host: WorkerHost<RelayCommand, Report> | undefined;
  #events: RelayEvents | undefined;
  #descriptors: number[] = [];
  #pool: Prefix | undefined;
  #ipip = false;
  /** Sessions by their place in the core's table, and places by lease. */
  readonly #sessions = new Map<number, { index: number; lease: string }>();
  readonly #leases = new Map<string, number>();
  readonly #enquiries = new Enquiries<SessionReport>();
  readonly #halting = new Enquiries<[index: number, state: Uint8Array]>();

  async start(
    options: Parameters<RelayDataPlane['start']>[0],
    events: RelayEvents,
  ): Promise<{ local: Endpoint }> {
    if (this.#host !== undefined) throw new VpnrError('INTERNAL', 'the data plane was started twice');
    this.#events = events;
    this.#pool = parsePrefix(options.pool);
    this.#ipip = options.ipip;
    const pool = { address: formatAddress(this.#pool), length: this.#pool.length };
    try {
      const dataFd = this.#own(openUdp({ local: options.listen, together: offloadsWanted() }));
      const rawFd = options.ipip ? this.#own(openIpip(options.listen.address)) : undefined;
      this.#host = await WorkerHost.start<RelayCommand, Report>(
        {
          name: 'relay',
          tunFd: options.tun.fd,
          offloads: offloadBits(options.tun),
          dataFd,
          rawFd,
          pool,
          maxSegment: options.maxSegment,
          replay: options.replay,
        },
        { report: report => this.#receive(report), failed: error => this.#failed(error) },
      );
      return { local: localEndpoint(dataFd) };
    } catch (error) {
      this.#closeAll();
      throw error;
    }
  }

  installSession({ index, mode, lease, ...keys }: RelaySession): void {
    this.#check(index, mode, lease);
    this.#forget(index);
    this.#sessions.set(index & SESSION_INDEX_MASK, { index, lease });
    this.#leases.set(lease, index);
    const sendKey = takeBytes(keys.sendKey);
    const receiveKey = takeBytes(keys.receiveKey);
    const session = { index, mode, lease, sendKey, receiveKey };
    this.#running().post({ type: 'install-session', session }, [sendKey.buffer, receiveKey.buffer]);
  }

  removeSession(index: number): void {
    if (this.#forget(index)) this.#running().post({ type: 'remove-session', index });
  }

  drain(): void {
    this.#running().post({ type: 'drain' });
  }

  async activity(indices: readonly number[]): Promise<Map<number, SessionActivity>> {
    const host = this.#running();
    const sessions = await this.#enquiries.ask(request => {
      host.post({ type: 'activity', request, indices });
      if (!host.running) this.#enquiries.end();
    });
    return new Map(sessions.map(({ index, ...rest }) => [index, rest]));
  }

  async halt(indices: readonly number[]): Promise<Map<number, Uint8Array>> {
    const host = this.#running();
    const received = await this.#halting.ask(request => {
      host.post({ type: 'halt', request, indices });
      if (!host.running) this.#halting.end();
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
    this.#endEnquiries();
    this.#closeAll();
  }

  /** A session that the core would refuse is a mistake of the caller's, and is found here at once. */
  #check(index: number, mode: RelaySession['mode'], lease: string): void {
    const refuse = (why: string) => {
      throw new VpnrError('INTERNAL', `session ${index} with the address ${lease} ${why}`);
    };
    const occupant = this.#sessions.get(index & SESSION_INDEX_MASK);
    const holder = this.#leases.get(lease);
    if (index === 0 || (occupant !== undefined && occupant.index !== index))
      refuse('has no place in the table');
    if (holder !== undefined && holder !== index) refuse(`collides with session ${holder}`);
    if (this.#pool === undefined || !contains(this.#pool, parseAddress(lease))) refuse('is outside the pool');
    if (mode === 'ipip' && !this.#ipip) refuse('wants IP in IP, which is not enabled');
  }

  #forget(index: number): boolean {
    const session = this.#sessions.get(index & SESSION_INDEX_MASK);
    if (session?.index !== index) return false;
    this.#sessions.delete(index & SESSION_INDEX_MASK);
    this.#leases.delete(session.lease);
    return true;
  }

  #running(): WorkerHost<RelayCommand, Report> {
    if (this.#host === undefined) throw new VpnrError('INTERNAL', 'the data plane has not been started');
    return this.#host;
  }

  #receive(report: Report): void {
    switch (report.type) {
      case 'session-moved':
        this.#running().shared.take(EVENT_QUEUE);
        this.#events?.sessionMoved(report.index, report.path, report.epoch);
        return;
      case 'activity':
        this.#enquiries.answer(report.request, report.activity);
        return;
      case 'halted':
        this.#halting.answer(report.request, report.received);
        return;
    }
  }

  #failed(error: VpnrError): void {
    this.#endEnquiries();
    this.#events?.failed(error);
  }

  #endEnquiries(): void {
    this.#enquiries.end();
    this.#halting.end();
  }

  #own(fd: number): number {
    this.#descriptors.push(fd);
    return fd;
  }

  #closeAll(): void {
    for (const fd of this.#descriptors.splice(0)) close(fd);
  }
}
