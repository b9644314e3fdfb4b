/**
 * Sends IKE_SA_INIT requests, each with an initiator SPI and a source address of its own, through a raw socket:
 * `node forger.js TARGET COUNT PER_SECOND`. The requests are those of a real client otherwise. Sends COUNT of them, and goes on
 * until a line comes on standard input; then it says "done".
 */
import { randomBytes, randomInt } from 'node:crypto';
import { addressBytes } from '../../src/address.js';
import { DEFAULT_IKE_PROPOSALS, ESP_SUITES } from '../../src/config/values.js';
import { createInitiator } from '../../src/ike/initiator.js';
import { check, NativeMemory, sendto, socket } from '../../src/io/libc.js';
import { AF_INET, writeSockaddr } from '../../src/io/sockaddr.js';
import { Secret } from '../../src/secret.js';
import { emit, UDP } from '../reference/packets.js';

const SOCK_RAW = 3;
const IPPROTO_RAW = 255;
const IKE_PORT = 4500;
const BATCH_MS = 10;

const [target = '', count = '0', perSecond = '1'] = process.argv.slice(2);
const total = Number(count);
const perBatch = Math.ceil((Number(perSecond) * BATCH_MS) / 1000);

/** What a client would begin with. */
function firstMessage(): Uint8Array {
  const session = createInitiator(
    {
      identity: 'client1',
      peerIdentity: 'gateway.example.net',
      psk: Secret.fromText('none'),
      ike: DEFAULT_IKE_PROPOSALS,
      esp: ESP_SUITES,
      lifetimes: { ikeMs: 3_600_000, childMs: 3_600_000 },
      local: { address: '100.64.0.1', port: IKE_PORT },
      remote: { address: target, port: IKE_PORT },
    },
    { random: size => randomBytes(size), allocateSpi: () => 0x1000, releaseSpi: () => {} },
  );
  const [output] = session.start(0);
  if (output?.type !== 'send') throw new Error('no message');
  return output.datagram;
}

const message = firstMessage();
const fd = check(socket(AF_INET, SOCK_RAW, IPPROTO_RAW), 'socket');
const memory = new NativeMemory(2048);
const nameSize = writeSockaddr(memory, 0, { address: target, port: 0 });
const PACKET = 64;
let sent = 0;
let told = false;

function sendOne(): void {
  message.set(randomBytes(8));
  const transport = new Uint8Array(8 + 4 + message.length);
  const udp = new DataView(transport.buffer);
  udp.setUint16(0, randomInt(1024, 65536));
  udp.setUint16(2, IKE_PORT);
  udp.setUint16(4, transport.length);
  transport.set(message, 12);
  const source = Uint8Array.of(100, 64 + randomInt(64), randomInt(256), randomInt(1, 255));
  const packet = emit({ source, destination: addressBytes(target), protocol: UDP, transport });
  memory.bytes.set(packet, PACKET);
  check(sendto(fd, memory.address + PACKET, packet.length, 0, memory.address, nameSize), 'sendto');
}

function sendBatch(): void {
  for (let i = 0; i < perBatch; i++) sendOne();
  sent += perBatch;
  if (sent < total || !told) setTimeout(sendBatch, BATCH_MS);
  else console.log('done');
}

process.stdin.once('data', () => {
  told = true;
  process.stdin.destroy();
});

sendBatch();
