/** A machine for tests of what is changed in a system's network, and what it looks like meanwhile. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NetworkChanges } from '../../src/io/changes.js';
import { Journal } from '../../src/io/journal.js';
import { findLink, hopTo, listRoutes } from '../../src/io/network.js';
import { formatPrefix, parseAddress } from '../../src/prefix.js';
import { deleteDevice, ip, makeDevice, snapshot } from './private-network.js';

interface Scene {
  journal: Journal;
  changes: NetworkChanges;
  /** Another owner of the same name, after this one has died without warning. */
  successor(): NetworkChanges;
}

/**
 * A machine with the device `lan` (192.168.5.2/24, default route through .1; the same for IPv6) and the tunnel's
 * device `tun`. After the test, and undoAll, it must look as before.
 */
export function scenario(name: string, body: (scene: Scene) => Promise<void>): void {
  test(name, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'vpnr-changes-'));
    makeDevice('lan', '192.168.5.2/24', 'fd05::2/64');
    addDefaults();
    makeDevice('tun');
    let journal = Journal.open('test', directory);
    let changes = new NetworkChanges(journal, 'tun');
    const before = snapshot();
    const successor = () => {
      journal.close();
      journal = Journal.open('test', directory);
      changes = new NetworkChanges(journal, 'tun');
      return changes;
    };
    try {
      await body({ journal, changes, successor });
      assert.equal(await changes.undoAll(), []);
      assert.is(snapshot(), before);
      assert.equal(journal.entries, []);
    } finally {
      await changes.undoAll();
      journal.close();
      deleteDevice('lan');
      if ((await findLink('tun')) !== undefined) deleteDevice('tun');
      rmSync(directory, { recursive: true });
    }
  });
}

/** Setting a link down took its IPv6 addresses and all routes. */
export function linkUpAgain(): void {
  ip('link', 'set', 'lan', 'up');
  ip('address', 'add', 'fd05::2/64', 'dev', 'lan', 'nodad');
  addDefaults();
}

function addDefaults(): void {
  ip('route', 'add', 'default', 'via', '192.168.5.1', 'dev', 'lan');
  ip('route', 'add', 'default', 'via', 'fd05::1', 'dev', 'lan');
}

export const tunnelRoutes = async (family: 4 | 6 = 4) =>
  (await listRoutes(family))
    .filter(route => route.ours && route.device === 'tun')
    .map(route => formatPrefix(route.destination));

export const deviceOf = async (address: string) => (await hopTo(parseAddress(address)))?.device;
