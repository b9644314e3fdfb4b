import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NetworkChanges } from '../../src/io/changes.js';
import { Journal } from '../../src/io/journal.js';
import { hopOutside, hopTo, listRoutes } from '../../src/io/network.js';
import { parseAddress } from '../../src/prefix.js';
import { deviceOf, linkUpAgain, scenario, tunnelRoutes } from './changed-system.js';
import { deleteDevice, inPrivateNetwork, ip, makeDevice } from './private-network.js';

const TESTS = 8;
const GATEWAY = '198.51.100.10';
const GATEWAY6 = '2001:db8:51::10';

if (inPrivateNetwork(TESTS)) {
  scenario('a default route is two halves, and a gateway stays outside', async ({ changes }) => {
    await changes.addAddress('10.61.0.2/32');
    await changes.keepOutside(GATEWAY);
    assert.equal(
      (await listRoutes(4)).filter(route => route.ours),
      [],
      'no host route before one is needed',
    );
    await changes.addRoutes(['0.0.0.0/0'], { source: '10.61.0.2' });
    assert.is(await deviceOf('8.8.8.8'), 'tun');
    assert.is(await deviceOf('203.0.113.1'), 'tun');
    assert.equal(await hopTo(parseAddress(GATEWAY)), {
      device: 'lan',
      via: { family: 4, address: '192.168.5.1' },
      source: '192.168.5.2',
      local: false,
    });
    assert.ok((await listRoutes(4)).some(route => route.destination.length === 0 && route.device === 'lan'));
    // One that joins later.
    await changes.keepOutside('192.168.6.6');
    assert.is(await deviceOf('192.168.6.6'), 'lan');
    // On the link itself.
    await changes.keepOutside('192.168.5.9');
    assert.equal(await hopTo(parseAddress('192.168.5.9')), {
      device: 'lan',
      source: '192.168.5.2',
      local: false,
    });
  });

  scenario('the same with IPv6', async ({ changes }) => {
    await changes.addAddress('fd61::2/128');
    await changes.keepOutside(GATEWAY6);
    await changes.addRoutes(['::/0'], { source: 'fd61::2' });
    assert.equal(await tunnelRoutes(6), ['::/1', '8000::/1']);
    assert.is(await deviceOf('2001:db8:99::1'), 'tun');
    assert.is(await deviceOf(GATEWAY6), 'lan');
    await changes.keepOutside(GATEWAY6);
    assert.is((await hopTo(parseAddress(GATEWAY6)))?.via?.address, 'fd05::1');
    ip('link', 'set', 'lan', 'down');
    assert.is(await hopTo(parseAddress(GATEWAY6)), undefined);
    linkUpAgain();
    await changes.keepOutside(GATEWAY6);
    assert.is(await deviceOf(GATEWAY6), 'lan');
  });

  scenario('a gateway never falls into the tunnel, also while its link is down', async ({ changes }) => {
    await changes.keepOutside(GATEWAY);
    await changes.addRoutes(['0.0.0.0/0']);
    ip('link', 'set', 'lan', 'down');
    assert.is(await hopTo(parseAddress(GATEWAY)), undefined);
    await changes.keepOutside(GATEWAY);
    assert.is(await hopTo(parseAddress(GATEWAY)), undefined);
    assert.is(await deviceOf('8.8.8.8'), 'tun');
    linkUpAgain();
    // Another router than before.
    ip('route', 'replace', 'default', 'via', '192.168.5.254', 'dev', 'lan');
    await changes.keepOutside(GATEWAY);
    assert.is((await hopTo(parseAddress(GATEWAY)))?.via?.address, '192.168.5.254');
    ip('route', 'replace', 'default', 'via', '192.168.5.1', 'dev', 'lan');
    await changes.keepOutside(GATEWAY);
    assert.is((await hopTo(parseAddress(GATEWAY)))?.via?.address, '192.168.5.1');
  });

  scenario('the way outside follows the best route, on a second uplink too', async ({ changes }) => {
    makeDevice('wlan', '192.168.7.2/24');
    try {
      await changes.keepOutside(GATEWAY);
      await changes.addRoutes(['198.51.0.0/16', '0.0.0.0/0']);
      ip('route', 'add', '198.51.100.0/24', 'via', '192.168.7.1', 'dev', 'wlan', 'metric', '50');
      await changes.keepOutside(GATEWAY);
      assert.is(await deviceOf(GATEWAY), 'wlan');
    } finally {
      deleteDevice('wlan');
    }
    assert.is(await hopTo(parseAddress(GATEWAY)), undefined, 'unreachable until looked up again');
    await changes.keepOutside(GATEWAY);
    assert.is(await deviceOf(GATEWAY), 'lan');
  });

  scenario('next hops off the link are taken over', async ({ changes }) => {
    ip('route', 'replace', 'default', 'via', '169.254.1.1', 'dev', 'lan', 'onlink');
    await changes.addRoutes(['0.0.0.0/0']);
    await changes.keepOutside(GATEWAY);
    assert.is((await hopTo(parseAddress(GATEWAY)))?.via?.address, '169.254.1.1');
    ip('-4', 'route', 'replace', 'default', 'via', 'inet6', 'fe80::1', 'dev', 'lan');
    await changes.keepOutside(GATEWAY);
    assert.equal((await hopTo(parseAddress(GATEWAY)))?.via, { family: 6, address: 'fe80::1' });
    ip('route', 'replace', 'default', 'via', '192.168.5.1', 'dev', 'lan');
  });

  scenario("the operator's own route to a gateway is left alone", async ({ changes }) => {
    ip('route', 'add', `${GATEWAY}/32`, 'via', '192.168.5.200', 'dev', 'lan');
    await changes.keepOutside(GATEWAY);
    await changes.addRoutes(['0.0.0.0/0']);
    await changes.keepOutside(GATEWAY);
    assert.is((await hopTo(parseAddress(GATEWAY)))?.via?.address, '192.168.5.200');
    assert.is((await hopOutside(parseAddress(GATEWAY), 'tun'))?.via?.address, '192.168.5.200');
    await changes.undoAll();
    assert.is((await hopTo(parseAddress(GATEWAY)))?.via?.address, '192.168.5.200');
    ip('route', 'delete', `${GATEWAY}/32`);
  });

  scenario("an address of this machine's own needs no route", async ({ changes }) => {
    await changes.keepOutside('192.168.5.2');
    await changes.addRoutes(['0.0.0.0/0']);
    assert.ok((await hopTo(parseAddress('192.168.5.2')))?.local);
    assert.not.ok((await listRoutes(4)).some(route => route.ours && route.destination.length === 32));
  });

  scenario('two owners keep the same gateway outside, each for itself', async ({ changes }) => {
    makeDevice('tun2');
    const directory = mkdtempSync(join(tmpdir(), 'vpnr-changes-'));
    const journal = Journal.open('second', directory);
    try {
      const others = new NetworkChanges(journal, 'tun2');
      await changes.keepOutside(GATEWAY);
      await others.keepOutside(GATEWAY);
      await changes.addRoutes(['0.0.0.0/0']);
      await others.addRoutes(['198.51.0.0/16']);
      assert.equal(await others.undoAll(), []);
      assert.is(await deviceOf(GATEWAY), 'lan');
    } finally {
      journal.close();
      deleteDevice('tun2');
      rmSync(directory, { recursive: true });
    }
  });

  test.run();
}
