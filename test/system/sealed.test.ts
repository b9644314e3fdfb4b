import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type City, labObstacle, SERVER_ADDRESS, Transfer, until } from '../../src/lab/index.js';
import { figures, systemTests, withCity } from './support.js';

const test = systemTests();
/** 16 bytes, which ping repeats. */
const MARKER = Buffer.from('plain as can be.');
/** The largest packet of the mode on Ethernet, less the headers of IPv4 and ICMP. */
const LARGEST_PING = 1340 - 28;
const BYTES = 60_000_000;
const TRANSFER_MS = 60_000;

function ping(city: City, ...options: string[]): Promise<string> {
  const pattern = ['-p', MARKER.toString('hex')];
  return city.client.run([
    'ping',
    '-n',
    '-c',
    '5',
    '-i',
    '0.2',
    '-w',
    '15',
    ...pattern,
    ...options,
    SERVER_ADDRESS,
  ]);
}

/** What passes the relay's link to the gateways while `body` runs, at least so many bytes, as tcpdump writes it down. */
async function captured(
  city: City,
  name: string,
  bytes: number,
  body: () => Promise<unknown>,
): Promise<Buffer> {
  const { relay } = city;
  const file = join(relay.folder, `${name}.pcap`);
  const tcpdump = relay.spawn([
    'tcpdump',
    '-n',
    '--immediate-mode',
    '-U',
    '-Z',
    'root',
    '-i',
    relay.link('inner').name,
    '-w',
    file,
  ]);
  await tcpdump.line(/listening on/);
  await body();
  // It may be late.
  await until('the packets are written down', TRANSFER_MS, () => statSync(file).size > bytes || undefined);
  assert.is((await tcpdump.stop()).status, 0);
  return readFileSync(file);
}

test(
  'behind the gateways nothing of the content is seen',
  () =>
    withCity({}, async city => {
      await city.startRelay();
      const found: Record<string, boolean> = {};
      for (const mode of ['clear', 'sealed']) {
        const configuration = city.clientConfiguration();
        configuration.relay.mode = mode;
        const connection = city.connect(configuration);
        await connection.event('connected');
        assert.is((await connection.status()).relay?.mode, mode);
        // Both directions of five pings.
        const capture = await captured(city, mode, 10 * 1200, () => ping(city, '-s', '1200'));
        found[mode] = capture.includes(MARKER);
        assert.is((await connection.stop()).status, 0);
      }
      assert.equal(found, { clear: true, sealed: false });
    }),
  labObstacle(['tcpdump']),
);

test('in sealed mode the largest packets pass both ways, and those that must be cut', () =>
  withCity({}, async city => {
    await city.startRelay();
    const configuration = city.clientConfiguration();
    configuration.relay.mode = 'sealed';
    const connection = city.connect(configuration);
    assert.is((await connection.event('connected')).mtu, LARGEST_PING + 28);
    await ping(city, '-M', 'do', '-s', String(LARGEST_PING));
    await ping(city, '-s', '4000');
    const tooLarge = city.client.try([
      'ping',
      '-n',
      '-c',
      '1',
      '-w',
      '1',
      '-M',
      'do',
      '-s',
      String(LARGEST_PING + 1),
      SERVER_ADDRESS,
    ]);
    assert.is.not((await tooLarge).status, 0);
    assert.is((await connection.stop()).status, 0);
  }));

test('a sealed transfer survives that the relay is killed and started again', () =>
  withCity({}, async city => {
    const relay = await city.startRelay();
    const configuration = city.clientConfiguration();
    configuration.relay.mode = 'sealed';
    const connection = city.connect(configuration);
    const { address } = await connection.event('connected');
    const { client, server } = city;
    const transfer = await Transfer.start({
      client,
      server,
      address: SERVER_ADDRESS,
      bytes: BYTES,
      untilTold: true,
    });
    await transfer.reached(BYTES / 3, TRANSFER_MS);
    await relay.kill();
    await city.startRelay();
    transfer.finish();
    const { up, down } = await transfer.result(TRANSFER_MS);
    assert.ok(up.bytes >= BYTES && down.bytes >= BYTES);
    const pause = Math.max(up.longestPauseMs, down.longestPauseMs).toFixed(0);
    figures(`sealed, relay killed: TCP paused ${pause} ms, content intact`);
    assert.is((await connection.status()).address, address);
    assert.is((await connection.stop()).status, 0);
  }));

test.run();
