import koffi from 'koffi';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BatchIo, BatchSender, NONE } from '../../src/dataplane/batch.js';
import { check, close, errnoName, NativeMemory, O_NONBLOCK, read } from '../../src/io/libc.js';
import { setOption } from '../../src/io/udp.js';
import {
  BATCH,
  COUNTERS,
  DROP_RX_AUTH,
  MMSG_SIZE,
  RESULT_TO_DEVICE,
  TO_DEVICE,
  TX_IOV,
  TX_MMSG,
  TX_SLOTS,
} from '../../src/packet/abi.js';
import { PacketCore } from '../../src/packet/core.js';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const socketpair = koffi.load(null).func('int socketpair(int, int, int, uintptr_t)');
const pipe2 = koffi.load(null).func('int pipe2(uintptr_t, int)');

/** Two connected sockets; the send buffer of the first is soon full. */
function shortQueue(): [number, number] {
  const pair = new NativeMemory(8);
  check(socketpair(AF_UNIX, SOCK_DGRAM | O_NONBLOCK, 0, pair.address), 'socketpair');
  const [from, to] = [pair.view.getInt32(0, true), pair.view.getInt32(4, true)];
  setOption(from, SOL_SOCKET, SO_SNDBUF, 1);
  return [from, to];
}

/** A batch in which message n is one byte, n. */
function prepare(io: BatchIo): void {
  const { view } = io.core;
  for (let i = 0; i < BATCH; i++) {
    view.setUint8(TX_SLOTS + i, i);
    view.setBigUint64(TX_IOV + i * 16, BigInt(io.base + TX_SLOTS + i), true);
    view.setBigUint64(TX_IOV + i * 16 + 8, 1n, true);
    view.setBigUint64(TX_MMSG + i * MMSG_SIZE + 16, BigInt(io.base + TX_IOV + i * 16), true);
    view.setBigUint64(TX_MMSG + i * MMSG_SIZE + 24, 1n, true);
  }
}

const byte = new NativeMemory(1);
function receiveAll(fd: number): number[] {
  const received: number[] = [];
  while (read(fd, byte.address, 1) === 1) received.push(byte.bytes[0] as number);
  return received;
}

test('a batch goes on where the full send buffer stopped it', () => {
  const io = new BatchIo(new PacketCore());
  prepare(io);
  const [from, to] = shortQueue();
  const sender = new BatchSender(io, TX_MMSG);
  sender.send(from, BATCH);
  assert.is(sender.blockedOn, from);
  sender.resume();
  assert.is(sender.blockedOn, from);
  const received: number[] = [];
  while (sender.blockedOn !== NONE) {
    const more = receiveAll(to);
    assert.ok(more.length > 0);
    received.push(...more);
    sender.resume();
  }
  received.push(...receiveAll(to));
  assert.equal(
    received,
    Array.from({ length: BATCH }, (_, i) => i),
  );
  assert.is(io.core.counters()['tx-send'], 0);
  close(from);
  close(to);
});

test('more packets than a batch has messages are written: a message that was received together holds many', () => {
  const io = new BatchIo(new PacketCore());
  const { view, bytes } = io.core;
  const packets = 10 * BATCH;
  for (let i = 0; i < packets; i++) {
    bytes[TX_SLOTS + i] = i;
    view.setUint32(TO_DEVICE + i * 8, TX_SLOTS + i, true);
    view.setUint32(TO_DEVICE + i * 8 + 4, 1, true);
  }
  view.setUint32(RESULT_TO_DEVICE, packets, true);
  const pipe = new NativeMemory(8);
  check(pipe2(pipe.address, O_NONBLOCK), 'pipe2');
  const [to, from] = [pipe.view.getInt32(0, true), pipe.view.getInt32(4, true)];
  io.writeDevice(from);
  assert.equal(
    receiveAll(to),
    Array.from({ length: packets }, (_, i) => i & 255),
  );
  close(from);
  close(to);
});

test('what is abandoned is counted', () => {
  const io = new BatchIo(new PacketCore());
  prepare(io);
  const [from, to] = shortQueue();
  const sender = new BatchSender(io, TX_MMSG);
  sender.send(from, BATCH);
  sender.abandon();
  assert.is(sender.blockedOn, NONE);
  assert.is(io.core.counters()['tx-send'], BATCH - receiveAll(to).length);
  sender.abandon();
  sender.send(from, 1);
  assert.equal(receiveAll(to), [0]);
  close(from);
  close(to);
});

test('messages to a peer that is gone are dropped, and the errors told', () => {
  const io = new BatchIo(new PacketCore());
  prepare(io);
  const [from, to] = shortQueue();
  close(to);
  const failures: string[] = [];
  const sender = new BatchSender(io, TX_MMSG, (fd, reason) => failures.push(`${fd} ${errnoName(reason)}`));
  sender.send(from, 3);
  assert.is(sender.blockedOn, NONE);
  assert.is(io.core.counters()['tx-send'], 3);
  // Each is tried twice.
  assert.is(failures.length, 6);
  assert.is(failures[0], `${from} ECONNREFUSED`);
  close(from);
});

test('adding to a counter carries into its high half', () => {
  const io = new BatchIo(new PacketCore());
  io.core.view.setUint32(COUNTERS + DROP_RX_AUTH * 8, 0xffff_fffe, true);
  io.count(DROP_RX_AUTH, 1);
  assert.is(io.core.counters()['rx-auth'], 0xffff_ffff);
  io.count(DROP_RX_AUTH, 3);
  assert.is(io.core.counters()['rx-auth'], 0x1_0000_0002);
});

test.run();
