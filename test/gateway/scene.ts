// A gateway's control side without sockets: a data plane that only remembers, clients that are IKE sessions, one clock.

import type { GatewayDataPlane } from '../../src/dataplane/api.js';
import type { Offloads } from '../../src/dataplane/offloads.js';
import { VpnrError } from '../../src/errors.js';
import { GatewayServer } from '../../src/gateway/server.js';
import type { GatewayEvent, GatewayServerOptions } from '../../src/gateway/server-api.js';
import type { ChildSa, Endpoint, IkeOutput, IkeProposal, InitiatorOptions } from '../../src/ike/api.js';
import { createInitiator } from '../../src/ike/initiator.js';
import { Secret } from '../../src/secret.js';
import { AddressPool, parsePool } from '../../src/service/pool.js';
import { Roster } from '../../src/service/roster.js';
import { Random } from '../ike/simulation.js';

export const LISTEN = { address: '198.51.100.10', port: 4500 };
const PROPOSAL: IkeProposal = { encryption: 'chacha20poly1305', prf: 'prfsha256', group: 'x25519' };
const LIFETIMES = { ikeMs: 4 * 3_600_000, childMs: 3_600_000 };
const STEP_MS = 100;

export function nameOf({ address, port }: Endpoint): string {
  return `${address}:${port}`;
}

interface Peer {
  address: string;
  remote: Endpoint;
  /** Inbound SPIs. */
  children: Set<number>;
  sending: number | undefined;
  received: number;
}

export class FakePlane implements GatewayDataPlane {
  readonly sent: { to: Endpoint; datagram: Uint8Array }[] = [];
  readonly peers = new Map<number, Peer>();
  /** Allocated and neither given back nor removed. */
  readonly spis = new Set<number>();
  /** So many SPIs may be taken at once. */
  room = Number.POSITIVE_INFINITY;
  /** Thrown by the next installation. */
  failure: Error | undefined;
  #next = 0;

  async start() {
    return { local: LISTEN };
  }

  allocateSpi(): number {
    if (this.spis.size >= this.room) throw new VpnrError('ASSOCIATIONS_FULL', 'there is no room');
    const spi = 0x1000 + this.#next++;
    this.spis.add(spi);
    return spi;
  }

  releaseSpi(spi: number): void {
    this.spis.delete(spi);
  }

  sendIke(to: Endpoint, datagram: Uint8Array): void {
    this.sent.push({ to, datagram });
  }

  addPeer(address: string, remote: Endpoint): number {
    for (const peer of this.peers.values())
      if (peer.address === address) throw new Error(`${address} is taken`);
    const index = this.#next++;
    this.peers.set(index, { address, remote, children: new Set(), sending: undefined, received: 0 });
    return index;
  }

  movePeer(peer: number, remote: Endpoint): void {
    this.peer(peer).remote = remote;
  }

  removePeer(peer: number): void {
    for (const spi of this.peer(peer).children) this.spis.delete(spi);
    this.peers.delete(peer);
  }

  installChild(peer: number, child: ChildSa, receiveOnly = false): void {
    if (this.failure !== undefined) throw this.failure;
    const record = this.peer(peer);
    record.children.add(child.inboundSpi);
    if (!receiveOnly) record.sending = child.inboundSpi;
  }

  sendOnChild(peer: number, inboundSpi: number): void {
    this.peer(peer).sending = inboundSpi;
  }

  removeChild(inboundSpi: number): void {
    for (const peer of this.peers.values()) peer.children.delete(inboundSpi);
    this.spis.delete(inboundSpi);
  }

  async activity(): Promise<Map<number, number>> {
    return new Map([...this.peers].map(([index, { received }]) => [index, received]));
  }

  offloads(): Offloads {
    return { tcp: false, udp: false, send: false, receive: false };
  }

  counters(): Record<string, number> {
    return {};
  }

  async stop(): Promise<void> {}

  peer(index: number): Peer {
    const peer = this.peers.get(index);
    if (peer === undefined) throw new Error(`no peer ${index}`);
    return peer;
  }
}

/** A client: an IKE session at an address. */
export class Client {
  readonly outputs: IkeOutput[] = [];
  at: Endpoint;
  /** It hears and says nothing. */
  isSilent = false;
  readonly session;
  readonly #scene: Scene;

