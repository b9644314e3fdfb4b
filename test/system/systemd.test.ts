// A real systemd runs the units that `vpnr service install` writes, and a real systemd-resolved is told of name servers.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { parse, stringify } from 'yaml';
import type { Configuration } from '../../src/lab/city.js';
import { type Host, SERVER_ADDRESS, until } from '../../src/lab/index.js';
import { MACHINE_PROGRAM, type Machine, machineObstacle, resolvedObstacle } from './machine.js';
import { configure, property, reachesServer, verifyUnit, withMachines } from './machines.js';
import { CAPABILITIES, figures, systemTests } from './support.js';

const test = systemTests();
const NAME_SERVER = fileURLToPath(new URL('./name-server.js', import.meta.url));
const RESTART_MS = 20_000;

/** Puts a configuration, with the secrets that stand beside it, to /etc/vpnr and has it installed as a service. */
async function install(machine: Machine, role: string, configuration: Configuration): Promise<void> {
  const file = configure(machine, role, configuration);
  await machine.run([...MACHINE_PROGRAM, 'service', 'install', '--role', role, '-c', file]);
}

/** A short watchdog: nobody waits half a minute here. */
async function shortenWatchdog(machine: Machine, unit: string): Promise<void> {
  const folder = machine.path(`/etc/systemd/system/${unit}.service.d`);
  mkdirSync(folder);
  writeFileSync(join(folder, 'watchdog.conf'), '[Service]\nWatchdogSec=2s\nRestartSec=100ms\n');
  await machine.run(['systemctl', 'daemon-reload']);
}

/** Has the gateway's list of clients read anew: longer, wrong, and as it was. */
async function changeClients(machine: Machine): Promise<void> {
  const unit = 'vpnr-gateway';
  const file = machine.path('/etc/vpnr/gateway.yaml');
  const before = { text: readFileSync(file, 'utf8'), pid: await property(machine, unit, 'MainPID') };
  const says = (what: RegExp) =>
    until(`the journal says ${what}`, RESTART_MS, async () => {
      const journal = await machine.run(['journalctl', '-t', unit, '-o', 'cat']);
      return what.test(journal) || undefined;
    });
  const more = parse(before.text) as Configuration;
  more.clients.push({ identity: 'client2', psk: { file: 'client1.psk' } });
  writeFileSync(file, stringify(more));
  await machine.run(['systemctl', 'reload', unit]);
  await says(/^the list of clients was read anew; new: client2$/m);
  writeFileSync(file, 'clients: [');
  assert.is((await machine.try(['systemctl', 'reload', unit])).status, 1);
  writeFileSync(file, stringify({ ...more, pool: 'none' }));
  await machine.run(['systemctl', 'kill', '--signal=HUP', unit]);
  await says(/^the configuration is not read anew, nothing has changed: CONFIG_INVALID: /m);
  writeFileSync(file, before.text);
  await machine.run(['systemctl', 'kill', '--signal=HUP', unit]);
  await says(/^the list of clients was read anew; gone: client2$/m);
  assert.is(await property(machine, unit, 'MainPID'), before.pid);
}

/** Stops the main process as a hang would, and waits until systemd has started another one. */
async function hang(machine: Machine, unit: string): Promise<void> {
  const before = await property(machine, unit, 'MainPID');
  await machine.run(['kill', '-STOP', before]);
  await until(`${unit} is started again`, RESTART_MS, async () => {
    const [restarts, state] = [
      await property(machine, unit, 'NRestarts'),
      await property(machine, unit, 'ActiveState'),
    ];
    return (restarts === '1' && state === 'active') || undefined;
  });
  assert.is.not(await property(machine, unit, 'MainPID'), before);
}

