import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NativeMemory } from '../../src/io/libc.js';
import {
  AF_INET,
  AF_INET6,
  addressFamily,
  formatEndpoint,
  readSockaddr,
  SOCKADDR_MAX,
  writeSockaddr,
} from '../../src/io/sockaddr.js';

test('a sockaddr_in has its family in host order, port and address in network order', () => {
  const memory = new NativeMemory(SOCKADDR_MAX);
  assert.is(writeSockaddr(memory, 0, { address: '192.0.2.1', port: 4500 }), 16);
  assert.equal([...memory.bytes.subarray(0, 16)], [2, 0, 0x11, 0x94, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
});

test('a sockaddr_in6 has its address after the flow label', () => {
  const memory = new NativeMemory(SOCKADDR_MAX);
  assert.is(writeSockaddr(memory, 0, { address: '2001:db8::1', port: 500 }), 28);
  assert.equal([...memory.bytes.subarray(0, 8)], [10, 0, 0x01, 0xf4, 0, 0, 0, 0]);
  assert.equal([...memory.bytes.subarray(8, 12), memory.bytes[23]], [0x20, 0x01, 0x0d, 0xb8, 1]);
});

test('what is written is read back, whatever was there before', () => {
  const memory = new NativeMemory(SOCKADDR_MAX);
  for (const address of ['10.1.2.3', '::1', '2001:db8::5:0:0:1', '255.255.255.255', 'fe80::1:2']) {
    memory.bytes.fill(0xff);
    writeSockaddr(memory, 0, { address, port: 65535 });
    assert.equal(readSockaddr(memory.view, 0), { address, port: 65535 });
  }
});

test('families and texts', () => {
  assert.is(addressFamily('127.0.0.1'), AF_INET);
  assert.is(addressFamily('::'), AF_INET6);
  assert.is(formatEndpoint({ address: '192.0.2.1', port: 1 }), '192.0.2.1:1');
  assert.is(formatEndpoint({ address: '2001:db8::1', port: 1 }), '[2001:db8::1]:1');
});

test.run();
