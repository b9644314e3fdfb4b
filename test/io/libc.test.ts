import { closeSync, openSync, readSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VpnrError } from '../../src/errors.js';
import { monotonicMs, monotonicNs } from '../../src/io/clock.js';
import { EventFd } from '../../src/io/eventfd.js';
import * as libc from '../../src/io/libc.js';
import { POLLIN, POLLNVAL, PollSet } from '../../src/io/poll.js';

test('a call that fails tells its errno', () => {
  assert.is(libc.close(-1), -1);
  assert.is(libc.errnoName(libc.errno()), 'EBADF');
  assert.is(libc.errnoName(libc.EAGAIN), 'EAGAIN');
  assert.is(libc.errnoName(4095), 'errno 4095');
});

test('system call errors name the call, the errno and a remedy', () => {
  const error = libc.systemCallError('bind to 127.0.0.1:1', libc.EACCES);
  assert.instance(error, VpnrError);
  assert.is(error.code, 'SYSTEM_CALL');
  assert.match(error.message, /^bind to 127\.0\.0\.1:1: EACCES, permission denied$/);
  assert.match(error.remedy ?? '', /root/);
  assert.is(libc.systemCallError('bind', libc.EADDRINUSE).code, 'ADDRESS_IN_USE');
  assert.throws(() => libc.check(libc.close(-1), 'close'), /close: EBADF/);
  assert.is(libc.check(7, 'close'), 7);
});

test('calls take addresses into a buffer', () => {
  const buffer = new ArrayBuffer(100_000);
  const base = libc.addressOf(buffer);
  const bytes = new Uint8Array(buffer);
  const fd = libc.check(libc.eventfd(0, libc.O_NONBLOCK | libc.O_CLOEXEC), 'eventfd');
  bytes.set([9, 0, 0, 0, 0, 0, 0, 0], 70_000);
  assert.is(libc.write(fd, base + 70_000, 8), 8);
  assert.is(libc.read(fd, base + 80_000, 8), 8);
  assert.is(bytes[80_000], 9);
  assert.is(libc.read(fd, base, 8), -1);
  assert.is(libc.errno(), libc.EAGAIN);
  libc.close(fd);
});

test('native memory is zeroed and stays where it is', () => {
  const memory = new libc.NativeMemory(16);
  assert.ok(memory.bytes.every(byte => byte === 0));
  const fd = openSync('/dev/zero', 'r');
  memory.bytes.fill(1);
  libc.read(fd, memory.address + 4, 4);
  assert.equal([...memory.bytes], [1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
  assert.is(readSync(fd, memory.bytes), 16);
  closeSync(fd);
});

test('an eventfd wakes a poll until it is drained', () => {
  const event = new EventFd();
  const polled = new PollSet(3);
  polled.watch(1, event.fd, POLLIN);
  polled.wait(0);
  assert.is(polled.ready(1), 0);
  const other = new EventFd(event.fd);
  other.signal();
  other.signal();
  polled.wait(-1);
  assert.is(polled.ready(1), POLLIN);
  event.drain();
  polled.wait(0);
  assert.is(polled.ready(1), 0);
  event.drain();
  event.close();
  polled.wait(0);
  assert.is(polled.ready(1), POLLNVAL);
  polled.clear(1);
  polled.wait(0);
  assert.is(polled.ready(1), 0);
});

test('the clock only goes forward, and both units agree to 10 us', () => {
  const before = monotonicMs();
  const between = Number(monotonicNs()) / 1e6;
  const after = monotonicMs();
  assert.ok(before <= after && before <= between + 0.01 && between <= after + 0.01);
});

test.run();
