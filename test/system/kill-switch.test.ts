// The kill switch: nothing leaves beside the tunnel, whatever happens to gateways and to vpnr itself.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type City, GATEWAYS, SERVER_ADDRESS, until } from '../../src/lab/index.js';
import { figures, PROGRAM, systemTests, withCity } from './support.js';

const test = systemTests();
const ELSEWHERE = GATEWAYS.osaka.router;

/** Counts at the client's router what comes from the client, but for IKE and ESP to gateways and neighbour discovery. */
const COUNTER = `table inet leaks {
  counter leaked {}
  chain arriving {
    type filter hook prerouting priority -300;
    iifname != access accept
    icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report } accept
    ip daddr { ${GATEWAYS.tokyo.outer}, ${GATEWAYS.osaka.outer} } udp dport 4500 accept
    counter name leaked
  }
}`;

async function leaks(city: City): Promise<number> {
  const text = await city.internet.run(['nft', 'list', 'counter', 'inet', 'leaks', 'leaked']);
  return Number(/packets (\d+)/.exec(text)?.[1]);
}

const ruleset = (city: City) => city.client.run(['nft', 'list', 'ruleset']);
const reaches = async (city: City, address: string) =>
  (await city.client.try(['ping', '-c', '2', '-i', '0.2', '-W', '2', address])).status === 0;

/** Begins a command that is to have an `ip` which changes nothing. */
function withoutIp(city: City): string[] {
  const folder = join(city.lab.folder, 'broken');
  mkdirSync(folder);
  writeFileSync(join(folder, 'ip'), '#!/bin/sh\necho no >&2\nexit 1\n', { mode: 0o755 });
  return ['env', `PATH=${folder}:${process.env.PATH}`];
}

test('with the kill switch nothing leaves beside the tunnel, until disconnect', () =>
  withCity({}, async city => {
    await city.startRelay();
    await city.internet.run(['nft', COUNTER]);
    const before = { rules: await ruleset(city), network: await city.client.network() };
    const configuration = city.clientConfiguration();
    configuration.tunnel.kill_switch = true;
    const packets = ['ping', '-q', '-i', '0.02'];
    const senders = [SERVER_ADDRESS, ELSEWHERE].map(address => city.client.spawn([...packets, address]));
    await until('packets leave without the switch', 30_000, async () => (await leaks(city)) > 0 || undefined);

    const first = city.connect(configuration);
    await first.event('connected');
    const leaked = await leaks(city);
    assert.ok(await reaches(city, SERVER_ADDRESS));
    assert.not.ok(await reaches(city, ELSEWHERE));
    await city.gateways.tokyo.kill();
    await first.event('switched', { gateway: 'osaka' });
    const shown = await city.client.run([...PROGRAM, 'status', 'work']);
    assert.match(shown, /^ {2}failover {2}replay, kill switch on$/m);
    assert.match(shown, /^ {2}rights {4}dac_read_search, net_bind_service, net_admin$/m);
    const watched = city.client.spawn([...PROGRAM, 'status', '--watch', '--interval', '100ms'], {
      name: 'watch',
    });
    await watched.line(/ {2}work: connected /);
    await first.process.kill();
    await watched.line(/ {2}work: not running, kill switch on until /);
    assert.is((await watched.stop('SIGINT')).status, 0);
    assert.match(
      (await city.vpnr('status', 'work')).stderr,
      /^error NOT_RUNNING: work is not running, but the kill switch of work is on\n/,
    );
    assert.match((await city.vpnr('status')).stdout, /^work: not running, kill switch on until /m);
    const inVain = await city.client.try([
      ...withoutIp(city),
      ...PROGRAM,
      'connect',
      '-c',
      join(city.client.folder, 'client.yaml'),
    ]);
    assert.is(inVain.status, 4, inVain.stderr);
    assert.not.ok(
      await reaches(city, SERVER_ADDRESS),
      'a start that fails before it has a switch of its own',
    );
    assert.is((await city.vpnr('disconnect', 'work', '--left-over')).status, 0);
    assert.not.ok(await reaches(city, SERVER_ADDRESS));
    await city.gateways.osaka.kill();
    const failing = city.connect(configuration);
    assert.is((await failing.process.ended(60_000)).status, 5, 'an end that nobody asked for');
    await city.gateways.osaka.start();
    const second = city.connect(configuration);
    await second.event('connected');
    assert.ok(await reaches(city, SERVER_ADDRESS));
    assert.is(await leaks(city), leaked);
    assert.is((await second.stop()).status, 0);
    assert.is(await ruleset(city), before.rules, 'the end that was asked for');

    const third = city.connect(configuration);
    await third.event('connected');
    await third.process.kill();
    assert.not.ok(await reaches(city, ELSEWHERE));
    const result = await city.vpnr('disconnect', 'work');
    assert.is(result.status, 0, result.stderr);
    assert.ok(await reaches(city, ELSEWHERE));
    for (const sender of senders) await sender.stop('SIGINT');
    assert.is(await ruleset(city), before.rules);
    assert.equal(await city.client.network(), before.network);
    const folder = join(city.lab.folder, 'run', 'vpnr');
    assert.equal(
      readdirSync(folder).filter(file => file.startsWith('work')),
      [],
    );
    figures(`${leaked} packets before the kill switch, none under it`);
  }));

test.run();
