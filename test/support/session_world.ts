// A client core and a relay core at the two ends of one session, with gateways between them whose lines lose, delay, reorder
// and double datagrams as a test likes.
import { addressBytes } from '../../src/address.js';
import {
  OFFLOAD_HEADER,
  OK,
  OWN_MESSAGE,
  PROBE_BITMAP,
  PROBE_BITMAP_MAX,
  RELAY_PROBE,
  RELAY_PROBE_REPLY,
  RESULT_SECOND,
  SCRATCH,
  SECOND_MESSAGE,
  SESSION_MAX,
  SWITCH_NONE,
  SWITCH_RESENDING,
} from '../../src/packet/abi.js';
import type { Activation, FlowRule } from '../../src/packet/core.js';
import { emit, type Packet, TCP, UDP } from '../reference/packets.js';
import { encodeRelay } from '../reference/relay.js';
import { hex, randomBytes } from './bytes.js';
import { TestClient } from './client.js';
import { collect, type Datagram } from './kernel.js';
import { generator } from './random.js';
import { RelayPeer, RelayServer, SERVER, type Session, session } from './relay_server.js';
import { Gateway, RELAY, RELAY_PORT, Relay } from './tunnels.js';

const MIB = 1 << 20;
const DEVICE = addressBytes('192.168.77.2');

/** A relay packet between a path's gateway and the relay, and which way it goes. */
export interface Flight {
  path: number;
  up: boolean;
  bytes: Uint8Array;
}

export interface WorldOptions {
  seed: number;
  mode?: 'clear' | 'sealed';
  paths?: number;
  bytes?: number;
  ageMs?: number;
  /** Of which numbers packets are TCP's; the others are UDP's. */
  isTcp?: (number: number) => boolean;
  offloads?: number;
}

export class SessionWorld {
  readonly random: () => number;
  readonly client = new TestClient();
  server = new RelayServer();
  session: Session;
  readonly gateways: Gateway[];
  readonly #relay: Relay;
  /** On their way, in order of departure. */
  flights: Flight[] = [];
  /** Bodies of what has arrived at each end's device, in order. */
  readonly arrivedUp: number[] = [];
  readonly arrivedDown: number[] = [];
  readonly events: { kind: number; path: number; a: number; b: number }[] = [];
  clock = 1000;
  readonly #replay: { bytes: number; ageMs: number };
  readonly #isTcp: (number: number) => boolean;
  /** What the relay that has ended had received. */
  #received: Uint8Array | undefined;
  /** What was sent under each session's index and number, at either end: the same under the same ones. */
  readonly #numbers = new Map<string, string>();
  #forged: RelayPeer | undefined;
  #forgedReplies = 0n;

