// The device's side of the packet core with offloads, and slow references for what it does.
import {
  BIG_SLOT_SIZE,
  BIG_TX_SLOTS,
  OFFLOAD_HEADER,
  OFFLOAD_TCP,
  OFFLOAD_UDP,
  RESULT_TO_DEVICE,
  RX_SLOTS,
  SLOT_HEADROOM,
  SLOT_SIZE,
  TO_DEVICE,
  TX_LENGTHS,
  VNET_HEADER,
} from '../../src/packet/abi.js';
import { PacketCore } from '../../src/packet/core.js';
import { internetChecksum } from '../reference/checksum.js';
import { TCP } from '../reference/packets.js';
import { concat } from './bytes.js';
import { BASE } from './kernel.js';

/** struct virtio_net_hdr. */
export interface VnetHeader {
  flags: number;
  type: number;
  headers: number;
  size: number;
  start: number;
  offset: number;
}

export const TCPV4 = 1;
export const TCPV6 = 4;
export const UDP_L4 = 5;
export const ECN = 0x80;

export function emitVnet({ flags, type, headers, size, start, offset }: VnetHeader): Uint8Array {
  const bytes = new Uint8Array(VNET_HEADER);
  const view = new DataView(bytes.buffer);
  bytes[0] = flags;
  bytes[1] = type;
  [headers, size, start, offset].forEach((value, i) => {
    view.setUint16(2 + i * 2, value, true);
  });
  return bytes;
}

export function parseVnet(bytes: Uint8Array): VnetHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [headers = 0, size = 0, start = 0, offset = 0] = [2, 4, 6, 8].map(at => view.getUint16(at, true));
  return { flags: bytes[0] as number, type: bytes[1] as number, headers, size, start, offset };
}

export class Device {
  readonly core = new PacketCore();

  constructor(offloads = OFFLOAD_HEADER | OFFLOAD_TCP | OFFLOAD_UDP) {
    this.core.initClient(BASE);
    this.core.useOffloads(offloads);
  }

  /** What the core makes of one read from the device, vnet header included. */
  read(bytes: Uint8Array): Uint8Array[] {
    const { exports } = this.core;
    this.core.bytes.set(bytes, BIG_TX_SLOTS + BIG_SLOT_SIZE + SLOT_HEADROOM - VNET_HEADER);
    this.core.view.setUint32(TX_LENGTHS + 4, bytes.length, true);
    exports.deviceRewind();
    const packets: Uint8Array[] = [];
    for (let p = exports.deviceFirst(1); p !== 0; p = exports.deviceNext()) {
      packets.push(this.core.bytes.slice(p, p + exports.deviceLength.value));
    }
    return packets;
  }

  /** What would be written to the device, each with its vnet header, for a batch of up to 64 packets. */
  write(packets: readonly Uint8Array[]): { header: VnetHeader; packet: Uint8Array }[] {
    const { exports, bytes, view } = this.core;
    view.setUint32(RESULT_TO_DEVICE, 0, true);
    exports.deviceClear();
    packets.forEach((packet, i) => {
      const p = RX_SLOTS + i * SLOT_SIZE + SLOT_HEADROOM;
      bytes.set(packet, p);
      exports.addToDevice(p, packet.length);
    });
    exports.deviceFlush();
    return Array.from({ length: view.getUint32(RESULT_TO_DEVICE, true) }, (_, i) => {
      const vectors = view.getUint32(TO_DEVICE + i * 8, true);
      const parts = Array.from({ length: view.getUint32(TO_DEVICE + i * 8 + 4, true) }, (_, k) => {
        const address = Number(view.getBigUint64(vectors + k * 16, true) - BASE);
        return bytes.slice(address, address + Number(view.getBigUint64(vectors + k * 16 + 8, true)));
      });
      const whole = concat(...parts);
      return { header: parseVnet(whole), packet: whole.slice(VNET_HEADER) };
    });
  }
}

/** Where the transport header is. */
export function transportAt(packet: Uint8Array): number {
  if ((packet[0] as number) >> 4 === 4) return ((packet[0] as number) & 15) * 4;
  // Of extensions the tests make destination options alone.
  return packet[6] === 60 ? 40 + ((packet[41] as number) + 1) * 8 : 40;
}

function pseudoHeader(packet: Uint8Array, protocol: number, length: number): Uint8Array {
  const addresses = (packet[0] as number) >> 4 === 4 ? packet.subarray(12, 20) : packet.subarray(8, 40);
  return concat(addresses, Uint8Array.of(0, protocol, length >> 8, length & 255));
}

/** The kernel's segmentation, by the book: packets with all checksums right. */
export function segment({ type, size }: VnetHeader, packet: Uint8Array): Uint8Array[] {
  const at = transportAt(packet);
  const tcp = (type & ~ECN) !== UDP_L4;
  const headers = at + (tcp ? ((packet[at + 12] as number) >> 4) * 4 : 8);
  const payload = packet.subarray(headers);
  const parts = Math.max(1, Math.ceil(payload.length / size));
  const sequence = new DataView(packet.buffer, packet.byteOffset).getUint32(at + 4);
  return Array.from({ length: parts }, (_, i) => {
    const one = concat(packet.subarray(0, headers), payload.subarray(i * size, (i + 1) * size));
    const view = new DataView(one.buffer);
    if ((one[0] as number) >> 4 === 4) {
      view.setUint16(2, one.length);
      view.setUint16(4, view.getUint16(4) + i);
      view.setUint16(10, 0);
      view.setUint16(10, internetChecksum(one.subarray(0, ((one[0] as number) & 15) * 4)));
    } else view.setUint16(4, one.length - 40);
    if (tcp) {
      view.setUint32(at + 4, (sequence + i * size) >>> 0);
      let flags = one[at + 13] as number;
      if (i < parts - 1) flags &= ~9;
      if (i > 0) flags &= ~0x80;
      one[at + 13] = flags;
    } else view.setUint16(at + 4, one.length - at);
    const field = at + (tcp ? 16 : 6);
    view.setUint16(field, 0);
    const sum = internetChecksum(
      concat(pseudoHeader(one, tcp ? TCP : 17, one.length - at), one.subarray(at)),
    );
    view.setUint16(field, sum === 0 && !tcp ? 0xffff : sum);
    return one;
  });
}
