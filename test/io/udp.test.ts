import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VpnrError } from '../../src/errors.js';
import { close, EAGAIN, errno, MSG_DONTWAIT, NativeMemory, recvmmsg, sendmmsg } from '../../src/io/libc.js';
import { POLLERR, POLLIN, PollSet } from '../../src/io/poll.js';
import { openIpip } from '../../src/io/raw.js';
import { localEndpoint, openUdp, sendDatagram, takeSocketError } from '../../src/io/udp.js';

const MMSG = 64;
const COUNT = 8;
const SLOT = 2048;

/** An mmsghdr array of COUNT messages with one iovec and one slot each: a model of what the packet core fills. */
class Messages {
  readonly headers = new NativeMemory(COUNT * MMSG);
  readonly iovecs = new NativeMemory(COUNT * 16);
  readonly slots = new NativeMemory(COUNT * SLOT);

  arm(sizes: readonly number[]): void {
    sizes.forEach((size, index) => {
      const { view } = this.headers;
      this.iovecs.view.setBigUint64(index * 16, BigInt(this.slots.address + index * SLOT), true);
      this.iovecs.view.setBigUint64(index * 16 + 8, BigInt(size), true);
      view.setBigUint64(index * MMSG + 16, BigInt(this.iovecs.address + index * 16), true);
      view.setBigUint64(index * MMSG + 24, 1n, true);
    });
  }

  length(index: number): number {
    return this.headers.view.getUint32(index * MMSG + 56, true);
  }
}

function waitFor(fd: number, events: number): void {
  const polled = new PollSet(1);
  polled.watch(0, fd, POLLIN);
  for (let tries = 0; tries < 100; tries++) {
    polled.wait(100);
    if ((polled.ready(0) & events) !== 0) return;
  }
  throw new Error('nothing happened within 10 s');
}

for (const [name, address] of [
  ['IPv4', '127.0.0.1'],
  ['IPv6', '::1'],
] as const) {
  test(`a batch goes from one ${name} socket to another`, () => {
    const server = openUdp({ local: { address, port: 0 } });
    const serverAt = localEndpoint(server);
    assert.is(serverAt.address, address);
    assert.ok(serverAt.port > 0);
    const client = openUdp({ remote: serverAt });
    assert.is(localEndpoint(client).address, address);
    const sent = new Messages();
    for (let index = 0; index < COUNT; index++) sent.slots.bytes[index * SLOT] = index + 1;
    sent.arm(Array.from({ length: COUNT }, (_, index) => index * 100));
    assert.is(sendmmsg(client, sent.headers.address, COUNT, MSG_DONTWAIT), COUNT);
    const received = new Messages();
    received.arm(new Array(COUNT).fill(SLOT));
    let count = 0;
    while (count < COUNT) {
      waitFor(server, POLLIN);
      const more = recvmmsg(server, received.headers.address + count * MMSG, COUNT - count, MSG_DONTWAIT, 0);
      assert.ok(more > 0);
      count += more;
    }
    for (let index = 0; index < COUNT; index++) {
      assert.is(received.length(index), index * 100);
      if (index > 0) assert.is(received.slots.bytes[index * SLOT], index + 1);
    }
    assert.is(recvmmsg(server, received.headers.address, COUNT, MSG_DONTWAIT, 0), -1);
    assert.is(errno(), EAGAIN);
    close(client);
    close(server);
  });
}

test('single datagrams are put together from parts', () => {
  const server = openUdp({ local: { address: '127.0.0.1', port: 0 } });
  const client = openUdp({ local: { address: '127.0.0.1', port: 0 } });
  assert.ok(sendDatagram(client, [new Uint8Array(4), Uint8Array.of(1, 2, 3)], localEndpoint(server)));
  const received = new Messages();
  received.arm([SLOT]);
  waitFor(server, POLLIN);
  assert.is(recvmmsg(server, received.headers.address, 1, MSG_DONTWAIT, 0), 1);
  assert.equal([...received.slots.bytes.subarray(0, received.length(0))], [0, 0, 0, 0, 1, 2, 3]);
  assert.throws(() => sendDatagram(client, [new Uint8Array(65508)], localEndpoint(server)), RangeError);
  close(client);
  close(server);
});

test('an ICMP error becomes a socket error that is taken once', () => {
  const closed = openUdp({ local: { address: '127.0.0.1', port: 0 } });
  const nobody = localEndpoint(closed);
  close(closed);
  const client = openUdp({ remote: nobody });
  assert.is(takeSocketError(client), undefined);
  assert.ok(sendDatagram(client, [Uint8Array.of(1)]));
  waitFor(client, POLLERR);
  // The second one finds the first one's error and is sent all the same.
  assert.ok(sendDatagram(client, [Uint8Array.of(2)]));
  waitFor(client, POLLERR);
  assert.is(takeSocketError(client), 'ECONNREFUSED');
  assert.is(takeSocketError(client), undefined);
  const polled = new PollSet(1);
  polled.watch(0, client, POLLIN);
  polled.wait(0);
  assert.is(polled.ready(0), 0);
  close(client);
});

test('a port in use is refused by name', () => {
  const first = openUdp({ local: { address: '127.0.0.1', port: 0 } });
  const taken = localEndpoint(first);
  try {
    openUdp({ local: taken });
    assert.unreachable();
  } catch (error) {
    assert.instance(error, VpnrError);
    assert.is((error as VpnrError).code, 'ADDRESS_IN_USE');
    assert.match((error as VpnrError).message, new RegExp(`bind to 127\\.0\\.0\\.1:${taken.port}`));
  }
  close(first);
});

test('an address that is not local is refused', () => {
  assert.throws(() => openUdp({ local: { address: '192.0.2.1', port: 0 } }), /EADDRNOTAVAIL/);
});

if (process.getuid?.() === 0) {
  test('protocol 4 passes between raw sockets, with the outer header when received', () => {
    const from = openIpip('127.0.0.1');
    const to = openIpip('127.0.0.2');
    const inner = Uint8Array.of(0x45, 0, 0, 20, 1, 2, 3, 4);
    assert.ok(sendDatagram(from, [inner], { address: '127.0.0.2', port: 0 }));
    const received = new Messages();
    received.arm([SLOT]);
    waitFor(to, POLLIN);
    assert.is(recvmmsg(to, received.headers.address, 1, MSG_DONTWAIT, 0), 1);
    assert.is(received.length(0), 28);
    assert.is(received.slots.bytes[9], 4);
    assert.equal([...received.slots.bytes.subarray(12, 20)], [127, 0, 0, 1, 127, 0, 0, 2]);
    assert.equal(received.slots.bytes.subarray(20, 28), inner);
    close(from);
    close(to);
  });
} else {
  console.log('# skipped 1: not root, no raw sockets');
}

test.run();
