// What is at the other end of a client's tunnels, slow and readable: gateways that open and seal ESP, and a relay
// behind them that speaks the relay protocol or plain IP in IP.
import { addressBytes } from '../../src/address.js';
import { RELAY_KEY, RELAY_SEALED_KEY } from '../../src/packet/abi.js';
import type { RELAY_MODES } from '../../src/packet/core.js';
import { type EspSa, IPV4, IPV6, openEsp, sealEsp } from '../reference/esp.js';
import { emit, type Packet, UDP } from '../reference/packets.js';
import { decodeRelay, encodeRelay, type RelayPacket } from '../reference/relay.js';
import { randomBytes } from './bytes.js';
import type { TestClient } from './client.js';

export const IPIP = 4;
export const RELAY_PORT = 7511;
export const RELAY = addressBytes('10.20.0.100');

/** One gateway: an association each way with the client, whose virtual address it has assigned. */
export class Gateway {
  readonly path: number;
  readonly virtual: Uint8Array;
  readonly fromClient: EspSa;
  readonly toClient: EspSa;
  #sequence = 0n;

  constructor(path: number, virtual: Uint8Array, random: () => number) {
    this.path = path;
    this.virtual = virtual;
    this.fromClient = { suite: 'chacha20poly1305', spi: 0x1000_0000 + path, key: randomBytes(random, 36) };
    this.toClient = { suite: 'aes256gcm16', spi: 0x2000_0400 + path, key: randomBytes(random, 36) };
  }

  /** The packet that came out of the tunnel. */
  open(datagram: Uint8Array): Uint8Array {
    const { payload, nextHeader } = openEsp(this.fromClient, datagram);
    if (nextHeader !== (versionOf(payload) === 6 ? IPV6 : IPV4)) throw new Error('next header');
    return payload;
  }

  /** The datagram that carries a packet to the client. */
  seal(payload: Uint8Array): Uint8Array {
    this.#sequence += 1n;
    const nextHeader = versionOf(payload) === 6 ? IPV6 : IPV4;
    return sealEsp(this.toClient, { sequence: this.#sequence, nextHeader, payload });
  }
}

/** The relay's end of one session. */
export class Relay {
  readonly clientPort = 40_123;
  readonly session = 0xfeed_0042;
  readonly lease = addressBytes('10.30.200.5');
  readonly fromClient: Uint8Array;
  readonly toClient: Uint8Array;
  readonly mode: keyof typeof RELAY_MODES;
  sequence = 0n;

  constructor(random: () => number, mode: keyof typeof RELAY_MODES = 'clear') {
    this.mode = mode;
    const size = mode === 'sealed' ? RELAY_SEALED_KEY : RELAY_KEY;
    this.fromClient = randomBytes(random, size);
    this.toClient = randomBytes(random, size);
  }

  /** Binds the session to a client that knows the relay's address. */
  bind(client: TestClient): void {
    client.core.bindRelay({
      mode: this.mode,
      clientPort: this.clientPort,
      sessionIndex: this.session,
      lease: this.lease.join('.'),
      sendKey: this.fromClient,
      receiveKey: this.toClient,
    });
  }

  /** The relay packet in a packet from a virtual address; throws if it is anything else. */
  parse(packet: Uint8Array, virtual: Uint8Array): Required<RelayPacket> {
    const udp = view(packet, 20);
    if (packet[9] !== UDP || udp.getUint16(0) !== this.clientPort || udp.getUint16(2) !== RELAY_PORT) {
      throw new Error('not for the relay');
    }
    if (udp.getUint16(4) !== packet.length - 20) throw new Error('UDP length');
    checkOuter(packet, virtual);
    const relayed = decodeRelay(packet.subarray(28), this.fromClient);
    if (relayed?.session !== this.session) throw new Error('not an authentic relay packet');
    return relayed;
  }

  /** The packet in an IP-in-IP packet from a virtual address; throws if it is anything else. */
  parseIpip(packet: Uint8Array, virtual: Uint8Array): Uint8Array {
    if (packet[9] !== IPIP) throw new Error('not IP in IP');
    checkOuter(packet, virtual);
    return packet.subarray(20);
  }

  /** A packet to a virtual address that carries a relay packet; `change` makes it wrong in some way. */
  send(
    virtual: Uint8Array,
    type: number,
    payload: Uint8Array,
    change: Partial<RelayPacket> & { key?: Uint8Array } = {},
  ) {
    this.sequence += 1n;
    const { key = this.toClient, ...fields } = change;
    const packet = { type, epoch: 1, session: this.session, sequence: this.sequence, payload, ...fields };
    return this.wrap(virtual, encodeRelay(packet, key));
  }

  /** A packet to a virtual address with this UDP payload. */
  wrap(virtual: Uint8Array, data: Uint8Array, change: Partial<Packet> = {}): Uint8Array {
    const transport = new Uint8Array(8 + data.length);
    view(transport).setUint16(0, RELAY_PORT);
    view(transport).setUint16(2, this.clientPort);
    view(transport).setUint16(4, transport.length);
    transport.set(data, 8);
    return emit({
      source: RELAY,
      destination: virtual,
      protocol: UDP,
      transport,
      unchecked: true,
      ...change,
    });
  }

  /** A packet to a virtual address that carries another as IP in IP. */
  sendIpip(virtual: Uint8Array, inner: Uint8Array, change: Partial<Packet> = {}): Uint8Array {
    return emit({ source: RELAY, destination: virtual, protocol: IPIP, transport: inner, ...change });
  }
}

/** The fields that every packet to the relay has in its outer header. */
function checkOuter(packet: Uint8Array, virtual: Uint8Array): void {
  const right =
    packet[0] === 0x45 &&
    view(packet).getUint16(2) === packet.length &&
    Buffer.from(packet.subarray(12, 16)).equals(virtual) &&
    Buffer.from(packet.subarray(16, 20)).equals(RELAY);
  if (!right) throw new Error('outer header');
}

export function versionOf(packet: Uint8Array): number {
  return (packet[0] ?? 0) >> 4;
}

function view(bytes: Uint8Array, from = 0): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset + from, bytes.length - from);
}
