import * as assert from 'uvu/assert';
import { type Host, type Lab, type LabPlan, type LinePlan, until } from '../../src/lab/index.js';
import { figures, systemTests, withLab } from './support.js';

const test = systemTests();
const PORT = 5000;
const RIGHT = '192.0.2.2';

const plan = (line: LinePlan): LabPlan => ({
  networks: ['wire'],
  hosts: {
    left: { links: { wire: { addresses: ['192.0.2.1/24'] } } },
    right: { links: { wire: { addresses: [`${RIGHT}/24`], line } } },
  },
});

/** One clock for both ends. */
const NOW = 'performance.timeOrigin + performance.now()';

/**
 * Prints for each datagram its number (first u32), when it came and when it left, in milliseconds since 1970; ends with number
 * 2^32 - 1.
 */
const RECEIVER = `
  const socket = require('dgram').createSocket('udp4');
  const got = [];
  socket.on('message', message => {
    const number = message.readUInt32BE();
    if (number < 0xffffffff) got.push([number, ${NOW}, message.readDoubleBE(4)]);
    else process.stdout.write(JSON.stringify(got) + '\\n', () => process.exit());
  });
  socket.bind(${PORT}, () => { socket.setRecvBufferSize(4 << 20); console.log('bound'); });`;

/** Sends numbered datagrams, a hundred a millisecond at most, then the last number until nobody listens any more. */
const sender = (count: number, size: number, gap: number) => `
  const socket = require('dgram').createSocket('udp4');
  const message = Buffer.alloc(${size});
  const send = number => new Promise(done => {
    message.writeUInt32BE(number);
    message.writeDoubleBE(${NOW}, 4);
    socket.send(message, ${PORT}, '${RIGHT}', done);
  });
  (async () => {
    for (let number = 0; number < ${count}; number++) {
      await send(number);
      if (number % ${gap} === ${gap} - 1) await new Promise(done => setTimeout(done, 1));
    }
    for (;;) {
      await new Promise(done => setTimeout(done, 100));
      await send(0xffffffff);
    }
  })();`;

type Arrival = [number: number, at: number, sentAt: number];

