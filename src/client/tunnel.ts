/** The tunnel to one gateway: its socket, its IKE session and its security associations in the data plane. */
import { randomBytes } from 'node:crypto';
import type { GatewayEntry } from '../config/client.js';
import type { ClientDataPlane } from '../dataplane/api.js';
import { toVpnrError, VpnrError } from '../errors.js';
import type {
  AssignedConfiguration,
  ChildSa,
  Endpoint,
  IkeOutput,
  IkeSession,
  RetransmitTiming,
} from '../ike/api.js';
import { createInitiator } from '../ike/initiator.js';
import { cidrSelector } from '../ike/selectors.js';
import { monotonicMs } from '../io/clock.js';
import type { Secret } from '../secret.js';
import { Alarm } from './alarm.js';
import { firstMessage } from './ike-check.js';
import { Recall } from './recall.js';
import { SequenceUse } from './sequence-use.js';

/**
 * Quicker than an ordinary client at first: the next gateway is waiting. The sum is above the policy's patience with
 * one gateway, so it is the policy that gives up.
 */
const RETRANSMIT: RetransmitTiming = { firstMs: 300, factor: 1.7, maxMs: 5000, tries: 9 };
const INIT_RETRANSMIT: RetransmitTiming = { firstMs: 300, factor: 1.3, maxMs: 700, tries: 60 };

export interface TunnelEvents {
  up(configuration: AssignedConfiguration, virtualAddress: string): void;
  /** A request of ours was answered. */
  alive(roundTripMs: number | undefined): void;
  /** The gateway reaches us where we are now. Not called for the address that it was connected from. */
  rehomed?(local: Endpoint): void;
  /** The gateway answers strangers, but not us: it has been started anew, and knows nothing of the tunnel. */
  forgotten?(): void;
  /** The gateway is about to stop, and asks us to go elsewhere. */
  drain?(): void;
  /** It could not be connected, or is gone. Not after `close`. */
  closed(error: VpnrError, byPeer: boolean): void;
}

export interface TunnelOptions {
  path: number;
  gateway: GatewayEntry;
  identity: string;
  psk: Secret;
  lifetimes: { ike: number; child: number };
  /** Asked for again, so that a gateway can give the address of before. */
  wantedAddress: string | undefined;
}

export class Tunnel {
  readonly path: number;
  readonly endpoint: Endpoint;
  readonly #gateway: string;
  readonly #innerAddress: string | undefined;
  readonly #plane: ClientDataPlane;
  readonly #events: TunnelEvents;
  readonly #session: IkeSession;
  readonly #alarm: Alarm;
  readonly #recall: Recall;
  readonly #children = new Set<number>();
  readonly #sequenceUse = new SequenceUse();
  #configuration: AssignedConfiguration | undefined;
  #local: Endpoint;
  #up = false;
  #closed = false;

