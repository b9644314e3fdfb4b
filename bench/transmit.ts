// What the client's core does to a super-packet of the device, from cutting it up to sealed datagrams.
import { randomBytes } from 'node:crypto';
import {
  BIG_TX_SLOTS,
  OFFLOAD_HEADER,
  OFFLOAD_SEND,
  OFFLOAD_TCP,
  RELAY_KEY,
  SLOT_HEADROOM,
  TX_LENGTHS,
  VNET_HEADER,
} from '../src/packet/abi.js';
import { PacketCore, type Selector } from '../src/packet/core.js';
import { report } from './support/rounds.js';

const ANY: Selector = {
  family: 4,
  protocol: 0,
  firstPort: 0,
  lastPort: 65535,
  first: '0.0.0.0',
  last: '255.255.255.255',
};
const HEADERS = 40;
const DEVICE = '10.9.0.1';
const PACKETS = 46;

function client(): PacketCore {
  const core = new PacketCore();
  core.initClient(0n);
  core.useOffloads(OFFLOAD_HEADER | OFFLOAD_TCP | OFFLOAD_SEND);
  core.installSa({
    direction: 'out',
    index: 1,
    path: 0,
    spi: 0x1001,
    suite: 'chacha20poly1305',
    key: randomBytes(36),
    local: [ANY],
    remote: [ANY],
  });
  core.setPath(0, 1);
  core.setDeviceAddresses(DEVICE);
  core.setVirtualAddresses(0, DEVICE);
  core.setMaxSegment(1300);
  core.activate(0, 1);
  return core;
}

/** As many packets as fit into one super-packet, of `size` bytes of payload each. */
function place({ bytes, view }: PacketCore, size: number): number {
  const vnet = BIG_TX_SLOTS + SLOT_HEADROOM - VNET_HEADER;
  const packet = vnet + VNET_HEADER;
  const length = HEADERS + PACKETS * size;
  bytes.set([1, 1], vnet);
  [HEADERS, size, 20, 16].forEach((value, i) => {
    view.setUint16(vnet + 2 + 2 * i, value, true);
  });
  bytes.set([0x45, 0, length >> 8, length & 255, 0, 0, 0x40, 0, 64, 6], packet);
  bytes.set([10, 9, 0, 1, 10, 30, 0, 10], packet + 12);
  bytes.set([0x50, 0x10], packet + 32);
  view.setUint32(TX_LENGTHS, VNET_HEADER + length, true);
  return length - HEADERS;
}

function measure(name: string, size: number, prepare: (core: PacketCore) => void): void {
  const core = client();
  prepare(core);
  const payload = place(core, size);
  let calls = 0;
  const send = () => {
    core.setClock(calls++ / 100);
    if (core.exports.clientTransmit(1) === 0) throw new Error('nothing to send');
  };
  report(`${PACKETS} packets, ${name}`, send, payload);
}

const bind = (core: PacketCore) => {
  core.setRelay({ address: '10.20.0.100', port: 7511 });
  core.bindRelay({
    mode: 'clear',
    clientPort: 40_000,
    sessionIndex: 5,
    lease: '10.31.0.2',
    sendKey: randomBytes(RELAY_KEY),
    receiveKey: randomBytes(RELAY_KEY),
  });
  core.activate(0, 2);
};
measure('to the gateway', 1360, () => {});
measure('to the gateway, as short', 1308, () => {});
measure('to the relay', 1308, bind);
measure('to the relay, kept', 1308, core => {
  core.setReplay(8 << 20, 2000);
  bind(core);
});
