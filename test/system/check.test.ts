// What `vpnr check` finds on a client's machine, before it connects: each of its points is made to fail once.
import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { CheckPoint } from '../../src/check/points.js';
import {
  City,
  type Configuration,
  GATEWAYS,
  type Gateway,
  type GatewayName,
  gatewayConfiguration,
  SERVER_NETWORK,
  StrongSwan,
  VpnrGateway,
} from '../../src/lab/index.js';
import { figures, PROGRAM, reporting, systemTests } from './support.js';

const test = systemTests();
const INNER_NETWORKS = ['10.20.0.0/16'];
/** A network on the way loses what is longer, and says nothing. */
const NARROW = 1400;

type AnyCity = City<GatewayName, Gateway>;

/** Tokyo has strongSwan, Osaka a gateway of vpnr's own. */
async function withBoth(body: (city: AnyCity) => Promise<void>): Promise<void> {
  const city = await City.build<GatewayName, Gateway>({
    program: PROGRAM,
    sites: GATEWAYS,
    makeGateway: (host, site) =>
      host.name === 'tokyo'
        ? new StrongSwan(host, { swanctl: gatewayConfiguration(site) })
        : new VpnrGateway(host, { ...site, program: PROGRAM, networks: INNER_NETWORKS }),
  });
  await reporting(city.lab, () => body(city));
}

/** A network between client and gateways loses what matches. */
async function dropOnTheWay({ internet }: AnyCity, match: string): Promise<void> {
  const lines = [
    'table ip lossy {',
    'chain way {',
    'type filter hook forward priority 0;',
    `${match} drop`,
    '}',
    '}',
  ];
  await internet.run(['nft', '-f', '-'], { input: lines.join('\n') });
}

/** The exit status, and the points that are wrong. */
async function check(
  city: AnyCity,
  configuration: Configuration = city.clientConfiguration(),
  ...runner: string[]
): Promise<{ status: number | undefined; wrong: Record<string, CheckPoint>; all: CheckPoint[] }> {
  const file = city.write(city.client, 'client.yaml', configuration);
  const command = [...runner, ...PROGRAM, 'check', '-c', file, '--json'];
  const { status, stdout } = await city.client.try(command);
  const { ok, points } = JSON.parse(stdout) as { ok: boolean; points: CheckPoint[] };
  const wrong = points.filter(point => !point.ok);
  assert.is(ok, wrong.length === 0);
  for (const { remedy } of wrong) assert.ok(remedy);
  return { status, wrong: Object.fromEntries(wrong.map(point => [point.point, point])), all: points };
}

/** Fails unless this is what is wrong: codes by point. */
function assertWrong({ wrong }: Awaited<ReturnType<typeof check>>, expected: Record<string, string>): void {
  const codes = Object.fromEntries(Object.values(wrong).map(({ point, code }) => [point, code]));
  assert.equal(codes, expected);
}

test('all is well; a path that loses large datagrams is found, with a size that fits', () =>
  withBoth(async city => {
    const well = await check(city);
    assertWrong(well, {});
    assert.is(well.status, 0);
    const paths = well.all.filter(({ point }) => point.startsWith('path MTU'));
    assert.is(paths.length, 2);
    for (const { message } of paths) assert.match(message, /^datagrams of \d+ bytes reach /);

    await dropOnTheWay(
      city,
      `ip daddr { ${GATEWAYS.tokyo.outer}, ${GATEWAYS.osaka.outer} } ip length > ${NARROW}`,
    );
    const narrow = await check(city);
    assertWrong(narrow, { 'path MTU to tokyo': 'PATH_MTU', 'path MTU to osaka': 'PATH_MTU' });
    assert.is(narrow.status, 5);
    const fitting = Object.values(narrow.wrong).map(({ remedy = '' }) =>
      Number(/tunnel\.mtu to (\d+)/.exec(remedy)?.[1]),
    );
    const configuration = city.clientConfiguration();
    configuration.tunnel.mtu = Math.min(...fitting);
    assertWrong(await check(city, configuration), {});
    figures(`behind a network that loses more than ${NARROW} bytes: tunnel.mtu ${configuration.tunnel.mtu}`);
    // The gateways keep nothing of strangers' datagrams: they still take the client.
    await city.startRelay();
    const connection = city.connect(configuration);
    await connection.event('connected');
    assertWrong(await check(city, configuration), {
      'other instances': 'ALREADY_RUNNING',
      'TUN device': 'DEVICE_BUSY',
    });
    assert.is((await connection.stop()).status, 0);
  }));

test('what is wrong with the machine is found, each with its code', () =>
  withBoth(async city => {
    const { client } = city;
    await client.run(['ip', 'route', 'add', SERVER_NETWORK, 'dev', 'lo']);
    await client.run(['ip', 'tuntap', 'add', 'vpnr0', 'mode', 'tun']);
    const busy = await check(city);
    assertWrong(busy, { 'TUN device': 'DEVICE_BUSY', routes: 'ROUTE_EXISTS' });
    assert.is(busy.status, 4);
    await client.run(['ip', 'link', 'del', 'vpnr0']);
    await client.run(['ip', 'route', 'del', SERVER_NETWORK, 'dev', 'lo']);

    const bound = ['setpriv', '--inh-caps=-net_admin', '--bounding-set=-net_admin'];
    const weak = await check(city, city.clientConfiguration(), ...bound);
    assert.is(weak.wrong.rights?.code, 'NOT_ROOT');
    assert.is(weak.status, 4);

    chmodSync(join(client.folder, 'tokyo.psk'), 0o644);
    rmSync(join(client.folder, 'relay.token'));
    const secrets = await check(city);
    assertWrong(secrets, {
      'pre-shared key of tokyo': 'SECRET_READABLE_BY_OTHERS',
      'relay token': 'SECRET_NOT_FOUND',
    });
    assert.is(secrets.status, 3);
  }));

test('what is wrong with the way to the gateways is found, each with its code', () =>
  withBoth(async city => {
    const { client } = city;
    const configuration = city.clientConfiguration();
    configuration.tunnel.mtu = 1500;
    configuration.gateways[1].address = 'nowhere.invalid';
    const wide = await check(city, configuration);
    assertWrong(wide, {
      MTU: 'CONFIG_INVALID',
      'gateway osaka': 'GATEWAY_UNRESOLVED',
    });

    await city.gateways.tokyo.kill();
    await dropOnTheWay(city, `ip daddr ${GATEWAYS.osaka.outer}`);
    const silent = await check(city);
    assertWrong(silent, { 'gateway tokyo': 'GATEWAY_TIMEOUT', 'gateway osaka': 'GATEWAY_TIMEOUT' });
    assert.is(silent.status, 5);

    await client.run(['ip', 'route', 'del', 'default']);
    const alone = await check(city);
    assertWrong(alone, { 'gateway tokyo': 'GATEWAY_TIMEOUT', 'gateway osaka': 'GATEWAY_TIMEOUT' });
    assert.match(alone.wrong['gateway tokyo']?.message ?? '', /there is no route/);
  }));

test.run();
