/** What one does every day with a connection: looking at it, and reading what happened. */
import * as assert from 'uvu/assert';
import { findProgram } from '../../src/lab/command.js';
import { PROGRAM, systemTests, withCity } from './support.js';

const test = systemTests();
const LIVE = ['status', 'work', '--watch', '--interval', '100ms'];

test('a connection is watched on a terminal and on a pipe, and its events are followed', () =>
  withCity({}, async city => {
    await city.startRelay();
    const connection = city.connect();
    const { address } = await connection.event('connected');

    const logs = city.client.spawn([...PROGRAM, 'logs', 'work', '--follow', '--json'], { name: 'logs' });
    await logs.line(/"event":"connected"/);
    const lines = city.client.spawn([...PROGRAM, ...LIVE], { name: 'watch' });
    await lines.line(/ {2}work: connected through tokyo, \d+\.\d\d ms, 0 % lost, sent .*bit\/s/);
    const objects = city.client.spawn([...PROGRAM, ...LIVE, '--json'], { name: 'watch-json' });
    const [seen] = JSON.parse(await objects.line(/sentBitsPerSecond":\d/)).running;
    assert.is(seen.address, address);
    for (const process of [lines, objects]) assert.is((await process.stop('SIGINT')).status, 0);

    assert.is((await city.vpnr('switch', 'osaka', '--name', 'work')).status, 0);
    await logs.line(/"role":"client","event":"switched","gateway":"osaka"/);
    const { stdout: last } = await city.vpnr('logs', 'work', '--lines', '5');
    assert.match(
      last,
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} {2}switched from tokyo to osaka .* operator wished$/m,
    );

    assert.is((await connection.stop()).status, 0);
    assert.is((await logs.ended()).status, 0);
    assert.ok(logs.lines.at(-1)?.includes('"event":"disconnected"'), logs.lines.at(-1));
    const none = await city.vpnr('logs', 'work');
    assert.is(none.status, 4);
    assert.match(none.stderr, /^error NOT_RUNNING: work is not running\n$/);
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
