// Cutting a super-packet of the device into packets, checksums included.
import {
  BIG_TX_SLOTS,
  OFFLOAD_HEADER,
  OFFLOAD_TCP,
  OFFLOAD_UDP,
  SLOT_HEADROOM,
  TX_LENGTHS,
  VNET_HEADER,
} from '../src/packet/abi.js';
import { PacketCore } from '../src/packet/core.js';
import { report } from './support/rounds.js';

const TCP = { protocol: 6, header: 20, type: 1, checksum: 16 };
const UDP = { protocol: 17, header: 8, type: 5, checksum: 6 };
const IPV4_HEADER = 20;
const PAYLOAD = 64_000;
const VNET = BIG_TX_SLOTS + SLOT_HEADROOM - VNET_HEADER;
const PACKET = BIG_TX_SLOTS + SLOT_HEADROOM;

const core = new PacketCore();
const { exports, view, bytes } = core;
core.initClient(0n);
core.useOffloads(OFFLOAD_HEADER | OFFLOAD_TCP | OFFLOAD_UDP);

/** Puts a super-packet in the first slot, to be cut into packets of `size` bytes of payload. */
function place({ protocol, header, type, checksum }: typeof TCP, size: number): void {
  const headers = IPV4_HEADER + header;
  bytes.fill(0, VNET, PACKET + headers);
  // struct virtio_net_hdr: flags (checksum needed), type, headers, size, where the checksum begins, its place from there.
  bytes.set([1, type], VNET);
  [headers, size, IPV4_HEADER, checksum].forEach((value, i) => {
    view.setUint16(VNET + 2 + 2 * i, value, true);
  });
  view.setUint8(PACKET, 0x45);
  view.setUint16(PACKET + 2, headers + PAYLOAD);
  bytes.set([64, protocol], PACKET + 8);
  view.setUint8(PACKET + IPV4_HEADER + 12, protocol === TCP.protocol ? 0x50 : 0);
  view.setUint32(TX_LENGTHS, VNET_HEADER + headers + PAYLOAD, true);
}

function cut(): number {
  let packets = 0;
  exports.deviceRewind();
  for (let p = exports.deviceFirst(0); p !== 0; p = exports.deviceNext()) packets++;
  return packets;
}

for (const [name, kind] of [
  ['TCP', TCP],
  ['UDP', UDP],
] as const) {
  for (const size of [1360, 8960]) {
    place(kind, size);
    const packets = cut();
    if (packets !== Math.ceil(PAYLOAD / size)) throw new Error(`${packets} packets of ${name}`);
    report(`${name}: ${PAYLOAD} bytes cut into ${packets} packets`, cut, PAYLOAD);
  }
}
