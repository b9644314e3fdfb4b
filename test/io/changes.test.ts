import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NetworkChanges } from '../../src/io/changes.js';
import { IpError } from '../../src/io/ip.js';
import { findLink, hopTo, listAddresses, listRoutes } from '../../src/io/network.js';
import { readSysctl, writeSysctl } from '../../src/io/sysctl.js';
import { parseAddress } from '../../src/prefix.js';
import { deviceOf, scenario, tunnelRoutes } from './changed-system.js';
import { deleteDevice, inPrivateNetwork, ip, makeDevice } from './private-network.js';

const TESTS = 11;
const FORWARD = 'net/ipv4/ip_forward';
const GATEWAY = '198.51.100.10';

function hasCode(code: string, text: string | RegExp = '') {
  return (error: { code?: string; message: string }) => {
    assert.is(error.code, code);
    assert.match(error.message, text);
    return true;
  };
}

async function rejects(promise: Promise<unknown>, expected: (error: never) => boolean): Promise<void> {
  const error = await promise.then(
    () => undefined,
    reason => reason,
  );
  assert.ok(error, 'should have been rejected');
  expected(error as never);
}

if (inPrivateNetwork(TESTS)) {
  scenario('the system is described', async () => {
    const link = await findLink('lan');
    assert.is(link?.mtu, 1500);
    assert.ok(link?.up);
    assert.is(await findLink('none'), undefined);
    assert.equal(await listAddresses('none'), []);
    const [first] = await listAddresses('lan');
    assert.equal(first, { device: 'lan', address: '192.168.5.2', prefixLength: 24, scope: 'global' });
    assert.equal(await hopTo(parseAddress('203.0.113.7')), {
      device: 'lan',
      via: { family: 4, address: '192.168.5.1' },
      source: '192.168.5.2',
      local: false,
    });
    assert.equal(await hopTo(parseAddress('192.168.5.77')), {
      device: 'lan',
      source: '192.168.5.2',
      local: false,
    });
    assert.ok((await hopTo(parseAddress('192.168.5.2')))?.local);
    const routes = await listRoutes(4);
    assert.ok(
      routes.some(
        route => route.destination.length === 0 && route.via?.address === '192.168.5.1' && !route.ours,
      ),
    );
  });

  scenario('addresses, MTU and routes come and go', async ({ changes }) => {
    await changes.setUp(1380);
    await changes.addAddress('10.30.200.5/32');
    await changes.addAddress('192.0.0.2/32');
    await changes.addAddress('fd30::5/128');
    await changes
      .addRoutes(['10.30.0.0/16', '10.31.1.1/32', 'fd30::/32'], { source: '10.30.200.5' })
      .catch(() => {});
    await changes.addRoutes(['10.30.0.0/16', '10.31.1.1/32'], { source: '10.30.200.5' });
    await changes.addRoutes(['fd30::/32'], { source: 'fd30::5' });
    await changes.addRoutes(['10.20.0.100/32'], { source: '192.0.0.2' });
    assert.is((await findLink('tun'))?.mtu, 1380);
    assert.is((await hopTo(parseAddress('10.30.1.1')))?.source, '10.30.200.5');
    assert.is((await hopTo(parseAddress('10.20.0.100')))?.source, '192.0.0.2');
    assert.is((await hopTo(parseAddress('fd30::99')))?.source, 'fd30::5');
    await changes.removeAddress('192.0.0.2/32');
    assert.not.ok((await listAddresses('tun')).some(entry => entry.address === '192.0.0.2'));
    ip('link', 'set', 'tun', 'mtu', '1500');
  });

  scenario('a source of its own has a route of its own', async ({ changes }) => {
    ip('address', 'add', '192.0.0.2/32', 'dev', 'lan');
    const [taken, free] = ['192.0.0.2', '192.0.0.3'];
    const to = { table: 11_810_000, priority: 11_810 };
    const claim = () => changes.claimSource([taken, free], '10.20.0.100/32', to);
    assert.is(await claim(), free);
    const way = (source: string) => ip('route', 'get', '10.20.0.100', 'from', source);
    assert.match(way(free), /dev tun table 11810001/);
    assert.match(way(taken), /dev lan/);
    assert.is(await claim(), undefined);
    ip('address', 'del', '192.0.0.3/32', 'dev', 'tun');
    assert.is(await claim(), undefined, 'the rule is there, of somebody who is about to add the address');
    ip('address', 'del', '192.0.0.2/32', 'dev', 'lan');
    assert.is(await claim(), taken);
  });

  scenario('the device changes its address while routes use it', async ({ changes }) => {
    await changes.addAddress('10.61.0.2/32');
    await changes.addAddress('192.0.0.2/32');
    await changes.addRoutes(['10.30.0.0/16', '0.0.0.0/0'], { source: '10.61.0.2' });
    await changes.addRoutes(['10.20.0.100/32'], { source: '192.0.0.2' });
    await changes.replaceAddress('10.61.0.2/32', '10.62.0.9/32');
    assert.is((await hopTo(parseAddress('10.30.1.1')))?.source, '10.62.0.9');
    assert.is((await hopTo(parseAddress('8.8.8.8')))?.source, '10.62.0.9');
    assert.is((await hopTo(parseAddress('10.20.0.100')))?.source, '192.0.0.2');
    assert.equal((await tunnelRoutes()).sort(), [
      '0.0.0.0/1',
      '10.20.0.100/32',
      '10.30.0.0/16',
      '128.0.0.0/1',
    ]);
    assert.equal(
      (await listAddresses('tun')).filter(entry => entry.scope === 'global').map(entry => entry.address),
      ['192.0.0.2', '10.62.0.9'],
    );
  });

  scenario(
    'a route of the system is not overridden, and nothing is left of the attempt',
    async ({ changes, journal }) => {
      ip('route', 'add', '10.30.0.0/16', 'via', '192.168.5.1', 'dev', 'lan');
      await rejects(
        changes.addRoutes(['10.29.0.0/16', '10.30.0.0/16']),
        hasCode('ROUTE_EXISTS', '10.30.0.0/16 via 192.168.5.1 dev lan'),
      );
      await rejects(changes.addRoutes(['192.168.5.0/24']), hasCode('ROUTE_EXISTS', 'dev lan'));
      await rejects(changes.addRoutes(['fd05::/64']), hasCode('ROUTE_EXISTS', 'fd05::/64'));
      assert.equal(journal.entries, []);
      // One with a worse metric does not stand in the way.
      ip('route', 'delete', '10.30.0.0/16');
      ip('route', 'add', '10.30.0.0/16', 'via', '192.168.5.1', 'dev', 'lan', 'metric', '100');
      await changes.addRoutes(['10.30.0.0/16']);
      assert.is(await deviceOf('10.30.0.1'), 'tun');
      ip('route', 'delete', '10.30.0.0/16', 'metric', '100');
    },
  );

  scenario('a refused command says which, and keeps none of its kind', async ({ changes, journal }) => {
    // The source is not an address of the device.
    await rejects(
      changes.addRoutes(['10.1.0.0/16', '10.2.0.0/16'], { source: '10.9.9.9' }),
      hasCode('SYSTEM_CALL', 'route add 10.1.0.0/16'),
    );
    await rejects(changes.addAddress('10.1.1.1/99'), hasCode('SYSTEM_CALL'));
    assert.equal(await tunnelRoutes(), []);
    assert.equal(journal.entries, []);
    await rejects(
      new NetworkChanges(journal, 'none').addAddress('10.1.1.1/32'),
      hasCode('SYSTEM_CALL', 'none'),
    );
    await rejects(
      new NetworkChanges(journal, 'none').setUp(1400),
      error => (error as object) instanceof IpError,
    );
  });

  scenario('kernel parameters come back, unless somebody else changed them', async ({ changes }) => {
    writeSysctl(FORWARD, '0');
    assert.ok(await changes.setSysctl(FORWARD, '1'));
    assert.ok(await changes.setSysctl('net/ipv4/conf/lan/proxy_arp', '1'));
    assert.is(readSysctl(FORWARD), '1');
    assert.not.ok(await changes.setSysctl('net/ipv4/conf/none/proxy_arp', '1'));
    writeSysctl('net/ipv4/conf/lan/proxy_arp', '0');
    await changes.undoAll();
    assert.is(readSysctl(FORWARD), '0');
    assert.is(readSysctl('net/ipv4/conf/lan/proxy_arp'), '0');
    assert.throws(() => readSysctl('net/../kernel/panic'), /not the name/);
    assert.throws(() => writeSysctl('kernel/panic', '1'), /not the name/);
  });

  scenario('hundreds of routes come and go, with gaps made by others', async ({ changes }) => {
    const routes = Array.from({ length: 300 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
    await changes.addAddress('10.61.0.2/32');
    await changes.addRoutes(routes, { source: '10.61.0.2' });
    assert.is((await tunnelRoutes()).length, routes.length);
    for (const route of ['10.0.0.0/24', '10.0.77.0/24', '10.1.43.0/24']) ip('route', 'delete', route);
  });

  scenario("the next start takes a dead predecessor's changes back", async ({ changes, successor }) => {
    writeSysctl(FORWARD, '0');
    await changes.addAddress('10.61.0.2/32');
    await changes.keepOutside(GATEWAY);
    await changes.addRoutes(['0.0.0.0/0']);
    await changes.setSysctl(FORWARD, '1');
    const next = successor();
    assert.equal(await next.undoAll(), []);
    assert.is(readSysctl(FORWARD), '0');
    assert.equal(
      (await listRoutes(4)).filter(route => route.ours),
      [],
    );
    assert.equal(await next.undoAll(), []);
  });

  scenario('undoing spares what others made under the same name', async ({ changes, successor }) => {
    await changes.addAddress('10.61.0.2/32');
    await changes.addRoutes(['10.30.0.0/16']);
    deleteDevice('tun');
    makeDevice('tun', '10.61.0.2/32');
    ip('route', 'add', '10.30.0.0/16', 'dev', 'tun');
    assert.equal(await successor().undoAll(), []);
    assert.ok((await listAddresses('tun')).some(entry => entry.address === '10.61.0.2'));
    assert.is(await deviceOf('10.30.0.1'), 'tun');
    deleteDevice('tun');
    makeDevice('tun');
  });

  test.run();
}