  constructor(scene: Scene, identity: string, at: Endpoint, options: Partial<InitiatorOptions> = {}) {
    this.#scene = scene;
    this.at = at;
    this.session = createInitiator(
      {
        identity,
        peerIdentity: 'gateway.example.net',
        psk: Secret.fromText(`psk of ${identity}`),
        ike: [PROPOSAL],
        esp: ['chacha20poly1305'],
        lifetimes: LIFETIMES,
        local: at,
        remote: LISTEN,
        ...options,
      },
      {
        random: size => scene.random.bytes(size),
        allocateSpi: () => 0x2000_0000 + scene.random.below(0x1000_0000),
        releaseSpi: () => {},
      },
    );
  }

  connect(): this {
    this.act(now => this.session.start(now));
    return this;
  }

  /** Lets the session act, and everything happen that follows from it. */
  act(call: (now: number) => IkeOutput[]): void {
    this.handle(call(this.#scene.now));
    this.#scene.settle();
  }

  handle(outputs: IkeOutput[]): void {
    this.outputs.push(...outputs);
    for (const output of outputs) {
      if (output.type === 'send' && !this.isSilent) this.#scene.server.receive(this.at, output.datagram);
    }
  }

  find<Type extends IkeOutput['type']>(type: Type): Extract<IkeOutput, { type: Type }> | undefined {
    return this.outputs.find((output): output is Extract<IkeOutput, { type: Type }> => output.type === type);
  }

  get address(): string | undefined {
    return this.find('established')?.configuration.addresses[0];
  }
}

/** Clients with the keys that `Client` has. */
export function rosterOf(identities: readonly string[]): Roster {
  return new Roster(identities.map(identity => [identity, Secret.fromText(`psk of ${identity}`)]));
}

export class Scene {
  now = 1_000_000;
  readonly random: Random;
  readonly plane = new FakePlane();
  readonly events: GatewayEvent[] = [];
  readonly clients: Client[] = [];
  readonly server: GatewayServer;
  readonly roster: Roster;
  /** Datagrams of the gateway to nobody. */
  readonly strays: { to: Endpoint; datagram: Uint8Array }[] = [];

  constructor(
    options: Partial<GatewayServerOptions> & { identities?: readonly string[]; prefix?: string } = {},
  ) {
    const { identities = ['client1', 'client2', 'client3'], prefix = '10.61.0.0/24', ...rest } = options;
    this.random = new Random(77);
    this.roster = rosterOf(identities);
    this.server = new GatewayServer({
      identity: 'gateway.example.net',
      clients: this.roster,
      pool: new AddressPool(parsePool(prefix)),
      networks: ['10.20.0.0/16'],
      local: LISTEN,
      plane: this.plane,
      ike: [PROPOSAL],
      esp: ['chacha20poly1305', 'aes256gcm16'],
      lifetimes: LIFETIMES,
      silenceMs: 30_000,
      onEvent: event => this.events.push(event),
      now: () => this.now,
      random: size => this.random.bytes(size),
      ...rest,
    });
  }

  client(identity: string, host = this.clients.length + 2, options: Partial<InitiatorOptions> = {}): Client {
    const client = new Client(this, identity, { address: `192.0.2.${host}`, port: 4500 }, options);
    this.clients.push(client);
    return client;
  }

  /** Delivers what the gateway sends until nothing is on its way. */
  settle(): void {
    for (let next = this.plane.sent.shift(); next !== undefined; next = this.plane.sent.shift()) {
      const { to, datagram } = next;
      const client = this.clients.findLast(({ at }) => nameOf(at) === nameOf(to));
      if (client === undefined) this.strays.push(next);
      else if (!client.isSilent) client.handle(client.session.receive(datagram, this.now));
    }
  }

  /** Lets time pass. */
  async advance(ms: number): Promise<void> {
    for (const end = this.now + ms; this.now < end; ) {
      this.now += STEP_MS;
      this.server.tick();
      for (const client of this.clients) {
        const due = client.session.nextTimer();
        if (due !== undefined && due <= this.now) client.handle(client.session.tick(this.now));
      }
      this.settle();
      // The data plane's answers.
      await new Promise(resolve => setImmediate(resolve));
      this.settle();
    }
  }

  /** Events of a type since the last call. */
  take<Type extends GatewayEvent['type']>(type: Type): Extract<GatewayEvent, { type: Type }>[] {
    const found = this.events.filter(
      (event): event is Extract<GatewayEvent, { type: Type }> => event.type === type,
    );
    for (const event of found) this.events.splice(this.events.indexOf(event), 1);
    return found;
  }

  get identities(): string[] {
    return this.server.status().clients.map(({ client }) => client);
  }
}
