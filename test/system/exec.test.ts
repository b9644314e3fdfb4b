// vpnr exec: one program whose only way out is the tunnel.
import * as assert from 'uvu/assert';
import { GATEWAYS, SERVER_ADDRESS, until } from '../../src/lab/index.js';
import { PROGRAM, systemTests, withCity } from './support.js';

const test = systemTests();
const ELSEWHERE = GATEWAYS.osaka.router;
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

test.run();
