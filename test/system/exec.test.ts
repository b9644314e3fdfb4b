// vpnr exec: one program whose only way out is the tunnel.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { GATEWAYS, SERVER_ADDRESS, until } from '../../src/lab/index.js';
import { PROGRAM, systemTests, withCity } from './support.js';

const test = systemTests();
const ELSEWHERE = GATEWAYS.osaka.router;
/** Behind the tunnel, and not there. */
const NAME_SERVER = '10.20.0.53';
const ping = (address: string) => ['ping', '-c', '1', '-W', '2', address];

test('a program reaches what is behind the tunnel, and nothing else', () =>
  withCity({}, async city => {
    await city.startRelay();
    const configuration = city.clientConfiguration();
    // The system's own routes do not lead there.
    configuration.tunnel.routes = [];
    const connection = city.connect(configuration);
    const { address } = await connection.event('connected');
    const state = async () => [
      await city.client.run(['nft', 'list', 'ruleset']),
      await city.client.network(),
    ];
    const before = await state();
    const exec = (...command: string[]) => city.vpnr('exec', '--name', 'work', '--', ...command);

    const reached = await exec(...ping(SERVER_ADDRESS));
    assert.is(reached.status, 0, reached.stdout + reached.stderr);
    assert.is.not((await city.client.try(ping(SERVER_ADDRESS))).status, 0);
    const others = [ELSEWHERE, '192.0.2.1', '192.0.2.2', address];
    const tries = others.map(other => `ping -c 1 -W 1 ${other} && echo reached ${other}`).join('; ');
    const { stdout } = await exec('sh', '-c', `${tries}; ip -br address; exit 7`);
    assert.not.match(stdout, 'reached');
    assert.not.match(stdout, 'vpnr0');
    assert.is((await exec('sh', '-c', 'exit 7')).status, 7);
    assert.is((await exec('sh', '-c', 'kill -TERM $$')).status, 143);
    const asUser = await city.client.try([
      ...['env', 'SUDO_UID=65534', 'SUDO_GID=65534'],
      ...PROGRAM,
      ...['exec', '--name', 'work', '--', 'id', '-u'],
    ]);
    assert.is(asUser.stdout, '65534\n', asUser.stderr);
    assert.equal(await state(), before);

    const joined = async () => (await city.client.run(['ip', 'rule'])).includes('vpnrx');
    const running = city.client.spawn([...PROGRAM, 'exec', '--name', 'work', '--', ...['sleep', '60']]);
    await until('it runs', 30_000, async () => (await joined()) || undefined);
    assert.is((await running.stop('SIGTERM')).status, 143);
    assert.equal(await state(), before);

    const killed = city.client.spawn([...PROGRAM, 'exec', '--name', 'work', '--', 'sleep', '5']);
    await until('it runs', 30_000, async () => (await joined()) || undefined);
    await killed.kill();
    assert.is((await exec('true')).status, 0, 'which cleans up first');
    assert.equal(await state(), before);
  }));

test('names are asked for in the tunnel only, IPv6 leads nowhere, and nothing does once the connection ends', () =>
  withCity({}, async city => {
    await city.startRelay();
    const connection = city.connect(city.clientConfiguration());
    await connection.event('connected');
    const etc = join(city.client.folder, 'etc');
    mkdirSync(etc);
    writeFileSync(
      join(etc, 'resolv.conf'),
      `nameserver 127.0.0.53\nnameserver ${NAME_SERVER}\noptions timeout:1\n`,
    );
    writeFileSync(join(etc, 'nsswitch.conf'), 'hosts: dns\n');
    const count = `
      table inet test {
        chain past {
          type filter hook postrouting priority 0;
          oifname "vpnr0" udp dport 53 counter comment "in"
          oifname != "vpnr0" udp dport 53 counter comment "beside"
          oifname != "vpnr0" ip daddr { ${SERVER_ADDRESS}, ${ELSEWHERE} } icmp type echo-request counter comment "pings"
        }
      }`;
    writeFileSync(join(city.client.folder, 'count.nft'), count);
    await city.client.run(['nft', '-f', join(city.client.folder, 'count.nft')]);
    const counted = async (name: string) => {
      const rules = await city.client.run(['nft', 'list', 'chain', 'inet', 'test', 'past']);
      return Number(new RegExp(`packets (\\d+) .*comment "${name}"`).exec(rules)?.[1]);
    };

    const flag = join(city.client.folder, 'over');
    const script = `
      cat /etc/resolv.conf; getent hosts nowhere.example
      outside=$(ip -6 route show default); echo "ipv6 [$outside]"
      ping -6 -c 1 -W 1 ff02::2%eth0 > /dev/null && echo reached by IPv6
      echo ready
      until [ -e ${flag} ]; do sleep 0.1; done
      for address in ${SERVER_ADDRESS} ${ELSEWHERE}; do ping -c 1 -W 1 $address > /dev/null && echo reached $address; done
      echo tried; exit 5`;
    const enter = ['sh', '-c', 'mount --bind "$0" /etc; exec "$@"', etc];
    const program = city.client.spawn([
      ...['unshare', '--mount', '--', ...enter, ...PROGRAM],
      ...['exec', '--name', 'work', '--', 'sh', '-c', script],
    ]);
    await program.line(/^ready$/);
    assert.equal(program.lines, [`nameserver ${NAME_SERVER}`, 'ipv6 []', 'ready']);
    assert.ok((await counted('in')) > 0, 'a name was asked for');
    assert.is(await counted('beside'), 0);
    assert.is((await connection.stop()).status, 0);
    writeFileSync(flag, '');
    assert.is((await program.ended()).status, 5);
    assert.equal(program.lines.slice(3), ['tried']);
    assert.is(await counted('pings'), 0);
    const left = await city.client.run(['nft', 'list', 'tables']);
    assert.is(left, 'table inet test\n');
    assert.not.match(await city.client.run(['ip', '-br', 'link']), 'vpnr');
  }));

test.run();