test(
  'systemd starts connection, relay and gateway, confines, watches and stops them',
  () =>
    withMachines(
      {},
      city => [city.client, city.gateways.tokyo.host, city.relay],
      async (city, [client, tokyo, relay]) => {
        assert.ok(client && tokyo && relay);
        const before = {
          network: await city.client.network(),
          rules: await city.client.run(['nft', 'list', 'ruleset']),
        };
        await city.gateways.tokyo.stop();
        const gatewayFile = join(tokyo.host.folder, 'gateway.yaml');
        const configuration = city.clientConfiguration();
        configuration.tunnel.kill_switch = true;
        await Promise.all([
          install(tokyo, 'gateway', parse(readFileSync(gatewayFile, 'utf8'))),
          install(relay, 'relay', city.relayConfiguration()),
          install(client, 'connect', configuration),
        ]);
        await shortenWatchdog(client, 'vpnr-work');
        await tokyo.run(['systemctl', 'start', 'vpnr-gateway']);
        await relay.run(['systemctl', 'start', 'vpnr-relay']);
        await client.run(['systemctl', 'start', 'vpnr-work']);
        await reachesServer(city);
        assert.match(
          await property(client, 'vpnr-work', 'StatusText'),
          /^(connected through|tunnel to|connecting to) /,
        );

        for (const [machine, unit, role] of [
          [client, 'vpnr-work', 'client'],
          [tokyo, 'vpnr-gateway', 'gateway'],
          [relay, 'vpnr-relay', 'relay'],
        ] as const) {
          const pid = await property(machine, unit, 'MainPID');
          const status = await machine.run(['sh', '-c', `cat /proc/${pid}/task/*/status`]);
          const threads = (name: string) => [
            ...new Set(
              [...status.matchAll(new RegExp(`^${name}:\\s+(\\S+)`, 'gm'))].map(([, value]) => value),
            ),
          ];
          assert.equal(threads('CapBnd'), [CAPABILITIES[role]], unit);
          assert.equal(threads('Seccomp'), ['2'], unit);
          assert.match(await machine.run(['cat', `/proc/${pid}/limits`]), /^Max core file size +0 +0 /m);
          await verifyUnit(machine, unit);
          const security = await machine.run(['systemd-analyze', 'security', '--no-pager', unit]);
          const exposure = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(security)?.[1]);
          assert.ok(exposure < 4, `${unit}: exposure ${exposure}`);
          figures(`${unit}: exposure ${exposure} by systemd-analyze security`);
        }
        assert.match(
          await client.run(['journalctl', '-t', 'vpnr-work', '-o', 'cat']),
          /^connected through tokyo/m,
        );

        await changeClients(tokyo);
        await reachesServer(city);

        await hang(client, 'vpnr-work');
        await reachesServer(city);
        await client.run(['systemctl', 'restart', 'vpnr-work']);
        await reachesServer(city);

        await client.run(['systemctl', 'stop', 'vpnr-work']);
        assert.is(await property(client, 'vpnr-work', 'Result'), 'success');
        assert.equal(await city.client.network(), before.network);
        assert.is(await city.client.run(['nft', 'list', 'ruleset']), before.rules);
        assert.equal(readdirSync(client.path('/run/vpnr')), []);
        for (const [machine, name] of [
          [client, 'work'],
          [tokyo, 'gateway'],
          [relay, 'relay'],
        ] as const) {
          await machine.run([...MACHINE_PROGRAM, 'service', 'remove', name]);
          assert.is((await machine.try(['systemctl', 'cat', `vpnr-${name}`])).status, 1);
          assert.equal((await machine.try(['pgrep', '-f', MACHINE_PROGRAM.join(' ')])).stdout, '');
        }
      },
    ),
  machineObstacle(),
);

test(
  'systemd-resolved asks the name servers of the gateway in use for what they are for, and no others',
  () =>
    withMachines(
      {
        tokyo: { dns: { servers: ['10.20.0.100'], search: ['corp.example.com'] } },
        osaka: { dns: { servers: [SERVER_ADDRESS], search: ['corp.example.com'] } },
      },
      city => [city.client],
      async (city, [client]) => {
        assert.ok(client);
        const serve = async (host: Host, address: string, answer: string) => {
          const server = host.spawn([process.execPath, NAME_SERVER, address, answer], {
            name: 'name-server',
          });
          await server.line(/listening/);
          return server;
        };
        const outside = await serve(city.internet, '192.0.2.1', '192.0.2.77');
        await serve(city.relay, '10.20.0.100', '10.20.0.77');
        await serve(city.server, SERVER_ADDRESS, '10.30.0.77');
        await client.startResolved('192.0.2.1');
        const find = async (name: string) => (await client.run(['getent', 'ahostsv4', name])).split(' ')[0];
        // A question to a server that nobody can reach any more takes its time.
        const isTold = (server: string) =>
          until(`systemd-resolved is told of ${server}`, RESTART_MS, async () =>
            (await client.run(['resolvectl', 'dns'])).includes(`(vpnr0): ${server}\n`) ? true : undefined,
          );
        const { relay: _, ...configuration } = city.clientConfiguration();
        configuration.tunnel.routes = ['10.20.0.0/16', '10.30.0.0/16'];
        configuration.failover.mode = 'standby';
        await install(client, 'connect', configuration);

        await client.run(['systemctl', 'start', 'vpnr-work']);
        assert.is(await find('one.corp.example.com'), '10.20.0.77');
        assert.is(await find('short'), '10.20.0.77', 'by the search domain');
        assert.is(await find('one.example.org'), '192.0.2.77');
        await city.gateways.tokyo.kill();
        await isTold(SERVER_ADDRESS);
        assert.is(await find('two.corp.example.com'), '10.30.0.77');
        assert.is(await find('two.example.org'), '192.0.2.77');
        await client.run(['systemctl', 'stop', 'vpnr-work']);
        assert.is(await find('three.corp.example.com'), '192.0.2.77');
        assert.not.match(await client.run(['resolvectl', 'dns']), 'vpnr0');
        const corporate = outside.lines.filter(name => name.endsWith('.corp.example.com'));
        assert.equal([...new Set(corporate)], ['three.corp.example.com'], 'outside');

        // All that leaves the machine takes the tunnel: so do all questions.
        configuration.tunnel.routes = ['0.0.0.0/0'];
        configuration.tunnel.kill_switch = true;
        writeFileSync(client.path('/etc/vpnr/connect.yaml'), stringify(configuration));
        await client.run(['systemctl', 'start', 'vpnr-work']);
        assert.is(await find('four.example.org'), '10.30.0.77');
        assert.equal(
          outside.lines.filter(name => name.startsWith('four')),
          [],
        );
        await client.run(['systemctl', 'stop', 'vpnr-work']);
        assert.is(await find('five.example.org'), '192.0.2.77');
      },
    ),
  resolvedObstacle(),
);

test.run();