/** Sends from left to right and returns what arrived, in order. */
async function flow(lab: Lab, options: { count: number; size?: number; gap?: number }): Promise<Arrival[]> {
  const { count, size = 100, gap = 10 } = options;
  const receiver = lab.host('right').spawn([process.execPath, '-e', RECEIVER], { name: 'receiver' });
  await receiver.line(/bound/);
  // While a host looks for the other's address it keeps few datagrams.
  await lab.host('left').run(['sh', '-c', `until ping -c 1 -W 1 ${RIGHT}; do :; done`]);
  const sending = lab
    .host('left')
    .spawn([process.execPath, '-e', sender(count, size, gap)], { name: 'sender' });
  const line = await receiver.line(/^\[/, 120_000);
  await sending.kill();
  return JSON.parse(line) as Arrival[];
}

/** Round trips of echo requests, milliseconds, in ascending order. */
async function roundTrips(host: Host, count: number): Promise<number[]> {
  const output = await host.run(['ping', '-c', `${count}`, '-i', '0.005', '-W', '2', RIGHT]);
  return [...output.matchAll(/time=([\d.]+) ms/g)].map(match => Number(match[1])).sort((a, b) => a - b);
}

const numbers = (arrivals: readonly Arrival[]) => arrivals.map(([number]) => number);

test('a delay is kept in both directions, and can be changed', () =>
  withLab(plan({ delayMs: 6.6 }), async lab => {
    const [left, link] = [lab.host('left'), lab.host('right').link('wire')];
    const times = await roundTrips(left, 100);
    assert.is(times.length, 100);
    // Each way, a line may be a quarter of a millisecond early.
    assert.ok((times[0] ?? 0) >= 12.7, `the shortest round trip is ${times[0]} ms`);
    const { in: inwards, out } = link.counters;
    figures(
      `line of 13.2 ms both ways: round trip ${times[0]} ms at least, ${times[50]} ms in the middle, ` +
        `${times[99]} ms at most; ${inwards.late + out.late} of ${inwards.delivered + out.delivered} frames ` +
        'more than 1 ms late',
    );
    link.shape({ delayMs: 20 }, 'in');
    assert.ok(((await roundTrips(left, 5))[0] ?? 0) >= 26.1);
    link.shape({ delayMs: 0 });
    assert.ok(((await roundTrips(left, 20))[0] ?? 0) < 12.7);
  }));

test('jitter does not change the order', () =>
  withLab(plan({ delayMs: 1, jitterMs: 10 }), async lab => {
    const arrived = numbers(await flow(lab, { count: 2000 }));
    assert.equal(
      arrived,
      Array.from({ length: 2000 }, (_, index) => index),
    );
  }));

test('a loss takes the share that it should, and the same datagrams with the same seed', async () => {
  const lossy = (seed: number) => {
    let arrived: number[] = [];
    // Towards the host only: what the host itself sends does not count among the frames of this lane.
    return withLab(plan({ seed, in: { loss: 0.2 } }), async lab => {
      arrived = numbers(await flow(lab, { count: 3000 }));
      assert.ok(lab.host('right').link('wire').counters.in.lost >= 3000 - arrived.length);
    }).then(() => arrived);
  };
  const [first, again, other] = [await lossy(7), await lossy(7), await lossy(8)];
  assert.equal(again, first);
  assert.not.equal(other, first);
  // Six standard deviations of the binomial distribution: 3000 * 0.2 = 600, and sqrt(3000 * 0.2 * 0.8) = 22.
  const lost = 3000 - first.length;
  assert.ok(Math.abs(lost - 600) < 132, `${lost} lost`);
});

test('a rate is not exceeded, and what its queue cannot hold is dropped', () =>
  withLab(plan({ rateMbits: 10, queueMs: 100 }), async lab => {
    const link = lab.host('right').link('wire');
    // 1000 bytes, 28 of IP and UDP, 14 of Ethernet: 1200 of them a second.
    const arrived = await flow(lab, { count: 1500, size: 1000, gap: 4 });
    // From when the first left, as a receiver that is late says nothing of the line.
    const [[, , sentAt], [, at]] = [arrived[0], arrived.at(-1)] as [Arrival, Arrival];
    const mbits = (arrived.length * 1042 * 8) / (at - sentAt) / 1e3;
    figures(`line of 10 Mbit/s: ${mbits.toFixed(2)} Mbit/s, ${1500 - arrived.length} of 1500 dropped`);
    assert.ok(mbits < 10.5, `${mbits} Mbit/s`);
    const dropped = 1500 - arrived.length;
    assert.ok(dropped > 0);
    // A host's own multicast may be among them.
    assert.ok(link.counters.in.overflowed >= dropped, `${link.counters.in.overflowed} of ${dropped} counted`);
  }));

test('a black hole is one for each direction; a cut line has no carrier', () =>
  withLab(plan({ delayMs: 1 }), async lab => {
    const [left, right] = [lab.host('left'), lab.host('right')];
    const link = right.link('wire');
    const reaches = async () => (await left.try(['ping', '-c', '1', '-W', '1', RIGHT])).status === 0;
    assert.ok(await reaches());
    await link.drop({ direction: 'in' });
    assert.not.ok(await reaches());
    const { in: before, out } = link.counters;
    assert.ok(before.lost > 0);
    assert.is(out.lost, 0);
    await link.drop({ direction: 'out' });
    assert.not.ok(await reaches());
    assert.is(link.counters.in.lost, before.lost);
    assert.ok(link.counters.out.lost > 0);
    await link.restore();
    assert.ok(await reaches());
    await link.down();
    // The kernel tells of a carrier when it has time.
    const isCut = async () => (await right.run(['ip', 'link', 'show', 'wire'])).includes('NO-CARRIER');
    await until('the carrier is gone', 30_000, async () => (await isCut()) || undefined);
    assert.not.ok(await reaches());
    await link.up();
    await until('the line works again', 30_000, async () => (await reaches()) || undefined);
  }));

test('a line carries what TCP can send', () =>
  withLab(plan({ delayMs: 1 }), async lab => {
    const program = (script: string) => [process.execPath, '-e', script];
    const server = lab.host('right').spawn(
      program(`
        const server = require('net').createServer(socket => {
          let bytes = 0, started = performance.now();
          socket.on('data', chunk => { bytes += chunk.length; });
          socket.on('end', () => {
            console.log(JSON.stringify({ bytes, ms: performance.now() - started }));
            process.exit();
          });
        }).listen(${PORT}, () => console.log('listens'));`),
    );
    await server.line(/listens/);
    const bytes = 200e6;
    await lab.host('left').run(
      program(`
        const socket = require('net').connect(${PORT}, '${RIGHT}');
        const block = Buffer.alloc(1e6);
        let sent = 0;
        const more = () => {
          while (sent < ${bytes}) {
            sent += block.length;
            if (!socket.write(block)) return socket.once('drain', more);
          }
          socket.end();
        };
        more();`),
    );
    const got = JSON.parse(await server.line(/^\{/, 120_000)) as { bytes: number; ms: number };
    assert.is(got.bytes, bytes);
    const { late, delivered } = lab.host('right').link('wire').counters.in;
    figures(
      `line without a rate, 2 ms both ways: one TCP stream at ${((bytes * 8) / got.ms / 1e3).toFixed(0)} Mbit/s, ` +
        `${late} of ${delivered} frames more than 1 ms late`,
    );
  }));

test.run();
