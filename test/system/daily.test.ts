/** What one does every day with a connection: looking at it, and reading what happened. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { GATEWAYS, SERVER_ADDRESS } from '../../src/lab/city.js';
import { findProgram } from '../../src/lab/command.js';
import { Connection, until } from '../../src/lab/index.js';
import { NotifyListener } from '../support/notify.js';
import { assertConfined, PROGRAM, systemTests, withCity } from './support.js';

const test = systemTests();
const LIVE = ['status', 'work', '--watch', '--interval', '100ms'];

test('a connection is watched on a terminal and on a pipe, and its events are followed', () =>
  withCity({}, async city => {
    await city.startRelay();
    const notified = new NotifyListener(join(city.client.folder, 'notify'));
    Object.assign(process.env, {
      NOTIFY_SOCKET: join(city.client.folder, 'notify'),
      WATCHDOG_USEC: '100000',
    });
    const connection = city.connect({ ...city.clientConfiguration(), metrics: '127.0.0.1' });
    delete process.env.NOTIFY_SOCKET;
    delete process.env.WATCHDOG_USEC;
    const { address } = await connection.event('connected');
    const told: string[] = [];
    await until('systemd hears of it', 30_000, () => {
      told.push(...notified.take());
      const ready = told.findIndex(text => text.startsWith('READY=1\nSTATUS='));
      return (ready >= 0 && told.includes('WATCHDOG=1', ready)) || undefined;
    });

    const logs = city.client.spawn([...PROGRAM, 'logs', 'work', '--follow', '--json'], { name: 'logs' });
    await logs.line(/"event":"connected"/);
    const lines = city.client.spawn([...PROGRAM, ...LIVE], { name: 'watch' });
    await lines.line(/ {2}work: connected through tokyo, \d+\.\d\d ms, \d+ % lost, sent .*bit\/s/);
    const objects = city.client.spawn([...PROGRAM, ...LIVE, '--json'], { name: 'watch-json' });
    const [seen] = JSON.parse(await objects.line(/sentBitsPerSecond":\d/)).running;
    assert.is(seen.address, address);
    for (const process of [lines, objects]) assert.is((await process.stop('SIGINT')).status, 0);

    const ask =
      "fetch('http://127.0.0.1:9108/metrics').then(async answer => console.log(await answer.text()))";
    const metrics = await city.client.run([process.execPath, '-e', ask]);
    for (const line of [
      /^vpnr_connected 1$/m,
      /^vpnr_gateway_up\{gateway="tokyo"\} 1$/m,
      /^vpnr_sent_bytes_total \d+$/m,
    ])
      assert.match(metrics, line);

    assert.is((await city.vpnr('switch', 'osaka', '--name', 'work')).status, 0);
    await logs.line(/"role":"client","event":"switched","gateway":"osaka"/);
    const { stdout: last } = await city.vpnr('logs', 'work', '--lines', '5');
    assert.match(
      last,
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} {2}switched from tokyo to osaka .* operator wished$/m,
    );

    const refused = await city.vpnr('reload', 'work');
    assert.match(refused.stderr, /^error USAGE: a connection reads its configuration when it starts\n/);
    assert.is(refused.status, 2);

    // The queue holds ten: it is emptied all the time.
    const ending = connection.stop();
    await until(
      'systemd hears of the end',
      30_000,
      () => notified.take().some(text => /^STOPPING=1$/m.test(text)) || undefined,
    );
    assert.is((await ending).status, 0);
    assert.is((await logs.ended()).status, 0);
    notified.close();
    assert.ok(logs.lines.at(-1)?.includes('"event":"disconnected"'), logs.lines.at(-1));
    const none = await city.vpnr('logs', 'work');
    assert.is(none.status, 4);
    assert.match(none.stderr, /^error NOT_RUNNING: work is not running\n {2}see what is: vpnr status\n$/);
  }));

test('a connection goes on in the background, another one beside it', () =>
  withCity({}, async city => {
    await city.startRelay();
    const configuration = city.clientConfiguration();
    configuration.gateways.pop();
    const file = city.write(city.client, 'client.yaml', configuration);
    const detached = (...args: string[]) => city.vpnr('connect', '-c', file, '--detach', ...args);
    const first = await detached();
    assert.is(first.status, 0, first.stderr);
    assert.match(
      first.stdout,
      /connected through tokyo[\s\S]*\nwork goes on in the background \(process \d+\)/,
    );
    assert.is((await city.client.try(['ping', '-c', '1', '-W', '5', SERVER_ADDRESS])).status, 0);
    assertConfined('client', Number(/\(process (\d+)\)/.exec(first.stdout)?.[1]));

    const refused = async (said: RegExp, status: number, ...args: string[]) => {
      const { stderr, status: actual } = await detached(...args);
      assert.match(stderr, said);
      assert.is(actual, status);
    };
    await refused(/^error ALREADY_RUNNING: "work" is running already \(process \d+\)\n/, 4);
    await refused(
      /^error ALREADY_RUNNING: "work" uses the gateway tokyo .* as client1 /,
      4,
      '--name',
      'second',
    );
    const second = city.clientConfiguration();
    second.name = 'second';
    delete second.relay;
    second.gateways.shift();
    city.write(city.client, 'client.yaml', second);
    await refused(/^error DEVICE_BUSY: the network device vpnr0 exists/, 4);
    second.tunnel.device = 'vpnr1';
    city.write(city.client, 'client.yaml', second);
    await refused(/^error ROUTE_EXISTS: .*10\.30\.0\.0\/16/, 4);
    const keyFile = join(city.client.folder, 'osaka.psk');
    const key = readFileSync(keyFile);
    second.tunnel.routes = ['10.20.0.12/32'];
    writeFileSync(keyFile, 'wrong\n');
    city.write(city.client, 'client.yaml', second);
    await refused(/^error AUTHENTICATION_FAILED: .*osaka/, 6);
    const { stdout: kept } = await city.vpnr('logs', 'second', '--json');
    assert.match(kept, /"event":"error","code":"ROUTE_EXISTS"[\s\S]*"code":"AUTHENTICATION_FAILED"/);

    writeFileSync(keyFile, key);
    const beside = await detached('--json');
    assert.is(beside.status, 0, beside.stderr);
    assert.is(JSON.parse(beside.stdout.trimEnd().split('\n').at(-1) ?? '').event, 'connected');
    for (const address of [SERVER_ADDRESS, '10.20.0.12'])
      assert.is((await city.client.try(['ping', '-c', '1', '-W', '5', address])).status, 0, address);

    for (const name of ['second', 'work']) assert.is((await city.vpnr('disconnect', name)).status, 0);
    const { stdout: log } = await city.vpnr('logs', 'work', '-n', '1');
    assert.match(log, /disconnected, everything is put back\n$/);
  }));

test('two connections have a relay at the same address, each by its own gateway', () =>
  withCity({}, async city => {
    await city.startRelay();
    const before = await city.client.network();
    const connect = (name: string, device: string, gateway: number, network: string) => {
      const configuration = city.clientConfiguration();
      configuration.name = name;
      configuration.gateways = [configuration.gateways[gateway]];
      configuration.tunnel = { device, routes: [network] };
      return new Connection(
        city.client,
        PROGRAM,
        city.write(city.client, `${name}.yaml`, configuration),
        name,
      );
    };
    const work = connect('work', 'vpnr0', 0, '10.30.0.0/16');
    const first = await work.event('connected');
    const lab = connect('lab', 'vpnr1', 1, '10.20.0.0/24');
    const second = await lab.event('connected');
    assert.not.equal(first.address, second.address);
    const reaches = async (address: string) =>
      assert.is((await city.client.try(['ping', '-c', '1', '-W', '2', address])).status, 0, address);
    for (const address of [SERVER_ADDRESS, GATEWAYS.osaka.inner]) await reaches(address);
    // Each goes on when the other has ended, also without warning.
    await work.process.kill();
    await reaches(GATEWAYS.osaka.inner);
    assert.is((await city.vpnr('disconnect', '--left-over')).status, 0);
    const third = connect('work', 'vpnr0', 0, '10.30.0.0/16');
    await third.event('connected');
    await reaches(SERVER_ADDRESS);
    for (const connection of [lab, third]) assert.is((await connection.stop()).status, 0);
    assert.equal(await city.client.network(), before);
  }));

test(
  'the terminal is given back as it was',
  () =>
    withCity({}, async city => {
      await city.startRelay();
      const connection = city.connect();
      await connection.event('connected');
      // A terminal of its own, as wide and high as the oldest.
      const command = `stty cols 80 rows 24; exec ${[...PROGRAM, ...LIVE].join(' ')}`;
      const screen = city.client.spawn(['script', '-qec', command, '/dev/null'], { name: 'screen' });
      await screen.line(/osaka +standby/);
      await city.client.run(['sh', '-c', `kill -INT $(cat /proc/${screen.pid}/task/*/children)`]);
      const { status, stdout } = await screen.ended();
      assert.is(status, 0, stdout);
      assert.ok(stdout.startsWith('\x1b[?1049h\x1b[?25l'), 'an alternate screen, without cursor');
      assert.ok(stdout.endsWith('\x1b[?25h\x1b[?1049l'), 'cursor and screen are back');
    }),
  findProgram('script') === undefined ? 'there is no script (util-linux)' : undefined,
);

test.run();
