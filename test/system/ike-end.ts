/**
 * One end of an IKE session on a UDP socket, without a tunnel device: it makes ESP packets itself, an echo request
 * every few milliseconds, and counts the replies. Options in JSON as the only argument, commands by lines on standard
 * input, outputs of the session as lines of JSON on standard output.
 */
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { createInterface } from 'node:readline';
import { addressBytes } from '../../src/address.js';
import type { ChildSa, Endpoint, IkeOutput, InitiatorOptions } from '../../src/ike/api.js';
import { concat } from '../../src/ike/bytes.js';
import { createInitiator } from '../../src/ike/initiator.js';
import { isResponse } from '../../src/ike/message.js';
import { createResponder } from '../../src/ike/responder.js';
import { Secret } from '../../src/secret.js';
import { type EspSa, IPV4, openEsp, sealEsp } from '../reference/esp.js';

export type IkeEndOptions = Omit<InitiatorOptions, 'psk'> & {
  psk: string;
  /** Inner address that answers echo requests; the gateway's. */
  target: string;
  /** As a gateway: what the client is assigned. */
  serve?: { address: string; network: string };
};

/** What `stats` reports. */
export interface EspCounts {
  sent: number;
  received: number;
  unknownSpi: number;
  refused: number;
}

const PING_MS = 10;
const EMPTY_MARKER = new Uint8Array(4);

interface Child {
  sa: ChildSa;
  outbound: EspSa;
  inbound: EspSa;
  sequence: bigint;
}

const options = JSON.parse(process.argv[2] ?? '{}') as IkeEndOptions;
const counts: EspCounts = { sent: 0, received: 0, unknownSpi: 0, refused: 0 };
const children = new Map<number, Child>();
let sending: Child | undefined;
let address: string | undefined;
let timer: NodeJS.Timeout | undefined;
let paused = false;

const env = {
  random: (size: number) => new Uint8Array(randomBytes(size)),
  allocateSpi: () => (randomBytes(4).readUInt32BE() | 0x1000) >>> 0,
  releaseSpi: () => {},
};
const psk = Secret.fromText(options.psk);
const session =
  options.serve === undefined
    ? createInitiator({ ...options, psk }, env)
    : createResponder(
        {
          ...options,
          psk: identity => (identity === options.peerIdentity ? psk : undefined),
          assign: () => ({ addresses: [options.serve?.address ?? ''], dns: [], domains: [], subnets: [] }),
          release: () => {},
          networks: [options.serve.network],
        },
        env,
      );

let { remote } = options;
let socket = open(options.local, () => {
  if (options.serve === undefined) carryOut(session.start(performance.now()));
});

function open(local: Endpoint, ready: () => void) {
  const made = createSocket('udp4');
  made.on('message', (datagram, { address: sender, port }) => {
    if (datagram.length > 4 && datagram.readUInt32BE() === 0) {
      const from = { address: sender, port };
      carryOut(session.receive(new Uint8Array(datagram.subarray(4)), performance.now(), from), from);
    } else if (datagram.length > 8) {
      receiveEsp(new Uint8Array(datagram));
    }
  });
  return made.bind(local.port, local.address, ready);
}

/** Goes on at another address, and says so unless it is to be found out. */
function move(local: Endpoint, quietly: boolean): void {
  const before = socket;
  socket = open(local, () => {
    before.close();
    if (!quietly) carryOut(session.moved(local, performance.now()));
  });
}

createInterface(process.stdin).on('line', command);
setInterval(() => {
  if (!paused) ping();
}, PING_MS);

function command(line: string): void {
  const now = performance.now();
  const [word, address = '', port] = line.split(' ');
  if (word === 'move' || word === 'slip') move({ address, port: Number(port) }, word === 'slip');
  else if (line === 'rekey-child') carryOut(session.rekeyChild(now));
  else if (line === 'rekey-ike') carryOut(session.rekeyIke(now));
  else if (line === 'probe') carryOut(session.probe(now));
  else if (line === 'close') carryOut(session.close(now));
  else if (line === 'stats') report({ type: 'stats', ...counts });
  else if (line === 'pause') paused = true;
  else if (line === 'resume') paused = false;
}

function report(line: object): void {
  console.log(JSON.stringify(line));
}

function transmit(datagram: Uint8Array, to = remote): void {
  socket.send(datagram, to.port, to.address);
}

/** `from`: where the datagram came from that these answer. */
function carryOut(outputs: IkeOutput[], from = remote): void {
  for (const output of outputs) {
    if (output.type === 'send') {
      transmit(concat(EMPTY_MARKER, output.datagram), isResponse(output.datagram) ? from : remote);
    } else if (output.type === 'peer-moved') remote = output.remote;
    else if (output.type === 'child-up') install(output.child, output.receiveOnly === true);
    else if (output.type === 'child-send') sending = children.get(output.inboundSpi);
    else if (output.type === 'child-down') remove(output.inboundSpi);
    else if (output.type === 'established') address = output.configuration.addresses[0];
    if (output.type === 'closed') children.clear();
    if (output.type !== 'send') report(output);
  }
  clearTimeout(timer);
  const next = session.nextTimer();
  if (next === undefined) return;
  const wait = Math.max(0, Math.min(next - performance.now(), 2 ** 30));
  timer = setTimeout(() => carryOut(session.tick(performance.now())), wait);
}

function install(sa: ChildSa, receiveOnly: boolean): void {
  const { suite } = sa;
  const child = {
    sa,
    outbound: { suite, spi: sa.outboundSpi, key: sa.outboundKey.reveal() },
    inbound: { suite, spi: sa.inboundSpi, key: sa.inboundKey.reveal() },
    sequence: 0n,
  };
  children.set(sa.inboundSpi, child);
  if (!receiveOnly) sending = child;
}

function remove(inboundSpi: number): void {
  if (sending === children.get(inboundSpi)) sending = undefined;
  children.delete(inboundSpi);
}

function ping(): void {
  const inner = options.serve === undefined ? address : options.target;
  const target = options.serve === undefined ? options.target : options.serve.address;
  if (sending === undefined || inner === undefined) return;
  sending.sequence += 1n;
  const payload = echoRequest(inner, target);
  transmit(sealEsp(sending.outbound, { sequence: sending.sequence, payload, nextHeader: IPV4 }));
  counts.sent += 1;
}

function receiveEsp(datagram: Uint8Array): void {
  const spi = new DataView(datagram.buffer, datagram.byteOffset).getUint32(0);
  const child = children.get(spi);
  if (child === undefined) {
    counts.unknownSpi += 1;
    return;
  }
  try {
    openEsp(child.inbound, datagram);
    counts.received += 1;
  } catch {
    counts.refused += 1;
  }
}

function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  for (const [index, value] of values.entries()) new DataView(bytes.buffer).setUint32(4 * index, value);
  return bytes;
}

/** An IPv4 packet. */
function echoRequest(from: string, to: string): Uint8Array {
  const ip = concat(words(0x4500001c, 0, 0x40010000), addressBytes(from), addressBytes(to));
  new DataView(ip.buffer).setUint16(10, checksum(ip));
  const icmp = words(0x08000000, 0x00010001);
  new DataView(icmp.buffer).setUint16(2, checksum(icmp));
  return concat(ip, icmp);
}

function checksum(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer);
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