  constructor({
    seed,
    mode = 'clear',
    paths = 3,
    bytes = 8 * MIB,
    ageMs = 2000,
    isTcp = () => false,
    offloads = 0,
  }: WorldOptions) {
    this.random = generator(seed);
    this.#replay = { bytes, ageMs };
    this.#isTcp = isTcp;
    this.session = session(5, { mode });
    this.#relay = new Relay(this.random);
    const { core } = this.client;
    core.useOffloads(offloads & ~OFFLOAD_HEADER);
    core.setDeviceAddresses(DEVICE.join('.'));
    core.setRelay({ address: RELAY.join('.'), port: RELAY_PORT });
    this.gateways = Array.from({ length: paths }, (_, path) => {
      const gateway = new Gateway(path, addressBytes(`10.6${path}.0.7`), this.random);
      core.setVirtualAddresses(path, gateway.virtual.join('.'));
      this.client.install('in', gateway.toClient, { path });
      this.client.install('out', gateway.fromClient, { path });
      return gateway;
    });
    const { index: sessionIndex, ...keys } = this.session;
    core.setReplay(bytes, ageMs);
    core.bindRelay({ ...keys, mode, clientPort: this.#relay.clientPort, sessionIndex });
    core.activate(0, 1);
    this.#install();
    this.wait(0);
    this.probe(0);
    this.deliverAll();
  }

  wait(ms: number): void {
    this.clock += ms;
    this.client.core.setClock(this.clock);
    this.server.core.setClock(this.clock);
  }

  #numbered(number: number, source: Uint8Array, destination: Uint8Array): Uint8Array {
    return numbered(number, this.#isTcp(number) ? TCP : UDP, { source, destination });
  }

  // --- The client ---------------------------------------------------------------------------------------------

  /** The applications send packets with these numbers in them. */
  sendUp(active: number, second: number | undefined, ...numbers: number[]): void {
    const sent = this.client.transmit(
      ...numbers.map(number => this.#numbered(number, DEVICE, addressBytes(SERVER))),
    );
    this.#fly(active, sent);
    const seconds = this.client.core.view.getUint32(RESULT_SECOND, true);
    if (second === undefined && seconds > 0) throw new Error('copies without a second path');
    const copies = Array.from({ length: seconds }, (_, i) => this.client.message(SECOND_MESSAGE + i));
    if (second !== undefined) this.#fly(second, copies);
  }

  /** The same, and it is lost at once. */
  sendUpInVain(...numbers: number[]): void {
    this.client.transmit(...numbers.map(number => this.#numbered(number, DEVICE, addressBytes(SERVER))));
  }

  /** Makes it the second path, for these flows, as the relay then knows. */
  useSecond(path: number, ...rules: FlowRule[]): void {
    this.client.core.setFlows(rules);
    this.client.core.setSecondPath(path);
    this.probe(path);
    this.deliverAll();
  }

  activate(path: number, epoch: number, how: Activation): void {
    this.client.core.activate(path, epoch, how);
  }

  probe(path: number, quiet = true): void {
    if (this.client.core.exports.clientProbe(path, 7, 1, 2, quiet) !== OK) throw new Error('probe');
    this.#fly(path, [this.client.message(OWN_MESSAGE)]);
  }

  askForSwitch(path: number): void {
    if (this.client.core.exports.clientSwitchProbe(1, 2) !== OK) throw new Error('probe');
    this.#fly(path, [this.client.message(OWN_MESSAGE)]);
  }

  get switchState(): number {
    return this.client.core.exports.clientSwitchState();
  }

  /** Lets both ends send again all that they have to. */
  resendAll(path: number): void {
    for (let turn = 0; turn < 2000; turn++) {
      if (this.switchState === SWITCH_RESENDING) {
        const messages = this.client.core.exports.clientResend();
        this.#fly(
          path,
          Array.from({ length: messages }, (_, i) => this.client.message(i)),
        );
      }
      if (this.server.core.exports.relayIsResending() !== 0) this.resendDown();
      if (this.switchState === SWITCH_NONE && this.server.core.exports.relayIsResending() === 0) return;
      this.wait(1);
    }
    throw new Error('no end of sending again');
  }

  // --- The relay ----------------------------------------------------------------------------------------------

  /** Servers send packets with these numbers in them. */
  sendDown(...numbers: number[]): void {
    const lease = addressBytes(this.session.lease);
    const { udp } = this.server.transmit(
      ...numbers.map(number => this.#numbered(number, addressBytes(SERVER), lease)),
    );
    this.#flyDown(udp);
  }

  resendDown(): void {
    this.#flyDown(collect(this.server.core, this.server.core.exports.relayResend()));
  }

  /** The relay ends. What is on its way to it is lost from now on; what it has sent arrives. */
  endRelay(): void {
    const { core } = this.server;
    if (core.exports.relaySessionReceived(this.session.index) !== OK) throw new Error('received');
    this.#received = core.bytes.slice(SCRATCH, SCRATCH + PROBE_BITMAP + PROBE_BITMAP_MAX);
    this.server = new RelayServer();
    this.wait(0);
    this.deliverAll();
  }

  /** It is there again, with fresh keys for the session, and tells what it had received, or not. */
  beginRelay(tells: boolean, changes: Partial<Session> = {}): void {
    const { mode = 'clear', sendKey, receiveKey } = this.session;
    this.session = {
      ...this.session,
      // Another one, in the same place.
      index: (this.session.index + SESSION_MAX) >>> 0,
      sendKey: randomBytes(this.random, sendKey.length),
      receiveKey: randomBytes(this.random, receiveKey.length),
      ...changes,
    };
    this.#install();
    const { index: sessionIndex, ...keys } = this.session;
    const parameters = { mode, ...keys, clientPort: this.#relay.clientPort, sessionIndex };
    this.client.core.rebindRelay(parameters, tells ? this.#received : undefined);
  }

  #install(): void {
    const { bytes, ageMs } = this.#replay;
    this.server.core.exports.relayReplay(bytes * 2, bytes, ageMs);
    if (this.server.install(this.session) !== OK) throw new Error('install');
  }

  /** An authentic probe with this body, which no client of ours would send. */
  forgeProbe(path: number, body: Uint8Array, changes: { flags?: number; epoch?: number } = {}): void {
    const { flags = 0, epoch = 1 } = changes;
    this.#forged ??= new RelayPeer(this.session);
    this.#forged.sequence += 1000n;
    const bytes = this.#forged.packet(RELAY_PROBE, body, { flags, epoch });
    this.arrive({ path, up: true, bytes });
  }

  /** The same for a reply of the relay's. */
  forgeReply(path: number, body: Uint8Array, changes: { flags?: number; epoch?: number } = {}): void {
    const { flags = 0, epoch = 1 } = changes;
    this.#forgedReplies += 1000n;
    const { index, receiveKey } = this.session;
    const packet = { type: RELAY_PROBE_REPLY, flags, epoch, session: index, payload: body };
    this.arrive({
      path,
      up: false,
      bytes: encodeRelay({ ...packet, sequence: this.#forgedReplies }, receiveKey),
    });
  }

  // --- The lines ----------------------------------------------------------------------------------------------

  /** Forgets what is on its way over the path. */
  lose(path: number): void {
    this.flights = this.flights.filter(flight => flight.path !== path);
  }

  /** One of those on their way arrives. */
  deliver(flight: Flight): void {
    this.flights.splice(this.flights.indexOf(flight), 1);
    this.arrive(flight);
  }

  deliverAll(): void {
    for (let flight = this.flights[0]; flight !== undefined; flight = this.flights[0]) this.deliver(flight);
  }

  arrive({ path, up, bytes }: Flight): void {
    const gateway = this.gateways[path] as Gateway;
    if (up) {
      const peer = `${gateway.virtual.join('.')}:${this.#relay.clientPort}`;
      const { toDevice, replies } = this.server.receive({ bytes, peer });
      this.arrivedUp.push(...toDevice.map(numberOf));
      this.#flyDown(replies);
      return;
    }
    const packet = this.#relay.wrap(gateway.virtual, bytes);
    const { device, events } = this.client.receive(path, gateway.seal(packet));
    this.arrivedDown.push(...device.map(numberOf));
    this.events.push(...events);
  }

  #fly(path: number, datagrams: readonly Uint8Array[]): void {
    const gateway = this.gateways[path] as Gateway;
    for (const datagram of datagrams) {
      const bytes = gateway.open(datagram).subarray(28);
      this.#number('up', bytes);
      this.flights.push({ path, up: true, bytes });
    }
  }

  #flyDown(messages: readonly Datagram[]): void {
    for (const { bytes, peer } of messages) {
      const path = this.gateways.findIndex(({ virtual }) => virtual.join('.') === peer.split(':')[0]);
      if (path < 0) throw new Error(`a message to ${peer}`);
      this.#number('down', bytes);
      this.flights.push({ path, up: false, bytes });
    }
  }

  /** No two packets under one number of a session, as their nonce would be the same. */
  #number(direction: string, bytes: Uint8Array): void {
    const packet = Buffer.from(bytes).toString('latin1');
    const number = direction + packet.slice(4, 16);
    if ((this.#numbers.get(number) ?? packet) !== packet)
      throw new Error(`two packets have the number ${hex(bytes.subarray(4, 16))}`);
    this.#numbers.set(number, packet);
  }
}

/** A UDP packet from port 4000 to 5000, or to 22 if the number is a multiple of four, with the number in it; of different sizes. */
function numbered(
  number: number,
  protocol: number,
  ends: Pick<Packet, 'source' | 'destination'>,
): Uint8Array {
  const transport = new Uint8Array((protocol === TCP ? 20 : 12) + ((number * 37) % 300));
  const view = new DataView(transport.buffer);
  view.setUint16(0, 4000);
  view.setUint16(2, number % 4 === 0 ? 22 : 5000);
  if (protocol === TCP) view.setUint16(12, 0x5010);
  else view.setUint16(4, transport.length);
  view.setUint32(8, number);
  return emit({ ...ends, protocol, transport });
}

function numberOf(packet: Uint8Array): number {
  return new DataView(packet.buffer, packet.byteOffset).getUint32(28);
}
