import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type City, type NetworkSnapshot, SERVER_ADDRESS } from '../../src/lab/index.js';
import { systemTests, withCity } from './support.js';

const test = systemTests();

/** What a running vpnr keeps in /run/vpnr. */
function runtimeFiles(city: City): string[] {
  const folder = join(city.lab.folder, 'run', 'vpnr');
  return existsSync(folder) ? readdirSync(folder).filter(file => file.startsWith('work')) : [];
}

async function same(city: City, before: NetworkSnapshot): Promise<void> {
  const after = await city.client.network();
  for (const part of Object.keys(before) as (keyof NetworkSnapshot)[])
    assert.equal(after[part], before[part], part);
  assert.equal(runtimeFiles(city), [], 'no files of the connection are left in /run/vpnr');
}

for (const way of ['SIGINT', 'SIGTERM', 'SIGHUP', 'disconnect'] as const) {
  test(`${way} puts everything back`, () =>
    withCity({}, async city => {
      await city.startRelay();
      const before = await city.client.network();
      const connection = city.connect();
      await connection.event('connected');
      assert.not.equal((await city.client.network()).routes, before.routes);
      await city.client.run(['ping', '-c', '1', '-W', '5', SERVER_ADDRESS]);
      if (way === 'disconnect') {
        const result = await city.vpnr('disconnect', 'work');
        assert.is(result.status, 0, result.stderr);
      } else {
        connection.process.signal(way);
      }
      assert.is((await connection.process.ended(60_000)).status, 0);
      await same(city, before);
    }));
}

test('a signal while connecting puts everything back', () =>
  withCity({}, async city => {
    await city.gateways.tokyo.kill();
    await city.gateways.osaka.kill();
    const before = await city.client.network();
    const connection = city.connect();
    await connection.event('connecting');
    connection.process.signal('SIGTERM');
    await connection.process.ended(60_000);
    await same(city, before);
  }));

test('what SIGKILL leaves is cleaned up by the next start', () =>
  withCity({}, async city => {
    await city.startRelay();
    const before = await city.client.network();
    const killed = city.connect();
    const { address } = await killed.event('connected');
    await killed.process.kill();
    const connection = city.connect();
    const connected = await connection.event('connected');
    assert.is(connected.address, address, 'the lease is kept');
    await city.client.run(['ping', '-c', '1', '-W', '5', SERVER_ADDRESS]);
    assert.is((await connection.stop()).status, 0);
    await same(city, before);
  }));

test('a failed start after SIGKILL cleans up as well', () =>
  withCity({}, async city => {
    await city.startRelay();
    const before = await city.client.network();
    const killed = city.connect();
    await killed.event('connected');
    await killed.process.kill();
    await city.gateways.tokyo.kill();
    await city.gateways.osaka.kill();
    const connection = city.connect();
    assert.is((await connection.process.ended(60_000)).status, 5);
    await same(city, before);
  }));

test('the relay puts everything back', () =>
  withCity({}, async city => {
    const before = await city.relay.network();
    const relay = await city.startRelay();
    assert.not.equal((await city.relay.network()).links, before.links);
    assert.is((await relay.stop('SIGTERM')).status, 0);
    assert.equal(await city.relay.network(), before);
  }));

test.run();
