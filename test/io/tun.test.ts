import koffi from 'koffi';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VpnrError } from '../../src/errors.js';
import { EAGAIN, errno, ioctl, NativeMemory, read, write } from '../../src/io/libc.js';
import { POLLIN, PollSet } from '../../src/io/poll.js';
import { openTun } from '../../src/io/tun.js';
import { openTuntap2 } from '../../src/io/tuntap2.js';
import { Namespace, namespacesPossible } from '../support/namespace.js';

const TUNSETIFF = 0x400454ca;
const TUNGETFEATURES = 0x800454cf;
const IFF_VNET_HDR = 0x4000;

/** Whether the struct ifreq there asks for the header. */
function hasHeaderFlag(ifreq: number): boolean {
  return (koffi.decode(ifreq, 16, 'uint16_t') & IFF_VNET_HDR) !== 0;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof VpnrError) return error.code;
    throw error;
  }
  return 'no error';
}

test('names that cannot be a device are refused', async () => {
  for (const name of ['', 'sixteen-bytes-xx', 'a/b', 'a b', 'tun%d', '..', 'a:b']) {
    assert.is(await codeOf(openTun({ name })), 'CONFIG_INVALID', name);
  }
});

test('the tuntap2 driver tells how to install the package', async () => {
  try {
    await openTun({ driver: 'tuntap2' });
    assert.unreachable();
  } catch (error) {
    assert.instance(error, VpnrError);
    assert.is((error as VpnrError).code, 'DRIVER_NOT_INSTALLED');
    assert.match((error as VpnrError).remedy ?? '', /npm install/);
  }
  assert.is(await codeOf(openTuntap2(undefined, async () => ({}))), 'DRIVER_NOT_INSTALLED');
});

if (namespacesPossible()) {
  test('a device of a chosen name carries packets, and goes with its descriptor', async () => {
    const space = new Namespace('vpnr-dp');
    const tun = await space.inside(() => openTun({ name: 'vpnrtest' }));
    assert.is(tun.name, 'vpnrtest');
    assert.is(await codeOf(space.inside(() => openTun({ name: 'vpnrtest' }))), 'DEVICE_BUSY');
    assert.is(await codeOf(space.inside(() => openTun({ name: 'lo' }))), 'DEVICE_BUSY');
    const memory = new NativeMemory(2048);
    assert.is(read(tun.fd, memory.address, 2048), -1);
    space.ip('link', 'set', 'vpnrtest', 'up');
    space.ip('address', 'add', '198.18.77.1/30', 'dev', 'vpnrtest');
    assert.is(read(tun.fd, memory.address, 2048), -1);
    assert.is(errno(), EAGAIN);

    const pinging = space.spawn('ping', '-n', '-c', '1', '-W', '10', '198.18.77.2');
    const ended = new Promise(resolve => pinging.once('close', resolve));
    const polled = new PollSet(1);
    polled.watch(0, tun.fd, POLLIN);
    polled.wait(10_000);
    const size = read(tun.fd, memory.address, 2048);
    assert.is(size, 84);
    assert.equal([...memory.bytes.subarray(12, 20)], [198, 18, 77, 1, 198, 18, 77, 2]);
    answer(memory.bytes);
    assert.is(write(tun.fd, memory.address, size), size);
    assert.is(await ended, 0);

    tun.close();
    assert.throws(() => space.run('ip', 'link', 'show', 'vpnrtest'));
    space.remove();
  });

  test('the kernel chooses a name where none is asked for', async () => {
    const space = new Namespace('vpnr-dp');
    const tun = await space.inside(() => openTun());
    assert.is(tun.name, 'tun0');
    tun.close();
    space.remove();
  });

  test('a kernel without the header in front of packets gives a device without offloads', async () => {
    const space = new Namespace('vpnr-dp');
    const kernels: Record<string, typeof ioctl> = {
      'that refuses the flag': (fd, request, address) => {
        // An address that nobody has: EFAULT.
        return ioctl(fd, request, request === TUNSETIFF && hasHeaderFlag(address) ? 0 : address);
      },
      'that ignores the flag': (fd, request, address) => {
        assert.not(request === TUNSETIFF && hasHeaderFlag(address), 'it was asked all the same');
        const result = ioctl(fd, request, address);
        if (request === TUNGETFEATURES) koffi.encode(address, 'uint32_t', 0x1003);
        return result;
      },
      'that does not tell': (fd, request, address) => {
        return ioctl(fd, request === TUNGETFEATURES ? 0 : request, address);
      },
    };
    for (const [kind, control] of Object.entries(kernels)) {
      const tun = await space.inside(() => openTun({ name: 'vpnrtest', offloads: true }, control));
      assert.is(tun.name, 'vpnrtest', kind);
      assert.equal(tun.offloads, { header: false, tcp: false, udp: false }, kind);
      // A name that another device has is still told apart.
      const again = space.inside(() => openTun({ name: 'vpnrtest', offloads: true }, control));
      assert.is(await codeOf(again), 'DEVICE_BUSY', kind);
      tun.close();
    }
    const tun = await space.inside(() => openTun({ name: 'vpnrtest', offloads: true }));
    assert.is(tun.offloads.header, true);
    tun.close();
    space.remove();
  });

  test('the tuntap2 driver takes over the package device under the asked name', async () => {
    const space = new Namespace('vpnr-dp');
    const kernel = await space.inside(() => openTun());
    let released = false;
    class Tun {
      readonly name = kernel.name;
      readonly _fd = kernel.fd;
      release(): void {
        released = true;
        kernel.close();
      }
    }
    const loading = Promise.resolve({ default: { Tun } });
    // The rename happens after the package has been loaded, so the thread stays in the namespace until then.
    const tun = await space.insideUntil(() => openTuntap2('vpnrtest', () => loading));
    assert.is(tun.name, 'vpnrtest');
    assert.match(space.run('ip', 'link', 'show', 'vpnrtest'), /vpnrtest/);
    tun.close();
    assert.ok(released);
    space.remove();
  });
} else {
  console.log('# skipped 4: not root, or no /dev/net/tun');
}

/** Turns an ICMP echo request into its reply, in place: the checksums stay right but for the type's difference. */
function answer(packet: Uint8Array): void {
  const view = new DataView(packet.buffer, packet.byteOffset);
  const source = view.getUint32(12);
  view.setUint32(12, view.getUint32(16));
  view.setUint32(16, source);
  packet[20] = 0;
  const sum = view.getUint16(22) + 0x0800;
  view.setUint16(22, (sum & 0xffff) + (sum >> 16));
}

test.run();
