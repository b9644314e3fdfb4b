// Random IP packets of every kind that address translation has to deal with.
import {
  DCCP,
  type Extension,
  emit,
  ICMP,
  ICMPV6,
  type Packet,
  SCTP,
  TCP,
  UDP,
  UDP_LITE,
} from '../reference/packets.js';
import { concat, pick, randomBytes, randomInteger } from './bytes.js';

type Random = () => number;
export type Version = 4 | 6;

export const ICMP_ERRORS = { 4: [3, 4, 5, 11, 12], 6: [1, 2, 3, 4] } as const;
const ECHO = { 4: [8, 0], 6: [128, 129] } as const;

/** An address; now and then one whose words are all ones or zero, where one's complement arithmetic is special. */
export function randomAddress(random: Random, version: Version): Uint8Array {
  const address = randomBytes(random, version === 4 ? 4 : 16);
  if (random() < 0.05) address.fill(random() < 0.5 ? 0xff : 0, 0, pick(random, [2, address.length - 2]));
  return address;
}

/** A transport message of a protocol, its checksum still to be filled in. */
export function randomTransport(random: Random, protocol: number, version: Version): Uint8Array {
  const data = randomBytes(random, randomInteger(random, 0, 80));
  if (protocol === TCP) {
    const header = randomBytes(random, 20);
    header[12] = 0x50;
    return concat(header, data);
  }
  if (protocol === ICMP || protocol === ICMPV6) {
    const header = randomBytes(random, 8);
    header[0] = pick(random, ECHO[version]);
    return concat(header, data);
  }
  return concat(randomBytes(random, protocol === DCCP ? 12 : 8), data);
}

/** Any packet that is not an ICMP error. */
export function randomPacket(random: Random, version: Version): Packet {
  const protocol = pick(random, [TCP, TCP, UDP, UDP, version === 4 ? ICMP : ICMPV6, UDP_LITE, DCCP, SCTP]);
  const packet: Packet = {
    source: randomAddress(random, version),
    destination: randomAddress(random, version),
    protocol,
    transport: randomTransport(random, protocol, version),
    unchecked: protocol === UDP && random() < 0.2,
  };
  if (random() < 0.3) {
    if (version === 4) packet.options = randomBytes(random, 4 * randomInteger(random, 1, 10));
    else Object.assign(packet, randomExtensions(random));
  }
  return packet;
}

/** Extension headers; with a routing header that has hops left, the final destination too. */
export function randomExtensions(random: Random): Pick<Packet, 'extensions' | 'finalDestination'> {
  const extensions: Extension[] = [];
  let routed = false;
  for (let i = randomInteger(random, 1, 6); i > 0; i--) {
    const protocol = pick(random, [0, 43, 44, 51, 60, 135, 139, 140]);
    const units = protocol === 44 ? 0 : randomInteger(random, protocol === 51 ? 1 : 0, 4);
    const bytes = randomBytes(random, protocol === 51 ? 4 * (units + 2) : 8 * (units + 1));
    bytes[1] = units;
    // A whole packet in one fragment (RFC 6946); the others have no offset field.
    if (protocol === 44) bytes.set([0, 0, 0], 1);
    if (protocol === 43) {
      bytes[3] = random() < 0.5 ? 0 : 1;
      routed ||= bytes[3] === 1;
    }
    extensions.push({ protocol, bytes });
  }
  return routed ? { extensions, finalDestination: randomBytes(random, 16) } : { extensions };
}

/** An ICMP error about `quoted`, cut to `length` bytes of it. */
export function icmpError(
  random: Random,
  version: Version,
  addresses: Pick<Packet, 'source' | 'destination'>,
  quoted: Packet,
  length = Number.POSITIVE_INFINITY,
): Packet {
  const header = randomBytes(random, 8);
  header[0] = pick<number>(random, ICMP_ERRORS[version]);
  // No RFC 4884 length.
  header.fill(0, 4);
  const transport = concat(header, emit(quoted).subarray(0, length));
  return { ...addresses, protocol: version === 4 ? ICMP : ICMPV6, transport };
}
