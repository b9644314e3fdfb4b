// Name servers: those that the gateway assigns are asked while it carries the traffic, and those of before afterwards.
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { City, Connection, GATEWAYS, until } from '../../src/lab/index.js';
import { PROGRAM, reporting, systemTests } from './support.js';

const test = systemTests();
/** Which DHCP, say, has put into the tunnel's network. */
const FALSE_SERVER = '10.20.0.77';
const BEFORE = `nameserver 192.0.2.53\nnameserver ${FALSE_SERVER}\noptions timeout:1\n`;
const SETTINGS = {
  tokyo: { dns: { servers: ['10.20.0.53'], search: ['corp.example.com'] } },
  osaka: { dns: { servers: ['10.20.0.54', '2001:db8::54'], search: [] } },
};

test('the system asks the name servers of the gateway in use, and those of before afterwards', async () => {
  const city = await City.createOwn({ program: PROGRAM, networks: ['10.20.0.0/16'], settings: SETTINGS });
  await reporting(city.lab, async () => {
    // The client's own /etc, in which it may do as it likes.
    const etc = join(city.client.folder, 'etc');
    const file = join(etc, 'resolv.conf');
    const text = () => readFileSync(file, 'utf8');
    mkdirSync(etc);
    writeFileSync(file, BEFORE);
    writeFileSync(join(etc, 'hosts'), `${GATEWAYS.tokyo.outer} tokyo.example.net\n127.0.0.1 localhost\n`);
    writeFileSync(join(etc, 'nsswitch.conf'), 'hosts: files dns\n');
    const { relay: _, ...configuration } = city.clientConfiguration();
    configuration.gateways[0].address = 'tokyo.example.net';
    configuration.tunnel.routes = ['10.20.0.0/16'];
    configuration.failover.mode = 'standby';
    const connect = (mounts = 'mount --bind "$0" /etc', path = '') => {
      const enter = `${mounts}; export PATH="${path}$PATH"; exec "$@"`;
      const program = ['sh', '-c', enter, etc, ...PROGRAM];
      return new Connection(
        city.client,
        program,
        city.write(city.client, 'client.yaml', configuration),
        'work',
      );
    };
    const written = (pattern: RegExp) =>
      until(`resolv.conf has ${pattern}`, 30_000, () => pattern.test(text()) || undefined);
    const { ino } = statSync(file);

    const first = connect();
    await first.event('connected');
    assert.match(
      text(),
      /^# vpnr .*\nsearch corp\.example\.com\nnameserver 10\.20\.0\.53\noptions timeout:1\n$/,
    );
    const wayTo = (address: string) => city.client.run(['ip', 'route', 'get', address]);
    assert.not.match(await wayTo('192.0.2.53'), /dev vpnr0/);
    assert.match(
      await wayTo(FALSE_SERVER),
      /dev vpnr0/,
      'no name server takes the traffic of a host outside',
    );
    await first.event('tunnel-up', { gateway: 'osaka' });
    await city.gateways.tokyo.kill();
    await first.event('switched', { gateway: 'osaka' });
    await written(/^# vpnr .*\nnameserver 10\.20\.0\.54\nnameserver 2001:db8::54\noptions timeout:1\n$/);
    await first.process.kill();
    assert.match(text(), '10.20.0.54');
    const enter = ['sh', '-c', 'mount --bind "$0" /etc; exec "$@"', etc];
    assert.match(
      await city.client.run([...enter, ...PROGRAM, 'disconnect', '--left-over']),
      /^work: .*put back$/m,
    );
    assert.is(text(), BEFORE);
    await city.gateways.tokyo.start();
    const second = connect();
    await second.event('connected');
    assert.match(text(), '10.20.0.53');
    assert.is((await second.stop()).status, 0);
    assert.is(text(), BEFORE);
    assert.is(statSync(file).ino, ino, 'the very file of before');

    // In a container the file is a mount of its own; and somebody else writes to it meanwhile.
    const third = connect('mount --bind "$0" /etc; mount --bind "$0"/resolv.conf /etc/resolv.conf');
    await third.event('connected');
    assert.match(text(), '10.20.0.53');
    writeFileSync(file, 'nameserver 192.0.2.54\n');
    assert.is((await third.stop()).status, 0);
    assert.is(text(), 'nameserver 192.0.2.54\n');
    assert.equal(await city.client.run(['ls', etc]), 'hosts\nnsswitch.conf\nresolv.conf\n');

    // systemd-resolved, of which there is only the program that tells it things. It forgets a device that is gone.
    writeFileSync(file, 'nameserver 127.0.0.53\n');
    const told = join(etc, 'told');
    writeFileSync(join(etc, 'resolvectl'), `#!/bin/sh\necho "$*" >> ${told}\n`);
    chmodSync(join(etc, 'resolvectl'), 0o755);
    const fourth = connect(undefined, `${etc}:`);
    await fourth.event('connected');
    await city.client.run(['ping', '-c', '1', '-W', '5', GATEWAYS.tokyo.inner]);
    assert.is((await fourth.stop()).status, 0);
    assert.equal(readFileSync(told, 'utf8').split('\n'), [
      'default-route vpnr0 no',
      'domain vpnr0 corp.example.com',
      'dns vpnr0 10.20.0.53',
      '',
    ]);
    assert.is(text(), 'nameserver 127.0.0.53\n');
  });
});

test.run();