  constructor(options: TunnelOptions, endpoint: Endpoint, plane: ClientDataPlane, events: TunnelEvents) {
    this.path = options.path;
    this.endpoint = endpoint;
    this.#gateway = options.gateway.name;
    this.#innerAddress = options.gateway.inner_address;
    this.#plane = plane;
    this.#events = events;
    const { local } = plane.openPath(options.path, endpoint);
    this.#local = local;
    this.#session = createInitiator(
      {
        identity: options.identity,
        peerIdentity: options.gateway.identity,
        psk: options.psk,
        ike: options.gateway.ike,
        esp: options.gateway.esp,
        ...(options.wantedAddress === undefined ? {} : { wantedAddress: options.wantedAddress }),
        ...(this.#innerAddress === undefined ? {} : { innerAddress: this.#innerAddress }),
        lifetimes: { ikeMs: options.lifetimes.ike, childMs: options.lifetimes.child },
        local,
        remote: endpoint,
        timing: RETRANSMIT,
        initTiming: INIT_RETRANSMIT,
      },
      {
        random: size => randomBytes(size),
        allocateSpi: () => plane.allocateSpi(),
        releaseSpi: spi => plane.releaseSpi(spi),
      },
    );
    this.#alarm = new Alarm(() => this.#handle(this.#session.tick(monotonicMs())));
    this.#recall = new Recall({
      makeQuestion: () => firstMessage(options.gateway, options.identity, this.#local, endpoint),
      send: question => plane.sendIke(this.path, question),
      askAgain: () => this.#handle(this.#session.repeat(monotonicMs())),
      forgotten: () => events.forgotten?.(),
    });
  }

  /** The address that the gateway assigned, or that is configured in place of that, once it is up. */
  get virtualAddress(): string | undefined {
    return this.#configuration?.addresses[0];
  }

  /** What else it assigned. */
  get configuration(): AssignedConfiguration | undefined {
    return this.#configuration;
  }

  get up(): boolean {
    return this.#up && !this.#closed;
  }

  /** Where our end is, before any NAT. */
  get local(): Endpoint {
    return this.#local;
  }

  start(): void {
    this.#handle(this.#session.start(monotonicMs()));
  }

  receive(datagram: Uint8Array): void {
    if (this.#recall.receive(datagram)) return;
    this.#handle(this.#session.receive(datagram, monotonicMs()));
  }

  /**
   * The way to the gateway has changed, or may have: goes on from a new socket, at the address that the kernel chooses
   * now. True: the gateway is told (MOBIKE, RFC 4555), and `rehomed` follows, or `closed`; packets already leave from
   * there. False: the tunnel is not up, or the gateway has no MOBIKE; it is to be connected anew. Throws SYSTEM_CALL
   * when there is no way to the gateway; the tunnel then stays where it was.
   */
  rehome(): boolean {
    if (!this.up || !this.#session.mobike) return false;
    this.#local = this.#plane.movePath(this.path, this.endpoint).local;
    this.#handle(this.#session.moved(this.#local, monotonicMs()));
    return true;
  }

  /** Liveness check by IKE. With MOBIKE it also finds out whether a NAT has made another address of ours, and says so. */
  probe(): void {
    if (!this.up) return;
    this.#recall.wait();
    this.#handle(this.#session.probe(monotonicMs()));
  }

  /** Packets of applications sent and received so far, modulo 2^32, by whichever tunnels: keys are renewed before numbers run out. */
  traffic(sent: number, received: number): void {
    if (this.up && this.#sequenceUse.isDue(sent, received))
      this.#handle(this.#session.rekeyChild(monotonicMs()));
  }

  /** Sends DELETE and removes everything. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#alarm.clear();
    this.#recall.end();
    for (const output of this.#session.close(monotonicMs())) {
      if (output.type === 'send') this.#plane.sendIke(this.path, output.datagram);
    }
    for (const spi of this.#children) this.#plane.removeChild(spi);
    this.#children.clear();
    this.#plane.closePath(this.path);
  }

  #handle(outputs: IkeOutput[]): void {
    for (const output of outputs) {
      if (this.#closed) return;
      this.#carryOut(output);
    }
    if (!this.#closed) this.#alarm.set(this.#session.nextTimer());
  }

  #carryOut(output: IkeOutput): void {
    switch (output.type) {
      case 'send':
        this.#plane.sendIke(this.path, output.datagram);
        return;
      case 'established':
        this.#configuration = output.configuration;
        return;
      case 'child-up':
        this.#install(output.child, output.receiveOnly);
        return;
      case 'child-send':
        this.#plane.sendOnChild(this.path, output.inboundSpi);
        return;
      case 'child-down':
        this.#children.delete(output.inboundSpi);
        this.#plane.removeChild(output.inboundSpi);
        if (this.#children.size === 0) this.#fail('PEER_CLOSED', 'closed the tunnel', true);
        return;
      case 'alive':
        this.#recall.end(output.roundTripMs);
        this.#events.alive(output.roundTripMs);
        return;
      case 'drain':
        this.#events.drain?.();
        return;
      case 'addresses-updated':
        this.#events.rehomed?.(this.#local);
        return;
      case 'addresses-refused':
        this.#fail('ADDRESS_REFUSED', output.message, true);
        return;
      case 'closed':
        this.#fail(output.code ?? 'PEER_CLOSED', output.message, output.byPeer);
        return;
      case 'ike-rekeyed':
      case 'peer-moved':
      case 'ignored':
        return;
    }
  }

  /**
   * What the gateway has agreed to may be more than the packet core takes: then this tunnel is of no use. One that assigns no
   * address mostly agrees to all of them; nothing is let in but what is for ours.
   */
  #install(child: ChildSa, receiveOnly: boolean | undefined): void {
    const inner = this.#innerAddress;
    const own = inner === undefined ? {} : { localSelectors: [cidrSelector(inner)] };
    try {
      this.#plane.installChild(this.path, { ...child, ...own }, receiveOnly);
    } catch (error) {
      this.#plane.releaseSpi(child.inboundSpi);
      const { code, message } = toVpnrError(error);
      this.#fail(code, message, false);
      return;
    }
    this.#children.add(child.inboundSpi);
    this.#sequenceUse.renewed();
    this.#announce();
  }

  #announce(): void {
    if (this.#up || this.#configuration === undefined) return;
    const [address] = this.#configuration.addresses;
    if (address === undefined) {
      this.#fail('NO_ADDRESS_ASSIGNED', 'assigned no address: it needs a pool of virtual addresses', false);
      return;
    }
    this.#up = true;
    this.#plane.setVirtualAddress(this.path, address);
    this.#events.up(this.#configuration, address);
  }

  #fail(code: ConstructorParameters<typeof VpnrError>[0], message: string, byPeer: boolean): void {
    this.close();
    this.#events.closed(new VpnrError(code, `gateway ${this.#gateway}: ${message}`), byPeer);
  }
}
